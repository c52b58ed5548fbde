/** Reads the Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header §2.1), bare or as a quoted string. */
import type { IncomingHttpHeaders } from 'node:http'
import { Problem } from '../../server/problem.ts'

/** A bare key, or a quoted string (RFC 8941 §3.3.3). Of a quoted key the group has the text. */
export const idempotencyKeyPattern =
  '^(?:[\\x21\\x23-\\x7e]{1,255}|"((?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\["\\\\]){1,255})")$'

// Node joins duplicate headers by a comma and a space, which do not match.
const validKey = new RegExp(idempotencyKeyPattern)

/**
 * Returns undefined if the request has no key. Procore's Ruby SDK calls the header `Idempotency-Token`.
 * @throws {Problem} `bad_request`
 */
export function parseIdempotencyKey (headers: IncomingHttpHeaders): string | undefined {
  if (headers['idempotency-key'] === undefined && headers['idempotency-token'] === undefined) return undefined
  const values = ['idempotency-key', 'idempotency-token'].map(name => headers[name])
    .filter(value => value !== undefined)
  const parsed = new Set(values.map(value => typeof value === 'string' ? parseValue(value) : undefined))
  const [idempotencyKey] = parsed
  if (parsed.size > 1 || (values.length > 0 && idempotencyKey === undefined)) {
    throw new Problem('bad_request',
      'Idempotency-Key must be a single key of 1 to 255 visible characters, bare or in quotes.')
  }
  return idempotencyKey
}

function parseValue (value: string): string | undefined {
  const match = validKey.exec(value)
  if (match === null) return undefined
  return match[1]?.replace(/\\(["\\])/g, '$1') ?? value
}
