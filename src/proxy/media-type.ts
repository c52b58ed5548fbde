/** Judges what a request says of its body: media type and encoding. It reads no byte of the body. */
import type { IncomingHttpHeaders } from 'node:http'
import { Problem } from '../server/problem.ts'
import { isUtf8Charset, readParameters } from './multipart/header-params.ts'
import { malformed } from './multipart/malformed.ts'

/** The two that there are; a boundary is one of RFC 2046 §5.1.1. */
export type BodyKind = { kind: 'json' } | { kind: 'form', boundary: string }

const json: BodyKind = { kind: 'json' }

/** @throws {Problem} `unsupported_media_type`, or `malformed_form` for a form without a usable boundary */
export function readBodyKind (headers: IncomingHttpHeaders): BodyKind {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') throw unsupported('A Content-Encoding is not supported.')
  const text = headers['content-type']
  if (text === 'application/json') return json
  if (text === undefined) throw unsupported('Send application/json or multipart/form-data.')
  const isForm = /^\s*multipart\/form-data\s*(?:;|$)/i.test(text)
  const mediaType = readParameters(text, true)
  if (mediaType === undefined) throw isForm ? malformed('The parameters of the content type cannot be read.') : unsupported('The content type cannot be read.')
  const charset = mediaType.parameters.get('charset')
  if (charset !== undefined && !isUtf8Charset(charset)) throw unsupported('The charset must be UTF-8.')
  if (mediaType.value === 'application/json') return json
  if (mediaType.value === 'multipart/form-data') return { kind: 'form', boundary: readBoundary(mediaType.parameters.get('boundary')) }
  throw unsupported('Send application/json or multipart/form-data.')
}

/** RFC 2046 §5.1.1: 1 to 70 characters of a set, the last one no space. */
function readBoundary (boundary: string | undefined): string {
  if (boundary === undefined || !/^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(boundary)) throw malformed('The content type has no usable boundary.')
  return boundary
}

const unsupported = (detail: string) => new Problem('unsupported_media_type', detail)
