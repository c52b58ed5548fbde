/** Ids of requests that come from outside, ours and Procore's: taken only when they are sane, since they end up in headers and logs. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** A sane id: at most 128 characters that need no quoting in a header or a line of the log. */
export const requestIdPattern = '^[A-Za-z0-9_.:/+=@-]{1,128}$'

const validRequestId = new RegExp(requestIdPattern)

/** Whether it may be taken over; anything but a string is not. */
export function isValidRequestId (id: unknown): id is string {
  return typeof id === 'string' && validRequestId.test(id)
}

/** The caller's `X-Request-Id`, else a new one. */
export function getRequestId ({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const id = headers['x-request-id']
  return isValidRequestId(id) ? id : randomUUID()
}
