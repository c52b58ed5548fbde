/**
 * All of a request that can be judged before its body is read: path, query, type and declared size of the body, the key. A faulty
 * company comes before what is wrong with the body. It reads nothing from the connection.
 */
import type { FastifyRequest } from 'fastify'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import { faultsProblem, type Draft } from './validation/record.ts'
import { readIdempotencyKey } from './idempotency/header.ts'
import { judgePath, judgeQuery, type PathTemplate, type TargetShapes } from './url.ts'
import type { IncomingHttpHeaders } from 'node:http'
import { readParameters, isUtf8Charset } from './multipart/header-params.ts'
import { malformed } from './multipart/malformed.ts'

/** One of the paths of an endpoint. */
export interface Route {
  /** Its pattern. */
  url: string
  shapes: TargetShapes
  /** Itself, with other values. */
  self: PathTemplate
}

/** What the head of a request said. */
export interface Target {
  /** Judged, but told of only with the faults of the body. */
  path: Draft
  query: Draft
  /** Nothing where the endpoint takes none. */
  body: BodyKind | undefined
  key: string | undefined
  route: Route
}

/** What the endpoint takes. */
export interface HeadRules {
  hasBody: boolean
  takesKey: boolean
  bodies: Pick<Config['body'], 'jsonMaxBytes' | 'avatarMaxBytes'>
}

type Judged = Pick<FastifyRequest<{ Params: Record<string, unknown>, Querystring: Record<string, unknown> }>, 'params' | 'query' | 'headers' | 'record'>

/**
 * The company is noted on the trail.
 * @throws {Problem} `not_found`, `unsupported_media_type`, `malformed_form`, `body_too_large`, `avatar_too_large`, `bad_request`, and
 * `validation_failed` where what is wrong with the path comes first
 */
export function judgeHead ({ params, query: parameters, headers, record }: Judged, rules: HeadRules, route: Route): Target {
  const path = judgePath(route.shapes.path, params)
  const query = judgeQuery(route.shapes.query, parameters)
  const companyId = path.values.get('company_id') ?? query.values.get('company_id')
  if (typeof companyId === 'number') record.companyId = companyId
  // Whoever asks whether the body is wanted is told at once.
  if (path.isFaulty && headers.expect !== undefined) throw faultsProblem([path, query]) ?? new Error('a faulty path has faults')
  try {
    const body = rules.hasBody ? readBodyKind(headers) : undefined
    // What is not looked at must not be refused for its type by Fastify either.
    if (body === undefined) delete headers['content-type']
    if (body !== undefined) judgeDeclaredSize(body, Number(headers['content-length'] ?? 0), rules.bodies)
    return { path, query, body, key: rules.takesKey ? readIdempotencyKey(headers) : undefined, route }
  } catch (error) {
    throw pathFirst([path, query], error)
  }
}

function judgeDeclaredSize ({ kind }: BodyKind, declaredBytes: number, { jsonMaxBytes, avatarMaxBytes }: HeadRules['bodies']): void {
  if (kind === 'json' && declaredBytes > jsonMaxBytes) throw bodyTooLarge(jsonMaxBytes)
  if (kind === 'form' && declaredBytes > formMaxBytes(avatarMaxBytes)) {
    throw new Problem('avatar_too_large', `The form is larger than one with an avatar of ${avatarMaxBytes} bytes can be.`)
  }
}

/** Of JSON; a form that is too large is one whose avatar is. */
export const bodyTooLarge = (maxBytes: number) => new Problem('body_too_large', `A JSON body may have at most ${maxBytes} bytes.`)

/** The largest body that a form within all limits can have. */
export function formMaxBytes (avatarMaxBytes: number): number {
  return avatarMaxBytes + limits.multipart.textMaxBytes
}

/** In the order of refusals a faulty path comes before what is wrong with the body; faults of both are told together. */
export function pathFirst (drafts: readonly [path: Draft, query: Draft], error: unknown): unknown {
  const isAboutBody = error instanceof Problem && error.code !== 'validation_failed' && error.code !== 'request_timeout'
  return isAboutBody && drafts[0].isFaulty ? faultsProblem(drafts) : error
}

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
