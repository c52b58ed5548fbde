/**
 * One endpoint on its paths: it has head and body judged, hands what is valid on, and relays the verdict.
 * Where a valid request goes is none of its business.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../config/index.ts'
import { getEndpointPaths, type Endpoint } from '../endpoints/endpoint.ts'
import type { RequestRecord } from '../telemetry/request-record.ts'
import { overloadedProblem, Problem } from '../server/problem.ts'
import { toError, ClientDisconnectedError } from '../server/errors.ts'
import type { UpstreamSuccess, UpstreamResult } from '../procore/interpret.ts'
import type { ProcoreClient } from '../procore/client.ts'
import { validateEmptyBody } from './body/json.ts'
import { SocketDisconnectSignal } from '../server/disconnect-signal.ts'
import { forwardForm } from './body/form.ts'
import type { ActiveForms } from './body/upload-limiter.ts'
import { parseRequestHead, preferPathErrors, type HeadOptions, type RouteTemplate, type RequestHead } from './request-head.ts'
import type { MemoryBudget } from './body/memory-budget.ts'
import { readJsonBody } from './body/json.ts'
import { rewritePageHeaders } from './pagination.ts'
import { setUpstreamHeaders, relaySuccess } from './response.ts'
import { rejectionProblem } from './rejection.ts'
import { compileRecord, type CompiledRecord } from './validation/schema.ts'
import { createUrlBuilder } from './url.ts'
import { compileParameters } from './validation/parameters.ts'
import type { UploadLimiter } from './body/upload-limiter.ts'
import type { RequestMetadata } from './context.ts'
import type { ValidatedBody, RequestContext } from './context.ts'

declare module 'fastify' {
  interface FastifyRequest {
    head: RequestHead | null
  }
}

interface ProxiedRoute { Params: Record<string, unknown>, Querystring: Record<string, unknown> }
type ProxiedRequest = FastifyRequest<ProxiedRoute>

/** Where a valid request goes. It throws a Problem with the `outcome` of what may have been done, or CallerGone. */
export type EndpointHandler = (outgoing: ValidatedBody, envelope: RequestMetadata) => Promise<UpstreamResult>

/** One endpoint, and what all of them share. */
export interface EndpointRouteOptions {
  endpoint: Endpoint
  bodyLimits: Config['body']
  procore: ProcoreClient
  activeForms: ActiveForms
  /** Whether each request has to find room with Procore; what is kept, or answered here, costs it nothing. */
  needsCapacity: boolean
  uploadLimiter: UploadLimiter
  memoryBudget: MemoryBudget
  send: EndpointHandler
}

/** One endpoint with its compiled shapes. */
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

  constructor ({ endpoint, bodyLimits, procore, send, needsCapacity, uploadLimiter, memoryBudget, activeForms }: EndpointRouteOptions) {
    this.#endpoint = endpoint
    this.#bodyLimits = bodyLimits
    this.#procore = procore
    this.#send = send
    this.#needsCapacity = needsCapacity
    this.#uploadLimiter = uploadLimiter
    this.#memoryBudget = memoryBudget
    this.#activeForms = activeForms
    this.#compiledBody = endpoint.body === undefined ? undefined : compileRecord('body', endpoint.body.fields, endpoint.body)
    this.#headOptions = { hasBody: this.#compiledBody !== undefined, acceptsIdempotencyKey: endpoint.acceptsIdempotencyKey === true, bodyLimits }
  }

  register (app: FastifyInstance): void {
    const { method, params, query } = this.#endpoint
    for (const url of getEndpointPaths(this.#endpoint)) {
      const route: RouteTemplate = { url, parameters: compileParameters(url, params, query), urlFor: createUrlBuilder(url, Object.keys(params.properties)) }
      app.route<ProxiedRoute>({
        method,
        url,
        config: { endpoint: this.#endpoint },
        onRequest: (request, _reply, done) => done(this.#parseHead(request, route)),
        handler: (request, reply) => this.#handle(request, reply),
      })
    }
  }

  /** Without a promise, since every request comes here. */
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
    if (head === null) throw new Error('the target was not judged')
    if (this.#needsCapacity && this.#procore.isAtCapacity) throw overloadedProblem('Too many requests wait for Procore.')
    record.isHandling = true
    try {
      const verdict = await this.#forward(this.#createContext(request, reply, head), head)
      // Whoever dismissed it has answered it.
      if (record.isAborted === true) return reply
      setUpstreamHeaders(reply, record)
      if (verdict.kind === 'success') return this.#sendSuccess(reply, verdict, head)
      throw rejectionProblem(verdict, this.#compiledBody ?? head.query.compiled)
    } catch (error) {
      if (record.isAborted === true && (error instanceof Problem || error instanceof ClientDisconnectedError)) return reply
      setUpstreamHeaders(reply, record)
      const first = preferPathErrors([head.path, head.query], error)
      throw first instanceof Problem ? this.#withOutcome(first, record) : first
    } finally {
      record.isHandling = false
      for (const listener of record.onHandled ?? []) listener()
    }
  }

  #sendSuccess (reply: FastifyReply, success: UpstreamSuccess, { path, query, route }: RequestHead): FastifyReply {
    if (success.headers !== undefined) {
      reply.headers(rewritePageHeaders(success.headers, query.compiled, page => route.urlFor(path.values, new Map([...query.values, ...page]))))
    }
    return relaySuccess(reply, success)
  }

  /** What becomes of a request is told where it may have changed something. */
  #withOutcome (problem: Problem, { provisionalOutcome }: RequestRecord): Problem {
    if (this.#endpoint.effect === 'safe') return problem.withoutOutcome()
    return problem.extras.outcome === undefined && provisionalOutcome !== undefined ? problem.withExtras({ outcome: provisionalOutcome }) : problem
  }

  #forward (visit: RequestContext, { body }: RequestHead): Promise<UpstreamResult> {
    if (body === undefined) return visit.send(validateEmptyBody(visit))
    return body.kind === 'json' ? readJsonBody(visit).then(visit.send) : this.#forwardForm(visit, body.boundary)
  }

  async #forwardForm (visit: RequestContext, boundary: string): Promise<UpstreamResult> {
    const { raw, record, callerId } = visit
    const length = raw.headers['content-length']
    const declaredBytes = length === undefined ? undefined : Number(length)
    // A form that does not say its size may turn out to be larger than the hold.
    const leaveUploads = (declaredBytes ?? Infinity) > this.#bodyLimits.formBufferBytes ? this.#uploadLimiter.acquire(callerId) : undefined
    const leaveForms = this.#activeForms.add({ record, declaredBytes, startedAtMs: Date.now() })
    try {
      return await forwardForm(visit, boundary)
    } finally {
      leaveForms()
      leaveUploads?.()
    }
  }

  #createContext (request: FastifyRequest, reply: FastifyReply, { path, query, idempotencyKey, route }: RequestHead): RequestContext {
    const { raw, record, callerId, identity } = request
    const signal = new SocketDisconnectSignal(raw.socket, record)
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
      send: outgoing => {
        if (this.#endpoint.effect !== 'safe') record.provisionalOutcome = 'not_sent'
        return this.#send(outgoing, { path, query, subject: identity.subject, idempotencyKey, record, signal, requestId: request.id, route: route.url })
      },
    }
  }
}
