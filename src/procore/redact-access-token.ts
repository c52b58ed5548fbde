/** Finds the access token of this service in responses, so that a server that echoes requests does not disclose it. */
import type { IncomingHttpHeaders } from 'node:http'

/** RFC 6749 §10.10 asks for tokens that cannot be guessed. A shorter text could also be part of ordinary content. */
const accessTokenMinLength = 8

/** Whether the bytes contain the access token, as it is or as some serializers write it in JSON. */
export function containsAccessToken (body: Buffer, accessToken: string): boolean {
  if (accessToken.length < accessTokenMinLength) return false
  if (body.includes(accessToken)) return true
  return accessToken.includes('/') && body.includes(accessToken.replaceAll('/', '\\/'))
}

/** Returns the headers that do not contain the access token: the same object if all of them do not. */
export function withoutAccessToken (headers: IncomingHttpHeaders, accessToken: string): IncomingHttpHeaders {
  if (accessToken.length < accessTokenMinLength) return headers
  const entries = Object.entries(headers)
  const remaining = entries.filter(([name, value]) => !`${name}: ${String(value)}`.includes(accessToken))
  return remaining.length === entries.length ? headers : Object.fromEntries(remaining)
}
