/**
 * Everything that Procore's API is told, and nothing else: no header of a caller's gets here. It is pure, and knows neither the way
 * that a request takes nor what comes of it.
 */
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { userAgent, via } from '../config/product.ts'

/** A Buffer goes out with Content-Length and can be repeated; a stream goes out chunked, at the pace of the slower side, and can't. */
export type RequestBody = Buffer | Readable | null

/** What is said. */
export interface UpstreamRequest {
  method: Dispatcher.HttpMethod
  /** Path and query. */
  path: string
  /** Told in `Procore-Company-Id`, beside the path; the two have to agree. */
  companyId: number
  contentType?: string | undefined
  body: RequestBody
  /** Keeps a stream from ever becoming complete, without ending it: an answer came before its end. */
  stopBody?: (() => void) | undefined
  /** Sent as `Idempotency-Token`, as Procore's own SDK sends it; Procore may make something of it. */
  idempotencyToken?: string
}

/** How it is said. */
export interface HttpRequest extends Pick<UpstreamRequest, 'method' | 'path' | 'body' | 'stopBody'> {
  origin: string
  /** Names and values in turn. */
  headers: string[]
}

/** @param accessToken of OAuth 2.0, sent as a bearer token (RFC 6750 §2.1) */
export function buildHttpRequest (request: UpstreamRequest, origin: string, accessToken: string): HttpRequest {
  const { method, path, body, stopBody } = request
  return { origin, method, path, body, headers: buildHeaders(request, accessToken), stopBody }
}

function buildHeaders ({ companyId, contentType, idempotencyToken }: UpstreamRequest, accessToken: string): string[] {
  const headers = [
    'authorization', `Bearer ${accessToken}`,
    'procore-company-id', String(companyId),
    'accept', 'application/json',
    'user-agent', userAgent,
    'via', via,
  ]
  if (contentType !== undefined) headers.push('content-type', contentType)
  if (idempotencyToken !== undefined) headers.push('idempotency-token', idempotencyToken)
  return headers
}

/** Whether it flows: whatever is not a stream is there whole. */
export function isStream (body: RequestBody): body is Readable {
  return body !== null && !Buffer.isBuffer(body)
}
