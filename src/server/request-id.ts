/** Validates request ids of callers and of Procore, because they are written to headers and logs. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** A valid id has at most 128 characters, none of which needs quoting in a header or a log line. */
export const requestIdPattern = '^[A-Za-z0-9_.:/+=@-]{1,128}$'

const validRequestId = new RegExp(requestIdPattern)

export function isValidRequestId (id: unknown): id is string {
  return typeof id === 'string' && validRequestId.test(id)
}

/** Returns the caller's `X-Request-Id` if it is valid, and a new id otherwise. */
export function getRequestId ({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const id = headers['x-request-id']
  return isValidRequestId(id) ? id : randomUUID()
}
