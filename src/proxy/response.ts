/** What the caller is told of Procore's verdict: a success byte for byte, a refusal as a problem that points at the inputs. */
import { isAscii } from 'node:buffer'
import type { FastifyReply } from 'fastify'
import type { RequestRecord } from '../telemetry/request-record.ts'
import type { UpstreamSuccess } from '../procore/interpret.ts'

/** Which answer of Procore's this one goes back to, whatever it says. */
export function setUpstreamHeaders (reply: FastifyReply, { procoreRequestId, replayed }: RequestRecord): void {
  if (procoreRequestId !== undefined) reply.header('procore-request-id', procoreRequestId)
  if (replayed === true) reply.header('idempotency-replayed', 'true')
}

/** Byte for byte what Procore said, with none of its headers but the content type. A form that the caller has already is a 304. */
export function relaySuccess (reply: FastifyReply, { status, contentType, body, recovered, cacheInfo, etag }: UpstreamSuccess): FastifyReply {
  if (recovered === true) reply.header('x-outcome', 'recovered')
  reply.code(status)
  if (cacheInfo === undefined) reply.header('cache-control', 'no-store')
  else setCacheHeaders(reply, cacheInfo)
  if (etag !== undefined) {
    reply.header('etag', etag)
    // RFC 9110 §15.4.5: the same headers as the answer that it stands for, and no body.
    if (matchesIfNoneMatch(etag, reply.request.headers['if-none-match'])) return reply.code(304).send()
  }
  return body.length === 0 ? reply.send() : reply.header('content-type', contentType).serializer(passThrough).send(toPayload(body, contentType))
}

/** Node writes a short text together with the head in one piece, and bytes beside it as a second one. It writes the head as UTF-8 then. */
function toPayload (body: Buffer, contentType: string): Buffer | string {
  return body.length <= singleWriteMaxBytes && isAscii(body) && /^[\x20-\x7e]*$/.test(contentType) ? body.toString('latin1') : body
}

/** Node has 16 KB at hand for what it writes as text, head and all, and counts three bytes a character. */
const singleWriteMaxBytes = 4096

/** Without a serializer Fastify would add a charset to the type of a text. */
const passThrough = (payload: unknown) => String(payload)

/** RFC 9110 §13.1.2: by weak comparison, since a cache on the way may have made the tag weak. */
function matchesIfNoneMatch (etag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some(tag => tag.trim().replace(/^W\//, '') === etag)
}

/** Another person at the same browser may not have what this one may, so what it keeps is bound to the token. */
function setCacheHeaders (reply: FastifyReply, { lifetimeSeconds, ageSeconds, cacheStatus }: NonNullable<UpstreamSuccess['cacheInfo']>): void {
  const vary = reply.getHeader('vary')
  reply.headers({ 'cache-control': lifetimeSeconds === 0 ? 'no-store' : `private, max-age=${lifetimeSeconds}`, vary: vary === undefined ? 'authorization' : `${String(vary)}, authorization` })
  // RFC 9111 §5.1: an answer with an Age was not made for this request.
  if (cacheStatus !== 'miss') reply.header('age', String(ageSeconds))
  if (cacheStatus === 'stale') reply.header('x-outcome', 'stale')
}
