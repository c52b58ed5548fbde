/** Rejects requests before authentication: unknown routes, and heads that two HTTP parsers could read differently. */
import fp from 'fastify-plugin'
import type { AllowedMethods } from './method-not-allowed.ts'
import type { IncomingMessage } from 'node:http'
import { limits } from '../config/limits.ts'
import { findClosingProblem } from './connection-close.ts'
import { Problem } from './problem.ts'

/**
 * Registers a hook that rejects with `not_found`, `method_not_allowed` or `bad_request`. From this hook on, every
 * response carries `X-Request-Id`. Must be registered before any route, because it listens for them.
 */
export const requestGuardsPlugin = fp<{ allowedMethods: AllowedMethods }>(async (app, { allowedMethods }) => {
  app.addHook('onRoute', route => allowedMethods.add(route))
  app.setNotFoundHandler(request => { throw allowedMethods.problemFor(request.raw.url) })
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers({ 'x-request-id': request.id, 'x-content-type-options': 'nosniff' })
    // RFC 9110 §10.1.1: an expectation of an HTTP/1.0 caller is ignored, because it may not understand 100 (Continue).
    if (request.raw.httpVersion === '1.0') delete request.headers.expect
    const problem = findClosingProblem(request.raw.socket) ?? checkRequestHead(request.raw)
    // Fastify parses the body before it calls the not-found handler, and would report an error in the body first.
    done(problem ?? (request.is404 ? allowedMethods.problemFor(request.raw.url) : undefined))
  })
})

type RequestHead = Pick<IncomingMessage, 'rawHeaders' | 'headers' | 'url' | 'httpVersion'>

/**
 * Checks a request head for an unsupported version, a missing or invalid Host (RFC 9112 §3.2), more than
 * `limits.server.headersMaxCount` headers, duplicates of singleton headers, a transfer coding other than chunked, and
 * an invalid target. Returns `bad_request` (400, or 431 for too many headers), or undefined for a valid head.
 */
function checkRequestHead ({ rawHeaders, headers, url, httpVersion }: RequestHead): Problem | undefined {
  // Node's parser also accepts the versions 0.9 and 2.0, which have other rules.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return badRequest('The HTTP version is not supported. Use 1.1.')
  if (httpVersion === '1.1' && headers.host === undefined) return badRequest('The request has no Host header.')
  if (rawHeaders.length > limits.server.headersMaxCount * 2) {
    return badRequest(`The request has more than ${limits.server.headersMaxCount} headers.`, { status: 431 })
  }
  const duplicate = findDuplicateSingletonField(rawHeaders)
  if (duplicate !== undefined) return badRequest(`The request has more than one ${duplicate} header.`)
  if (headers.host !== undefined && !/^[\w.:[\]-]*$/.test(headers.host)) {
    return badRequest('The Host header is not a valid host name or address.')
  }
  const transferCoding = headers['transfer-encoding']
  // RFC 9112 §6.1: HTTP/1.0 has no transfer codings, so an HTTP/1.0 proxy may have framed the body otherwise.
  if (transferCoding !== undefined && httpVersion === '1.0') {
    return badRequest('An HTTP/1.0 request must not have a Transfer-Encoding header.')
  }
  // RFC 9112 §6.1: without support for a transfer coding, the server cannot determine the body.
  if (transferCoding !== undefined && transferCoding.toLowerCase() !== 'chunked') {
    return badRequest('The only supported transfer coding is chunked.')
  }
  const fault = findTargetFault(url ?? '')
  return fault === undefined ? undefined : badRequest(fault)
}

/**
 * RFC 9112 §3.2: a request target has no fragment. RFC 3986 §2.5: its percent-encoded octets are UTF-8. Fastify checks
 * the path only, and its parser of queries keeps octets that it cannot decode.
 */
function findTargetFault (url: string): string | undefined {
  if (url.includes('#')) return 'The URL must not have a fragment.'
  try {
    if (url.includes('%')) decodeURIComponent(url)
    return undefined
  } catch {
    return invalidEncodingDetail
  }
}

/** Detail of a URL whose percent-encoding cannot be decoded. */
export const invalidEncodingDetail = 'The percent-encoding of the URL is invalid or not UTF-8.'

/**
 * The connection closes, because another parser on the way may have found a different end of the request (RFC 9112
 * §11.2).
 */
function badRequest (detail: string, extras: { status?: number } = {}): Problem {
  return new Problem('bad_request', detail, { ...extras, headers: { connection: 'close' } })
}

/**
 * Headers that may occur once. If duplicated, Node uses the first, and another parser may use the last (RFC 9110 §5.3,
 * RFC 9112 §3.2).
 */
const singletonFields = new Set(['host', 'authorization', 'content-type'])

const singletonFieldLengths = new Set([...singletonFields].map(name => name.length))

function findDuplicateSingletonField (rawHeaders: readonly string[]): string | undefined {
  const seen: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const header = rawHeaders[index] ?? ''
    if (!singletonFieldLengths.has(header.length)) continue
    const name = header.toLowerCase()
    if (!singletonFields.has(name)) continue
    if (seen.includes(name)) return header
    seen.push(name)
  }
  return undefined
}
