/**
 * Everything that Procore's API is told, and nothing else: no header of a caller's gets here. It is pure, and knows neither the way
 * that a request takes nor what comes of it.
 */
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { userAgent, via } from '../config/product.ts'

/** A Buffer goes out with Content-Length and can be repeated; a stream goes out chunked, at the pace of the slower side, and can't. */
export type Body = Buffer | Readable | null

/** What is said. */
export interface ApiRequest {
  method: Dispatcher.HttpMethod
  /** Path and query. */
  path: string
  /** Told in `Procore-Company-Id`, beside the path; the two have to agree. */
  companyId: number
  contentType?: string | undefined
  body: Body
  /** Keeps a stream from ever becoming complete, without ending it: an answer came before its end. */
  halt?: (() => void) | undefined
  /** Sent as `Idempotency-Token`, as Procore's own SDK sends it; Procore may make something of it. */
  idempotencyToken?: string
}

/** How it is said. */
export interface HttpRequest extends Pick<ApiRequest, 'method' | 'path' | 'body' | 'halt'> {
  origin: string
  /** Names and values in turn. */
  headers: string[]
}

/** @param token of OAuth 2.0, sent as a bearer token (RFC 6750 §2.1) */
export function httpRequest (request: ApiRequest, origin: string, token: string): HttpRequest {
  const { method, path, body, halt } = request
  return { origin, method, path, body, headers: headersOf(request, token), halt }
}

function headersOf ({ companyId, contentType, idempotencyToken }: ApiRequest, token: string): string[] {
  const headers = [
    'authorization', `Bearer ${token}`,
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
export function isStream (body: Body): body is Readable {
  return body !== null && !Buffer.isBuffer(body)
}
