/**
 * Registers the routes of one endpoint: validates the request, passes it to the endpoint's handler, and sends the
 * result.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../config/index.ts'
import { getEndpointPaths, hasForm, type Body, type Endpoint } from '../endpoints/endpoint.ts'
import { overloadedProblem, Problem } from '../server/problem.ts'
import { ClientDisconnectedError, toError } from '../server/errors.ts'
import { isAbortReason, type AbortReason } from '../server/abort.ts'
import { recordProblem, unexpectedProblem } from '../server/error-handler.ts'
import type { InFlightRequest } from '../server/in-flight.ts'
import type { UpstreamFailure, UpstreamRejection, UpstreamSuccess } from '../procore/result.ts'
import type { ProcoreClient } from '../procore/client.ts'
import { Delivery, failureOutcome } from '../procore/delivery.ts'
import { forwardJson, validateEmptyBody } from './body/json.ts'
import { forwardForm } from './body/form.ts'
import type { ActiveForms } from './body/active-forms.ts'
import type { Importer } from './import/importer.ts'
import type { OriginIds } from './idempotency/origin-ids.ts'
import {
  fileBody, listBody, parseRequestHead, preferPathErrors, recordBody,
  type AcceptedBody, type HeadOptions, type RouteTemplate, type RequestHead,
} from './request-head.ts'
import { rewritePageHeaders } from './pagination.ts'
import { setUpstreamHeaders, relayFile, relayLines, relaySuccess } from './response.ts'
import type { RequestUsage, UsageLimiter } from './usage.ts'
import { rejectionProblem } from './rejection.ts'
import { compileBody, type CompiledRecord } from './validation/schema.ts'
import { compileParameters, getCompanyId } from './validation/parameters.ts'
import { createUrlBuilder } from './url.ts'
import type { OperationCheck } from './validation/record.ts'
import type { CompanyCheck, EndpointResult, GeneratedField, RequestContext, Send } from './context.ts'
import { monotonicNowMs } from '../util/clock.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until the `onRequest` hook of a proxied route has run. */
    head: RequestHead | null
  }
}

interface ProxiedRoute { Params: Record<string, unknown>, Querystring: Record<string, unknown> }
type ProxiedRequest = FastifyRequest<ProxiedRoute>

/** A request whose hooks have run. */
interface ReadyRequest {
  head: RequestHead
  inFlight: InFlightRequest
  usage: RequestUsage
  delivery: Delivery | undefined
  subject: string
  callerId: string | undefined
  checkOperation: OperationCheck
  isCompanyAllowed: CompanyCheck
  mayShowRecord: boolean
  mayShowExisting: boolean
}

function getAcceptedBody (body: Body | undefined): AcceptedBody | undefined {
  if (body === undefined) return undefined
  return hasForm(body) ? recordBody : listBody
}

const hookMissing = () => new Error('A hook of this route did not run.')

/** One endpoint, and the services that all of them share. */
export interface EndpointRouteOptions {
  endpoint: Endpoint
  bodyLimits: Config['body']
  responseLimits: Config['response']
  procore: ProcoreClient
  activeForms: ActiveForms
  /** Whether to reject requests while Procore is at capacity; false for cached lists and for local endpoints. */
  needsCapacity: boolean
  usageLimiter: UsageLimiter
  originIds: OriginIds
  handler: EndpointHandler
}

/** What carries out valid requests: the body is read before it is sent, or while its rows are sent. */
export type EndpointHandler =
  | { kind: 'send', send: Send<EndpointResult> }
  | { kind: 'import', importer: Importer }

/** Serves one endpoint on its paths: validates head and body, carries out a valid request, relays the result. */
export class EndpointRoute {
  readonly #endpoint: Endpoint
  readonly #bodyLimits: Config['body']
  readonly #responseLimits: Config['response']
  readonly #procore: ProcoreClient
  readonly #handler: EndpointHandler
  readonly #needsCapacity: boolean
  readonly #usageLimiter: UsageLimiter
  readonly #activeForms: ActiveForms
  readonly #originIds: OriginIds
  readonly #compiledBody: CompiledRecord | undefined
  readonly #headOptions: HeadOptions

  constructor (options: EndpointRouteOptions) {
    const { endpoint, bodyLimits } = options
    const { body } = endpoint
    this.#endpoint = endpoint
    this.#bodyLimits = bodyLimits
    this.#responseLimits = options.responseLimits
    this.#procore = options.procore
    this.#handler = options.handler
    this.#needsCapacity = options.needsCapacity
    this.#usageLimiter = options.usageLimiter
    this.#activeForms = options.activeForms
    this.#originIds = options.originIds
    this.#compiledBody = body === undefined ? undefined : compileBody(body)
    const acceptsIdempotencyKey = endpoint.acceptsIdempotencyKey === true
    const accepts = this.#handler.kind === 'import' ? fileBody : getAcceptedBody(body)
    const imagesMax = this.#compiledBody?.images.size ?? 0
    this.#headOptions = { accepts, imagesMax, acceptsIdempotencyKey, bodyLimits }
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
        onRequest: [...app.authorizeCaller, (request, _reply, done) => done(this.#parseHead(request, route))],
        handler: (request, reply) => this.#handle(request, reply),
      })
    }
  }

  /** Synchronous, because every request passes through this hook. */
  #parseHead (request: ProxiedRequest, route: RouteTemplate): Error | undefined {
    if (request.inFlight === null) return hookMissing()
    const { signal } = request.inFlight
    // The caller left during an earlier hook, or the request is to end.
    if (signal.aborted) return toError(signal.reason)
    try {
      request.head = parseRequestHead(request, request.inFlight.record, this.#headOptions, route)
      request.usage = this.#usageLimiter.start(request.callerId)
      return undefined
    } catch (error) {
      return toError(error)
    }
  }

  /**
   * The one writer of the reply. Sends the result of the work, or the reason of the signal if that aborts first; the
   * work may then go on, for example until an idempotency key is settled.
   */
  async #handle (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { head, inFlight, usage, identity, callerId } = request
    if (head === null || inFlight === null || usage === null || identity === null) throw hookMissing()
    if (this.#needsCapacity && this.#procore.isAtCapacity) {
      throw overloadedProblem('Too many requests are waiting for Procore.')
    }
    const delivery = this.#endpoint.effect === 'safe' ? undefined : new Delivery()
    const { subject } = identity
    const checkOperation = (operation: string) => request.server.checkOperation(operation, identity)
    const isCompanyAllowed = (id: number) => request.server.isCompanyAllowed(id, identity)
    const lookup = this.#endpoint.lookup ?? this.#endpoint.import?.lookup
    const mayShowExisting = lookup !== undefined && checkOperation(lookup.showOperation) === undefined
    const mayShowRecord = mayShowExisting && identity.scopes !== undefined
    const ready: ReadyRequest = {
      head,
      inFlight,
      usage,
      delivery,
      subject,
      callerId,
      checkOperation,
      isCompanyAllowed,
      mayShowRecord,
      mayShowExisting,
    }
    try {
      const result = await inFlight.run(this.#forward(request, reply, ready))
      setUpstreamHeaders(reply, inFlight.record)
      if (result.kind === 'success') return this.#sendSuccess(reply, result, ready)
      if (result.kind === 'file') return relayFile(reply, result)
      if (result.kind === 'lines') return relayLines(reply, result)
      throw this.#toError(result, ready)
    } catch (error) {
      throw this.#toReported(isAbortReason(error) ? error : unexpectedProblem(error, request), ready)
    }
  }

  #sendSuccess (reply: FastifyReply, success: UpstreamSuccess, ready: ReadyRequest): FastifyReply {
    const { path, query, route } = ready.head
    if (success.headers !== undefined) {
      const buildPageUrl = (page: Map<string, number>) =>
        route.urlFor(path.values, new Map([...query.values, ...page]))
      reply.headers(rewritePageHeaders(success.headers, query.compiled, buildPageUrl))
    }
    return relaySuccess(reply, success, {
      usage: ready.usage,
      responseLimits: this.#responseLimits,
      mustBeSent: this.#endpoint.effect !== 'safe',
    })
  }

  #toError (result: UpstreamRejection | UpstreamFailure, { head, mayShowExisting }: ReadyRequest): AbortReason {
    if (result.kind === 'failure') return result.error
    const { existing, ...rejection } = result
    // A replayed rejection may have a record that only another token of the same caller may show.
    return rejectionProblem(mayShowExisting ? result : rejection, this.#compiledBody ?? head.query.compiled)
  }

  /** Adds the outcome to a problem of a request that may have changed something, and removes it from all others. */
  #toReported (error: AbortReason, { head, delivery }: ReadyRequest): AbortReason {
    const reported = preferPathErrors([head.path, head.query], error)
    if (!(reported instanceof Problem)) return reported
    if (this.#endpoint.effect === 'safe') return reported.withoutOutcome()
    const outcome = failureOutcome(reported, delivery)
    return outcome === undefined ? reported : reported.withExtras({ outcome })
  }

  /** Reads the body and sends the request. Never rejects: an error that was thrown is returned as a failure. */
  async #forward (request: FastifyRequest, reply: FastifyReply, ready: ReadyRequest): Promise<EndpointResult> {
    let result: EndpointResult
    try {
      result = this.#handler.kind === 'import'
        ? await this.#import(this.#handler.importer, request, reply, ready)
        : await this.#readAndSend(this.#createContext(request, reply, ready, this.#handler.send), ready.head)
    } catch (error) {
      result = { kind: 'failure', error: isAbortReason(error) ? error : unexpectedProblem(error, request) }
    }
    if (ready.inFlight.signal.reason instanceof ClientDisconnectedError) this.#recordUnsentReply(result, ready)
    return result
  }

  /** If the caller has left, no reply records the problem. */
  #recordUnsentReply (result: EndpointResult, ready: ReadyRequest): void {
    const { record } = ready.inFlight
    const outcome = ready.delivery?.outcome
    if (outcome !== undefined) record.outcome ??= outcome
    if (result.kind !== 'rejection' && result.kind !== 'failure') return
    const error = this.#toReported(this.#toError(result, ready), ready)
    if (error instanceof Problem) recordProblem(error, record)
  }

  #readAndSend (context: RequestContext, { body }: RequestHead): Promise<EndpointResult> {
    switch (body?.kind) {
      case undefined: return context.send(validateEmptyBody(context))
      case 'json': return forwardJson(context)
      case 'multipart': return this.#forwardForm(context, body.boundary)
      default: throw new TypeError(`A body of type ${body?.kind} cannot be sent.`)
    }
  }

  #import (
    importer: Importer, request: FastifyRequest, reply: FastifyReply, ready: ReadyRequest
  ): Promise<EndpointResult> {
    const { inFlight, head, subject, callerId, usage, checkOperation, mayShowExisting } = ready
    const { record, signal } = inFlight
    return importer.run({
      raw: request.raw,
      response: reply.raw,
      signal,
      bodyLimits: this.#bodyLimits,
      usage,
      record,
      head,
      subject,
      callerId,
      checkOperation,
      mayShowExisting,
      hold: work => inFlight.hold(work),
      toProblem: error => unexpectedProblem(error, request),
    })
  }

  async #forwardForm (context: RequestContext, boundary: string): Promise<EndpointResult> {
    const { raw, record, usage } = context
    const length = raw.headers['content-length']
    const declaredBytes = length === undefined ? undefined : Number(length)
    // A form that is declared to be larger than the buffer counts at once, so that it is refused unread.
    if (declaredBytes !== undefined && declaredBytes > this.#bodyLimits.formBufferBytes) usage.startUpload()
    const removeForm = this.#activeForms.add({ record, declaredBytes, startedAtMs: monotonicNowMs() })
    try {
      return await forwardForm(context, boundary)
    } finally {
      removeForm()
      usage.release('uploads')
    }
  }

  /** Returns no ids if the endpoint has no field for them, or if the request is not valid or has no idempotency key. */
  #generateOriginIds ({ path, query, idempotencyKey }: RequestHead, caller: string): readonly string[] {
    const { name: endpoint, lookup } = this.#endpoint
    const isValid = !path.hasErrors && !query.hasErrors
    if (lookup?.originField === undefined || idempotencyKey === undefined || !isValid) return []
    return this.#originIds.generate({ caller, companyId: getCompanyId(path, query), endpoint, idempotencyKey })
  }

  #toGeneratedField ([value]: readonly string[]): GeneratedField | undefined {
    const name = this.#endpoint.lookup?.originField
    return name === undefined || value === undefined ? undefined : { name, value }
  }

  #createContext (
    { raw }: FastifyRequest,
    reply: FastifyReply,
    ready: ReadyRequest,
    send: Send<EndpointResult>
  ): RequestContext {
    const { head, inFlight, usage, delivery, subject, callerId, checkOperation } = ready
    const { isCompanyAllowed, mayShowRecord, mayShowExisting } = ready
    const { path, query, idempotencyKey, route } = head
    const { record, signal } = inFlight
    const generatedOriginIds = this.#generateOriginIds(head, subject)
    return {
      raw,
      response: reply.raw,
      signal,
      bodyLimits: this.#bodyLimits,
      usage,
      compiled: this.#compiledBody ?? query.compiled,
      checkOperation,
      parameterValidators: [path, query],
      record,
      hasIdempotencyKey: idempotencyKey !== undefined,
      generatedField: this.#toGeneratedField(generatedOriginIds),
      send: body => {
        delivery?.onValidated()
        return send({
          path,
          query,
          body,
          subject,
          callerId,
          usage,
          checkOperation,
          isCompanyAllowed,
          mayShowRecord,
          generatedOriginIds,
          mayShowExisting,
          idempotencyKey,
          record,
          delivery,
          signal: body.signal ?? signal,
          route: route.url,
        })
      },
    }
  }
}
