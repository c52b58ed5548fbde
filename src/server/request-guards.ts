/** Rejects requests before authentication: unknown routes, and heads that two HTTP parsers could read differently. */
import fp from 'fastify-plugin'
import type { AllowedMethods } from './method-not-allowed.ts'
import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
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
    done(findClosingProblem(request.raw.socket) ?? checkRequest(request, allowedMethods))
  })
})

function checkRequest ({ is404, raw }: FastifyRequest, allowedMethods: AllowedMethods): Problem | undefined {
  // Fastify parses the body before it calls the not-found handler, and would report an error in the body first.
  return is404 ? allowedMethods.problemFor(raw.url) : checkRequestHead(raw)
}

type RequestHead = Pick<IncomingMessage, 'rawHeaders' | 'headers' | 'url' | 'httpVersion'>

/**
 * Checks a request head for a missing or invalid Host (RFC 9112 §3.2), more than `limits.server.headersMaxCount`
 * headers, duplicates of singleton headers, a transfer coding other than chunked, and an invalid target. Returns
 * `bad_request` (400, or 431 for too many headers), or undefined for a valid head.
 */
function checkRequestHead ({ rawHeaders, headers, url, httpVersion }: RequestHead): Problem | undefined {
  if (httpVersion === '1.1' && headers.host === undefined) return badRequest('The request has no Host header.')
  if (rawHeaders.length > limits.server.headersMaxCount * 2) {
    return new Problem('bad_request', 'The request has too many headers.', { status: 431 })
  }
  const isValidHost = headers.host === undefined || /^[\w.:[\]-]*$/.test(headers.host)
  if (hasDuplicateSingletonField(rawHeaders) || !isValidHost) {
    return badRequest('Host, Authorization or Content-Type is duplicated or not valid.')
  }
  const transferCoding = headers['transfer-encoding']
  // RFC 9112 §6.1: without support for a transfer coding, the server cannot determine the body.
  if (transferCoding !== undefined && transferCoding.toLowerCase() !== 'chunked') {
    return badRequest('The only supported transfer coding is chunked.')
  }
  return isValidTarget(url ?? '') ? undefined : badRequest('The URL is not valid.')
}

/**
 * RFC 9112 §3.2: a request target has no fragment. RFC 3986 §2.5: its percent-encoded octets are UTF-8. Fastify checks
 * the path only, and its parser of queries keeps octets that it cannot decode.
 */
function isValidTarget (url: string): boolean {
  if (url.includes('#')) return false
  try {
    if (url.includes('%')) decodeURIComponent(url)
    return true
  } catch {
    return false
  }
}

const badRequest = (detail: string) => new Problem('bad_request', detail)

/**
 * Headers that may occur once. If duplicated, Node uses the first, and another parser may use the last (RFC 9110 §5.3,
 * RFC 9112 §3.2).
 */
const singletonFields = new Set(['host', 'authorization', 'content-type'])

const singletonFieldLengths = new Set([...singletonFields].map(name => name.length))

function hasDuplicateSingletonField (rawHeaders: readonly string[]): boolean {
  const seen: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const header = rawHeaders[index] ?? ''
    if (!singletonFieldLengths.has(header.length)) continue
    const name = header.toLowerCase()
    if (!singletonFields.has(name)) continue
    if (seen.includes(name)) return true
    seen.push(name)
  }
  return false
}
