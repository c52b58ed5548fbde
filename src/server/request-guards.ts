/**
 * What is judged of a request's head before anybody asks who sent it: whether its route is there, and whether all parsers agree on it.
 * It knows neither callers nor what a route does, and no body was read yet.
 */
import type { FastifyInstance } from 'fastify'
import type { AllowedMethods } from './method-not-allowed.ts'
import type { IncomingMessage } from 'node:http'
import { limits } from '../config/limits.ts'
import { Problem } from './problem.ts'

/** Adds the hook that refuses with `not_found`, `method_not_allowed` or `bad_request`; all answers from there on name the request by its id. */
export function registerRequestGuards (app: FastifyInstance, allowedMethods: AllowedMethods): void {
  app.setNotFoundHandler(request => { throw allowedMethods.problemFor(request.raw.url) })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    // Before its handler, Fastify would parse the body of a request that has no route, and find fault with that first.
    done(request.is404 ? allowedMethods.problemFor(request.raw.url) : checkRequestHead(request.raw))
  })
}

/**
 * A head without Host or with a Host that is none (RFC 9112 §3.2), with more than `limits.server.headersMaxCount` headers, with doubles of those that
 * stand once, with a coding but chunked, or with a fragment in its target. Returns `bad_request` (400, or 431 for too many); nothing when
 * there is no doubt.
 */
export function checkRequestHead ({ rawHeaders, headers, url, httpVersion }: Pick<IncomingMessage, 'rawHeaders' | 'headers' | 'url' | 'httpVersion'>): Problem | undefined {
  if (httpVersion === '1.1' && headers.host === undefined) return new Problem('bad_request', 'The request has no Host.')
  if (rawHeaders.length > limits.server.headersMaxCount * 2) return new Problem('bad_request', 'There are too many headers.', { status: 431 })
  if (hasDuplicateSingletonField(rawHeaders) || (headers.host !== undefined && !/^[\w.:[\]-]*$/.test(headers.host))) return new Problem('bad_request', 'A header that may stand once is doubled or not valid.')
  const transferCoding = headers['transfer-encoding']
  // RFC 9112 §6.1: whoever does not know a transfer coding can't tell what the body is.
  if (transferCoding !== undefined && transferCoding.toLowerCase() !== 'chunked') return new Problem('bad_request', 'Only the transfer coding chunked is supported.')
  // RFC 9112 §3.2: a target has no fragment.
  return url?.includes('#') === true ? new Problem('bad_request', 'The URL cannot be read.') : undefined
}

/** Headers of which Node takes the first, and another parser perhaps the last (RFC 9110 §5.3, RFC 9112 §3.2). */
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
