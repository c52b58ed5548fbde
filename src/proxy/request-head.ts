/**
 * All of a request that can be judged before its body is read: path, query, type and declared size of the body, the key. A faulty
 * company comes before what is wrong with the body. It reads nothing from the connection.
 */
import type { FastifyRequest } from 'fastify'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import { validationProblem, type RecordValidator } from './validation/record.ts'
import { parseIdempotencyKey } from './idempotency/header.ts'
import { validatePath, validateQuery, type CompiledParameters } from './validation/parameters.ts'
import type { UrlBuilder } from './url.ts'
import type { IncomingHttpHeaders } from 'node:http'
import { parseParameters, isUtf8Charset } from './multipart/header-params.ts'
import { malformedForm } from './multipart/part-headers.ts'

/** One of the paths of an endpoint. */
export interface RouteTemplate {
  /** Its pattern. */
  url: string
  parameters: CompiledParameters
  /** Itself, with other values. */
  urlFor: UrlBuilder
}

/** What the head of a request said. */
export interface RequestHead {
  /** Judged, but told of only with the faults of the body. */
  path: RecordValidator
  query: RecordValidator
  /** Nothing where the endpoint takes none. */
  body: BodyType | undefined
  idempotencyKey: string | undefined
  route: RouteTemplate
}

/** What the endpoint takes. */
export interface HeadOptions {
  hasBody: boolean
  acceptsIdempotencyKey: boolean
  bodyLimits: Pick<Config['body'], 'jsonMaxBytes' | 'avatarMaxBytes'>
}

type RequestInput = Pick<FastifyRequest<{ Params: Record<string, unknown>, Querystring: Record<string, unknown> }>, 'params' | 'query' | 'headers' | 'record'>

/**
 * The company is noted on the trail.
 * @throws {Problem} `not_found`, `unsupported_media_type`, `malformed_form`, `body_too_large`, `avatar_too_large`, `bad_request`, and
 * `validation_failed` where what is wrong with the path comes first
 */
export function parseRequestHead ({ params, query: parameters, headers, record }: RequestInput, rules: HeadOptions, route: RouteTemplate): RequestHead {
  const path = validatePath(route.parameters.path, params)
  const query = validateQuery(route.parameters.query, parameters)
  const companyId = path.values.get('company_id') ?? query.values.get('company_id')
  if (typeof companyId === 'number') record.companyId = companyId
  // Whoever asks whether the body is wanted is told at once.
  if (path.hasErrors && headers.expect !== undefined) throw validationProblem([path, query]) ?? new Error('a faulty path has faults')
  try {
    const body = rules.hasBody ? parseContentType(headers) : undefined
    // What is not looked at must not be refused for its type by Fastify either.
    if (body === undefined) delete headers['content-type']
    if (body !== undefined) checkDeclaredSize(body, Number(headers['content-length'] ?? 0), rules.bodyLimits)
    return { path, query, body, idempotencyKey: rules.acceptsIdempotencyKey ? parseIdempotencyKey(headers) : undefined, route }
  } catch (error) {
    throw preferPathErrors([path, query], error)
  }
}

function checkDeclaredSize ({ kind }: BodyType, declaredBytes: number, { jsonMaxBytes, avatarMaxBytes }: HeadOptions['bodyLimits']): void {
  if (kind === 'json' && declaredBytes > jsonMaxBytes) throw bodyTooLargeProblem(jsonMaxBytes)
  if (kind === 'form' && declaredBytes > multipartMaxBytes(avatarMaxBytes)) {
    throw new Problem('avatar_too_large', `The form is larger than one with an avatar of ${avatarMaxBytes} bytes can be.`)
  }
}

/** Of JSON; a form that is too large is one whose avatar is. */
export const bodyTooLargeProblem = (maxBytes: number) => new Problem('body_too_large', `A JSON body may have at most ${maxBytes} bytes.`)

/** The largest body that a form within all limits can have. */
export function multipartMaxBytes (avatarMaxBytes: number): number {
  return avatarMaxBytes + limits.multipart.textMaxBytes
}

/** In the order of refusals a faulty path comes before what is wrong with the body; faults of both are told together. */
export function preferPathErrors (drafts: readonly [path: RecordValidator, query: RecordValidator], error: unknown): unknown {
  const isAboutBody = error instanceof Problem && error.code !== 'validation_failed' && error.code !== 'request_timeout'
  return isAboutBody && drafts[0].hasErrors ? validationProblem(drafts) : error
}

/** The two that there are; a boundary is one of RFC 2046 §5.1.1. */
export type BodyType = { kind: 'json' } | { kind: 'form', boundary: string }

const jsonType: BodyType = { kind: 'json' }

/** @throws {Problem} `unsupported_media_type`, or `malformed_form` for a form without a usable boundary */
export function parseContentType (headers: IncomingHttpHeaders): BodyType {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') throw unsupportedMediaType('A Content-Encoding is not supported.')
  const text = headers['content-type']
  if (text === 'application/json') return jsonType
  if (text === undefined) throw unsupportedMediaType('Send application/json or multipart/form-data.')
  const isForm = /^\s*multipart\/form-data\s*(?:;|$)/i.test(text)
  const mediaType = parseParameters(text, true)
  if (mediaType === undefined) throw isForm ? malformedForm('The parameters of the content type cannot be read.') : unsupportedMediaType('The content type cannot be read.')
  const charset = mediaType.parameters.get('charset')
  if (charset !== undefined && !isUtf8Charset(charset)) throw unsupportedMediaType('The charset must be UTF-8.')
  if (mediaType.value === 'application/json') return jsonType
  if (mediaType.value === 'multipart/form-data') return { kind: 'form', boundary: parseBoundary(mediaType.parameters.get('boundary')) }
  throw unsupportedMediaType('Send application/json or multipart/form-data.')
}

/** RFC 2046 §5.1.1: 1 to 70 characters of a set, the last one no space. */
function parseBoundary (boundary: string | undefined): string {
  if (boundary === undefined || !/^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(boundary)) throw malformedForm('The content type has no usable boundary.')
  return boundary
}

const unsupportedMediaType = (detail: string) => new Problem('unsupported_media_type', detail)
