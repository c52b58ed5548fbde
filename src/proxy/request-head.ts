/**
 * Validates everything of a request that comes before its body: path, query, type and declared size of the body, and
 * the idempotency key. It reads nothing from the connection.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import type { RequestRecord } from '../telemetry/request-record.ts'
import { isAbortReason, type AbortReason } from '../server/abort.ts'
import { validationProblem, type RecordValidator } from './validation/record.ts'
import { parseIdempotencyKey } from './idempotency/header.ts'
import { validatePath, validateQuery, type CompiledParameters } from './validation/parameters.ts'
import type { UrlBuilder } from './url.ts'
import { parseCharset } from './multipart/charset.ts'
import { parseParameters } from './multipart/header-params.ts'
import { malformedForm } from './multipart/part-headers.ts'

/** One of the paths of an endpoint. */
export interface RouteTemplate {
  /** The path pattern. */
  url: string
  parameters: CompiledParameters
  /** Builds a URL of this route from values. */
  urlFor: UrlBuilder
}

/** The result of validating the head of a request. */
export interface RequestHead {
  /** Validated, but its errors are reported together with those of the body. */
  path: RecordValidator
  query: RecordValidator
  /** Undefined if the endpoint takes no body. */
  body: BodyType | undefined
  idempotencyKey: string | undefined
  route: RouteTemplate
}

/** What the endpoint accepts. */
export interface HeadOptions {
  /** Undefined: it ignores a body. */
  accepts: AcceptedBody | undefined
  /** Images that a form may have. */
  imagesMax: number
  acceptsIdempotencyKey: boolean
  bodyLimits: Pick<Config['body'], 'jsonMaxBytes' | 'avatarMaxBytes'>
}

interface ParameterRoute { Params: Record<string, unknown>, Querystring: Record<string, unknown> }
type RequestInput = Pick<FastifyRequest<ParameterRoute>, 'params' | 'query' | 'headers'>

/**
 * Parses and validates the head, and records the company.
 * @throws {Problem} `not_found`, `unsupported_media_type`, `malformed_form`, `body_too_large`, `avatar_too_large`,
 * `bad_request`, and `validation_failed` if the path is invalid and takes precedence
 */
export function parseRequestHead (
  { params, query: queryParameters, headers }: RequestInput,
  record: RequestRecord,
  options: HeadOptions,
  route: RouteTemplate
): RequestHead {
  const path = validatePath(route.parameters.path, params)
  const query = validateQuery(route.parameters.query, queryParameters)
  const companyId = path.values.get('company_id') ?? query.values.get('company_id')
  if (typeof companyId === 'number') record.companyId = companyId
  // A caller that sends `Expect: 100-continue` asks whether its body is wanted, so it gets the errors of the path now.
  if (path.hasErrors && headers.expect !== undefined) {
    throw validationProblem([path, query]) ?? new Error('An invalid path has no validation errors.')
  }
  try {
    const body = options.accepts === undefined ? undefined : parseContentType(headers, options.accepts)
    // Fastify must not reject a body that is ignored because of its type.
    if (body === undefined) delete headers['content-type']
    if (body !== undefined) checkDeclaredSize(body, Number(headers['content-length'] ?? 0), options)
    const idempotencyKey = options.acceptsIdempotencyKey ? parseIdempotencyKey(headers) : undefined
    return { path, query, body, idempotencyKey, route }
  } catch (error) {
    throw isAbortReason(error) ? preferPathErrors([path, query], error) : error
  }
}

function checkDeclaredSize (
  { kind }: BodyType,
  declaredBytes: number,
  { accepts, imagesMax, bodyLimits: { jsonMaxBytes, avatarMaxBytes } }: HeadOptions
): void {
  const { fileMaxBytes } = accepts ?? {}
  if (fileMaxBytes !== undefined) {
    if (declaredBytes > fileMaxBytes) throw fileTooLargeProblem(fileMaxBytes)
    return
  }
  if (kind === 'json' && declaredBytes > jsonMaxBytes) throw bodyTooLargeProblem(jsonMaxBytes)
  const formMaxBytes = multipartMaxBytes(avatarMaxBytes, imagesMax)
  if (kind !== 'multipart' || declaredBytes <= formMaxBytes) return
  if (imagesMax === 0) throw new Problem('body_too_large', `A form may have at most ${formMaxBytes} bytes.`)
  const images = imagesMax === 1 ? 'an avatar' : `${imagesMax} images`
  throw new Problem('avatar_too_large', `The form is larger than a form with ${images} of ${avatarMaxBytes} bytes.`)
}

/** Creates the problem of a JSON body that is too large. A form that is too large is reported as `avatar_too_large`. */
export const bodyTooLargeProblem = (maxBytes: number) =>
  new Problem('body_too_large', `A JSON body may have at most ${maxBytes} bytes.`)

/** Creates the problem of a file of rows that is too large. */
export const fileTooLargeProblem = (maxBytes: number) =>
  new Problem('body_too_large', `A file may have at most ${maxBytes} bytes.`)

/** Returns the size of the largest form that is within all limits. */
export function multipartMaxBytes (avatarMaxBytes: number, imagesMax: number): number {
  return imagesMax * avatarMaxBytes + limits.multipart.textMaxBytes
}

/**
 * Replaces an error about the body by the errors of the path, if there are any: an invalid path takes precedence. The
 * validation errors of both are already reported together, and a timeout remains a timeout.
 */
export function preferPathErrors (
  parameterValidators: readonly [path: RecordValidator, query: RecordValidator], error: AbortReason
): AbortReason {
  const isAboutBody = error instanceof Problem && error.code !== 'validation_failed' && error.code !== 'request_timeout'
  const prefersPath = isAboutBody && parameterValidators[0].hasErrors
  return prefersPath ? validationProblem(parameterValidators) ?? error : error
}

/** The type of a body; a boundary is valid by RFC 2046 §5.1.1. */
export type BodyType = { kind: 'json' } | { kind: 'csv' } | { kind: 'ndjson' } | { kind: 'multipart', boundary: string }

const jsonType: BodyType = { kind: 'json' }

/** The media types of a body. */
export interface AcceptedBody {
  types: ReadonlyMap<string, BodyType>
  /** Whether a body may be a form as well. */
  hasForm: boolean
  /** Bytes of a file; undefined for a body whose size is limited by its type. */
  fileMaxBytes?: number
  /** Names all of them. */
  remedy: string
}

const jsonTypes = new Map([['application/json', jsonType]])

export const recordBody: AcceptedBody = {
  types: jsonTypes, hasForm: true, remedy: 'Send application/json or multipart/form-data.',
}

export const listBody: AcceptedBody = { types: jsonTypes, hasForm: false, remedy: 'Send application/json.' }

/** A file of rows, by itself or in a form. */
export const fileBody: AcceptedBody = {
  types: new Map<string, BodyType>([['text/csv', { kind: 'csv' }], ['application/x-ndjson', { kind: 'ndjson' }]]),
  hasForm: true,
  fileMaxBytes: limits.imports.maxBytes,
  remedy: 'Send text/csv, application/x-ndjson, or multipart/form-data with one such file.',
}

/** @throws {Problem} `unsupported_media_type`, or `malformed_form` for a form without a valid boundary */
function parseContentType (headers: IncomingHttpHeaders, { types, hasForm, remedy }: AcceptedBody): BodyType {
  const unsupportedMediaType = (fault: string) => new Problem('unsupported_media_type', `${fault} ${remedy}`)
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    throw new Problem('unsupported_media_type', 'The body must not have a Content-Encoding.')
  }
  const contentType = headers['content-type']
  const exactType = types.get(contentType ?? '')
  if (exactType !== undefined) return exactType
  if (contentType === undefined) throw unsupportedMediaType('The request has no Content-Type.')
  const isForm = hasForm && /^\s*multipart\/form-data\s*(?:;|$)/i.test(contentType)
  const mediaType = parseParameters(contentType, true)
  if (mediaType === undefined) {
    throw isForm
      ? malformedForm('The content type has an invalid or repeated parameter.')
      : unsupportedMediaType('The content type is invalid.')
  }
  const type = types.get(mediaType.value)
  if (type === undefined && !isForm) throw unsupportedMediaType('The content type is not supported.')
  const charset = parseCharset(mediaType.parameters.get('charset') ?? 'utf-8')
  if (charset !== 'utf-8') {
    throw new Problem('unsupported_media_type', 'The charset of the content type must be UTF-8 or US-ASCII.')
  }
  return type ?? { kind: 'multipart', boundary: parseBoundary(mediaType.parameters.get('boundary')) }
}

/** Validates a boundary by RFC 2046 §5.1.1: 1 to 70 characters of a set, and the last one is not a space. */
function parseBoundary (boundary: string | undefined): string {
  if (boundary === undefined) {
    throw malformedForm('The content type has no boundary. The library that writes the form should set it.')
  }
  if (!/^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(boundary)) {
    throw malformedForm('The boundary of the content type is invalid (RFC 2046, section 5.1.1).')
  }
  return boundary
}
