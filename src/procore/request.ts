/**
 * Builds the HTTP request to Procore's API. It contains only what this file puts into it: no header of a caller is
 * forwarded.
 */
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { userAgent, via } from '../config/product.ts'

/**
 * A Buffer is sent with Content-Length and can be sent again. A stream is sent chunked, at the pace of the slower side,
 * and cannot.
 */
export type RequestBody = Buffer | Readable | null

/** The parts of a request that differ from one request to the next. */
export interface UpstreamRequest {
  method: Dispatcher.HttpMethod
  /** Path and query. */
  path: string
  /** Sent as `Procore-Company-Id`; must be the company in the path. Undefined if the request is about no company. */
  companyId: number | undefined
  contentType?: string | undefined
  body: RequestBody
  /** Whether the body has an avatar. Of a stream it is known when its last byte is sent. */
  hasImage?: (() => boolean) | undefined
  /** Stops a stream, so that it never becomes complete, but does not end it: a response arrived before its end. */
  stopBody?: (() => void) | undefined
  /** Counts bytes of the response in memory; negative: they are released. Throws a Problem to end the exchange. */
  countResponseBytes?: ((bytes: number) => void) | undefined
  /** Sent as `Idempotency-Token`, as Procore's own SDK does. Procore does not document whether it uses it. */
  idempotencyToken?: string
}

type HttpRequestPart = 'method' | 'path' | 'body' | 'hasImage' | 'stopBody' | 'countResponseBytes'

/** The request as undici dispatches it. */
export interface HttpRequest extends Pick<UpstreamRequest, HttpRequestPart> {
  origin: string
  /** The one in the headers. */
  accessToken: string
  /** Names and values alternate. */
  headers: string[]
}

/** @param accessToken OAuth 2.0 access token, sent as a bearer token (RFC 6750 §2.1) */
export function buildHttpRequest (requestParts: UpstreamRequest, origin: string, accessToken: string): HttpRequest {
  const { method, path, body, hasImage, stopBody, countResponseBytes } = requestParts
  const { companyId, contentType, idempotencyToken } = requestParts
  const headers = [
    'authorization', `Bearer ${accessToken}`,
    'accept', 'application/json',
    'accept-encoding', 'identity',
    'user-agent', userAgent,
    'via', via,
  ]
  if (companyId !== undefined) headers.push('procore-company-id', String(companyId))
  if (contentType !== undefined) headers.push('content-type', contentType)
  if (idempotencyToken !== undefined) headers.push('idempotency-token', idempotencyToken)
  return { origin, method, path, body, headers, hasImage, stopBody, countResponseBytes, accessToken }
}

/** Whether the body is streamed rather than buffered or absent. */
export function isStream (body: RequestBody): body is Readable {
  return body !== null && !Buffer.isBuffer(body)
}
