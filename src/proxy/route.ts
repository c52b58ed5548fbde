/**
 * Registers the routes of one endpoint: validates the request, passes it to the endpoint's handler, and sends the
 * result.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../config/index.ts'
import { getEndpointPaths, type Endpoint } from '../endpoints/endpoint.ts'
import type { RequestRecord } from '../telemetry/request-record.ts'
import { overloadedProblem, Problem } from '../server/problem.ts'
import { toError, ClientDisconnectedError } from '../server/errors.ts'
import { SocketDisconnectSignal } from '../server/disconnect-signal.ts'
import type { UpstreamSuccess, UpstreamResult } from '../procore/interpret.ts'
import type { ProcoreClient } from '../procore/client.ts'
import { readJsonBody, validateEmptyBody } from './body/json.ts'
import { forwardForm } from './body/form.ts'
import type { ActiveForms, UploadLimiter } from './body/upload-limiter.ts'
import type { MemoryBudget } from './body/memory-budget.ts'
import {
  parseRequestHead, preferPathErrors, type HeadOptions, type RouteTemplate, type RequestHead,
} from './request-head.ts'
import { rewritePageHeaders } from './pagination.ts'
import { setUpstreamHeaders, relaySuccess } from './response.ts'
import { rejectionProblem } from './rejection.ts'
import { compileRecord, type CompiledRecord } from './validation/schema.ts'
import { compileParameters } from './validation/parameters.ts'
import { createUrlBuilder } from './url.ts'
import type { RequestContext, RequestMetadata, ValidatedBody } from './context.ts'

declare module 'fastify' {
  interface FastifyRequest {
    head: RequestHead | null
  }
}

interface ProxiedRoute { Params: Record<string, unknown>, Querystring: Record<string, unknown> }
type ProxiedRequest = FastifyRequest<ProxiedRoute>

/**
 * Executes a valid request. Throws a Problem with the `outcome` of a request that may have changed something, or
 * ClientDisconnectedError.
 */
export type EndpointHandler = (requestBody: ValidatedBody, metadata: RequestMetadata) => Promise<UpstreamResult>

/** One endpoint, and the services that all of them share. */
export interface EndpointRouteOptions {
  endpoint: Endpoint
  bodyLimits: Config['body']
  procore: ProcoreClient
  activeForms: ActiveForms
  /** Whether to reject requests while Procore is at capacity; false for cached lists and for local endpoints. */
  needsCapacity: boolean
  uploadLimiter: UploadLimiter
  memoryBudget: MemoryBudget
  send: EndpointHandler
}

/** Serves one endpoint on its paths: validates head and body, calls `send` with a valid request, relays the result. */
export class EndpointRoute {
  readonly #endpoint: Endpoint
  readonly #bodyLimits: Config['body']
  readonly #procore: ProcoreClient
  readonly #send: EndpointHandler
  readonly #needsCapacity: boolean
  readonly #uploadLimiter: UploadLimiter
  readonly #memoryBudget: MemoryBudget
  readonly #activeForms: ActiveForms
  readonly #compiledBody: CompiledRecord | undefined
  readonly #headOptions: HeadOptions

  constructor (options: EndpointRouteOptions) {
    const { endpoint, bodyLimits } = options
    const { body } = endpoint
    this.#endpoint = endpoint
    this.#bodyLimits = bodyLimits
    this.#procore = options.procore
    this.#send = options.send
    this.#needsCapacity = options.needsCapacity
    this.#uploadLimiter = options.uploadLimiter
    this.#memoryBudget = options.memoryBudget
    this.#activeForms = options.activeForms
    this.#compiledBody = body === undefined ? undefined : compileRecord('body', body.fields, body)
    const acceptsIdempotencyKey = endpoint.acceptsIdempotencyKey === true
    this.#headOptions = { hasBody: body !== undefined, acceptsIdempotencyKey, bodyLimits }
  }

  register (app: FastifyInstance): void {
    const { method, params, query } = this.#endpoint
    for (const url of getEndpointPaths(this.#endpoint)) {
      const route: RouteTemplate = {
        url,
        parameters: compileParameters(url, params, query),
        urlFor: createUrlBuilder(url, Object.keys(params.properties)),
      }
      app.route<ProxiedRoute>({
        method,
        url,
        config: { endpoint: this.#endpoint },
        onRequest: (request, _reply, done) => done(this.#parseHead(request, route)),
        handler: (request, reply) => this.#handle(request, reply),
      })
    }
  }

  /** Synchronous, because every request passes through this hook. */
  #parseHead (request: ProxiedRequest, route: RouteTemplate): Error | undefined {
    try {
      request.head = parseRequestHead(request, this.#headOptions, route)
      return undefined
    } catch (error) {
      return toError(error)
    }
  }

  async #handle (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { head, record } = request
    if (head === null) throw new Error('The request head was not parsed.')
    if (this.#needsCapacity && this.#procore.isAtCapacity) {
      throw overloadedProblem('Too many requests are waiting for Procore.')
    }
    record.isHandling = true
    try {
      const result = await this.#forward(this.#createContext(request, reply, head), head)
      // An aborted request has already been answered.
      if (record.isAborted === true) return reply
      setUpstreamHeaders(reply, record)
      if (result.kind === 'success') return this.#sendSuccess(reply, result, head)
      throw rejectionProblem(result, this.#compiledBody ?? head.query.compiled)
    } catch (error) {
      const isExpected = error instanceof Problem || error instanceof ClientDisconnectedError
      if (record.isAborted === true && isExpected) return reply
      setUpstreamHeaders(reply, record)
      const reported = preferPathErrors([head.path, head.query], error)
      throw reported instanceof Problem ? this.#withOutcome(reported, record) : reported
    } finally {
      record.isHandling = false
      for (const listener of record.onHandled ?? []) listener()
    }
  }

  #sendSuccess (reply: FastifyReply, success: UpstreamSuccess, { path, query, route }: RequestHead): FastifyReply {
    if (success.headers !== undefined) {
      const buildPageUrl = (page: Map<string, number>) =>
        route.urlFor(path.values, new Map([...query.values, ...page]))
      reply.headers(rewritePageHeaders(success.headers, query.compiled, buildPageUrl))
    }
    return relaySuccess(reply, success)
  }

  /** Adds the outcome to a problem of a request that may have changed something, and removes it from all others. */
  #withOutcome (problem: Problem, { provisionalOutcome }: RequestRecord): Problem {
    if (this.#endpoint.effect === 'safe') return problem.withoutOutcome()
    if (problem.extras.outcome !== undefined || provisionalOutcome === undefined) return problem
    return problem.withExtras({ outcome: provisionalOutcome })
  }

  #forward (context: RequestContext, { body }: RequestHead): Promise<UpstreamResult> {
    if (body === undefined) return context.send(validateEmptyBody(context))
    if (body.kind === 'json') return readJsonBody(context).then(context.send)
    return this.#forwardForm(context, body.boundary)
  }

  async #forwardForm (context: RequestContext, boundary: string): Promise<UpstreamResult> {
    const { raw, record, callerId } = context
    const length = raw.headers['content-length']
    const declaredBytes = length === undefined ? undefined : Number(length)
    // A form without a declared size may exceed the buffer, and is then streamed.
    const mayStream = (declaredBytes ?? Infinity) > this.#bodyLimits.formBufferBytes
    const releaseUpload = mayStream ? this.#uploadLimiter.acquire(callerId) : undefined
    const removeForm = this.#activeForms.add({ record, declaredBytes, startedAtMs: Date.now() })
    try {
      return await forwardForm(context, boundary)
    } finally {
      removeForm()
      releaseUpload?.()
    }
  }

  #createContext (
    request: FastifyRequest, reply: FastifyReply, { path, query, idempotencyKey, route }: RequestHead
  ): RequestContext {
    const { raw, record, callerId, identity } = request
    const metadata: RequestMetadata = {
      path,
      query,
      subject: identity.subject,
      idempotencyKey,
      record,
      signal: new SocketDisconnectSignal(raw.socket, record),
      requestId: request.id,
      route: route.url,
    }
    return {
      raw,
      callerId,
      response: reply.raw,
      bodyLimits: this.#bodyLimits,
      memoryBudget: this.#memoryBudget,
      compiled: this.#compiledBody ?? query.compiled,
      parameterValidators: [path, query],
      record,
      hasIdempotencyKey: idempotencyKey !== undefined,
      send: requestBody => {
        if (this.#endpoint.effect !== 'safe') record.provisionalOutcome = 'not_sent'
        return this.#send(requestBody, metadata)
      },
    }
  }
}
