/** Sends Procore's successes to the caller. */
import { isAscii } from 'node:buffer'
import type { FastifyReply } from 'fastify'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import { recordProblem } from '../server/error-handler.ts'
import { Problem } from '../server/problem.ts'
import type { RequestRecord } from '../telemetry/request-record.ts'
import type { UpstreamSuccess } from '../procore/result.ts'
import type { FileSuccess, LinesSuccess } from './context.ts'
import { ResponseStream } from './response-stream.ts'
import type { RequestUsage } from './usage.ts'

type CacheInfo = NonNullable<UpstreamSuccess['cacheInfo']>

/** Sets the headers that link a response, success or failure, to the exchange with Procore that it results from. */
export function setUpstreamHeaders (reply: FastifyReply, { procoreRequestId, replayed }: RequestRecord): void {
  if (procoreRequestId !== undefined) reply.header('procore-request-id', procoreRequestId)
  if (replayed === true) reply.header('idempotency-replayed', 'true')
}

/** How a response counts, and how slowly the caller may read it. */
interface RelayOptions {
  usage: RequestUsage
  responseLimits: Config['response']
  /** The response is the only report of a change, so it is sent even if its caller has too many bytes in memory. */
  mustBeSent: boolean
}

/**
 * Relays a success byte for byte, with none of Procore's headers but the content type. Responds with 304 if the caller
 * already has the form metadata.
 * @throws {Problem} `too_many_requests`, `overloaded`
 */
export function relaySuccess (
  reply: FastifyReply,
  { status, contentType, body, recovered, cacheInfo, etag }: UpstreamSuccess,
  { usage, responseLimits, mustBeSent }: RelayOptions
): FastifyReply {
  const hasMatchingEtag = etag !== undefined && matchesIfNoneMatch(etag, reply.request.headers['if-none-match'])
  if (!hasMatchingEtag) usage.setResponse(body, mustBeSent)
  if (recovered === true) reply.header('x-outcome', 'recovered')
  reply.code(status)
  if (cacheInfo === undefined) reply.header('cache-control', 'no-store')
  else setCacheHeaders(reply, cacheInfo)
  if (etag !== undefined) reply.header('etag', etag)
  // RFC 9110 §15.4.5: a 304 has the same headers as the 200 that it stands for, and no body.
  if (hasMatchingEtag) return reply.code(304).send()
  if (body.length === 0) return reply.send()
  reply.header('content-type', contentType)
  if (body.length <= responseLimits.sliceBytes) {
    return reply.serializer(passThrough).send(toPayload(body, contentType))
  }
  const stream = new ResponseStream(body, responseLimits, () => {
    if (usage.isAboveHalfOfShare) endSlowResponse(reply, stream)
  })
  return reply.header('content-length', String(body.length)).send(stream)
}

/**
 * Streams a file to the caller. Headers keep a browser from running anything in it, and pages of other sites from
 * embedding it. An error after the head closes the connection, so that the caller sees that the file is incomplete.
 */
export function relayFile (
  reply: FastifyReply, { status, contentType, fileName, contentLength, etag, content }: FileSuccess
): FastifyReply {
  const { headers, inFlight } = reply.request
  reply.code(status)
  setCacheHeaders(reply, { lifetimeSeconds: limits.file.cacheSeconds, ageSeconds: 0, cacheStatus: 'miss' })
  reply.headers({
    etag,
    'content-disposition': `inline; filename="${fileName}"`,
    'content-security-policy': 'default-src \'none\'; sandbox',
    'cross-origin-resource-policy': 'same-site',
  })
  if (matchesIfNoneMatch(etag, headers['if-none-match'])) {
    content.destroy()
    return reply.code(304).send()
  }
  content.on('error', error => {
    // The record of a request whose caller has left is frozen.
    if (error instanceof Problem && inFlight?.isResponseClosed === false) recordProblem(error, inFlight.record)
  })
  if (contentLength !== undefined) reply.header('content-length', String(contentLength))
  return reply.header('content-type', contentType).send(content)
}

/** Streams lines to the caller. nginx and others that know `X-Accel-Buffering` pass each one on at once. */
export function relayLines (reply: FastifyReply, { status, contentType, content }: LinesSuccess): FastifyReply {
  reply.code(status).headers({ 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
  return reply.header('content-type', contentType).send(content)
}

/** Closes the connection of a caller that holds much memory by reading slowly. */
function endSlowResponse ({ request: { inFlight } }: FastifyReply, stream: ResponseStream): void {
  const problem = new Problem('request_timeout', 'The caller read the response too slowly.')
  if (inFlight !== null) recordProblem(problem, inFlight.record)
  stream.destroy(problem)
}

/**
 * Converts a short body to text, because Node writes text together with the head in one piece, but bytes separately.
 * Node then encodes the head as UTF-8, so the content type must be ASCII.
 */
function toPayload (body: Buffer, contentType: string): Buffer | string {
  const isShortText = body.length <= singleWriteMaxBytes && isAscii(body) && /^[\x20-\x7e]*$/.test(contentType)
  return isShortText ? body.toString('latin1') : body
}

/** Node has a buffer of 16 KB for text, head included, and reserves three bytes for each character. */
const singleWriteMaxBytes = 4096

/** Without a serializer, Fastify would add a charset to the content type of a text. */
const passThrough = (payload: unknown) => String(payload)

/** RFC 9110 §13.1.2: compares weakly, because a cache on the way may have made the tag weak. */
function matchesIfNoneMatch (etag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false
  const opaqueTag = etag.replace(/^W\//, '')
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some(tag => tag.trim().replace(/^W\//, '') === opaqueTag)
}

/** Varies by the access token, because another person at the same browser may not have the same permissions. */
function setCacheHeaders (reply: FastifyReply, { lifetimeSeconds, ageSeconds, cacheStatus }: CacheInfo): void {
  const vary = reply.getHeader('vary')
  reply.headers({
    'cache-control': lifetimeSeconds === 0 ? 'no-store' : `private, max-age=${lifetimeSeconds}`,
    vary: vary === undefined ? 'authorization' : `${String(vary)}, authorization`,
  })
  // RFC 9111 §5.1: a response with an Age header was not made for this request.
  if (cacheStatus !== 'miss') reply.header('age', String(ageSeconds))
  if (cacheStatus === 'stale') reply.header('x-outcome', 'stale')
}
