/** Decodes compressed responses. The service asks for none, but a server in between may compress all the same. */
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'

const decoders = new Map([
  ['gzip', gunzipSync],
  ['x-gzip', gunzipSync],
  ['deflate', inflateSync],
  ['br', brotliDecompressSync],
])

/**
 * Returns the content of a body with one content coding (RFC 9110 §8.4.1), or undefined if the coding is not known, the
 * body is damaged, or the content has more than `maxBytes`.
 */
export function decodeContent (body: Buffer, coding: string, maxBytes: number): Buffer | undefined {
  const name = coding.trim().toLowerCase()
  if (name === 'identity' || body.length === 0) return body
  try {
    return decoders.get(name)?.(body, { maxOutputLength: maxBytes })
  } catch {
    return undefined
  }
}
