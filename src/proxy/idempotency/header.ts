/** Reads the Idempotency-Key of a request (draft-ietf-httpapi-idempotency-key-header §2.1), bare or as a quoted string. */
import type { IncomingHttpHeaders } from 'node:http'
import { Problem } from '../../server/problem.ts'

const bareKey = /^[\x21\x23-\x7e]{1,255}$/
// RFC 8941 §3.3.3; two headers of the name come joined by a comma and a space, which neither form lets through.
const quotedKey = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,510})"$/

/** Nothing when there is none. `Idempotency-Token` is what Procore's Ruby SDK calls it. @throws {Problem} `bad_request` */
export function parseIdempotencyKey (headers: IncomingHttpHeaders): string | undefined {
  if (headers['idempotency-key'] === undefined && headers['idempotency-token'] === undefined) return undefined
  const names = ['idempotency-key', 'idempotency-token'].map(name => headers[name]).filter(value => value !== undefined)
  const keys = new Set(names.map(value => typeof value === 'string' ? parseKey(value) : undefined))
  const [key] = keys
  if (keys.size > 1 || (names.length > 0 && key === undefined)) throw new Problem('bad_request', 'Idempotency-Key must be one key of 1 to 255 visible characters, bare or in quotes.')
  return key
}

function parseKey (value: string): string | undefined {
  if (bareKey.test(value)) return value
  const text = quotedKey.exec(value)?.[1]?.replace(/\\(["\\])/g, '$1')
  return text !== undefined && text.length <= 255 ? text : undefined
}
