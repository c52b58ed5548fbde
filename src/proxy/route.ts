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
import { judgeBodiless } from './body/json.ts'
import { CallerWatch } from '../server/disconnect-signal.ts'
import { passForm } from './body/form.ts'
import type { Forms } from './body/upload-limiter.ts'
import { judgeHead, pathFirst, type HeadRules, type Route, type Target } from './request-head.ts'
import type { HeldBytes } from './body/memory-budget.ts'
import { readJson } from './body/json.ts'
import { pageHeaders } from './pagination.ts'
import { nameOrigin, refusalProblem, relaySuccess } from './response.ts'
import { compileShape, type Shape } from './validation/schema.ts'
import { compileTarget, pathTemplate } from './url.ts'
import type { Uploads } from './body/upload-limiter.ts'
import type { Envelope } from './endpoint-client.ts'
import type { Outgoing, Visit } from './context.ts'

declare module 'fastify' {
  interface FastifyRequest {
    target: Target | null
  }
}

interface MirroredRoute { Params: Record<string, unknown>, Querystring: Record<string, unknown> }
type MirroredRequest = FastifyRequest<MirroredRoute>

/** Where a valid request goes. It throws a Problem with the `outcome` of what may have been done, or CallerGone. */
export type Send = (outgoing: Outgoing, envelope: Envelope) => Promise<UpstreamResult>

/** One endpoint, and what all of them share. */
export interface MountOptions {
  endpoint: Endpoint
  bodies: Config['body']
  procore: ProcoreClient
  forms: Forms
  /** Whether each request has to find room with Procore; what is kept, or answered here, costs it nothing. */
  needsRoom: boolean
  uploads: Uploads
  held: HeldBytes
  send: Send
}

/** One endpoint with its compiled shapes. */
export class Mount {
  readonly #endpoint: Endpoint
  readonly #bodies: Config['body']
  readonly #procore: ProcoreClient
  readonly #send: Send
  readonly #needsRoom: boolean
  readonly #uploads: Uploads
  readonly #held: HeldBytes
  readonly #forms: Forms
  readonly #body: Shape | undefined
  readonly #head: HeadRules

  constructor ({ endpoint, bodies, procore, send, needsRoom, uploads, held, forms }: MountOptions) {
    this.#endpoint = endpoint
    this.#bodies = bodies
    this.#procore = procore
    this.#send = send
    this.#needsRoom = needsRoom
    this.#uploads = uploads
    this.#held = held
    this.#forms = forms
    this.#body = endpoint.body === undefined ? undefined : compileShape('body', endpoint.body.fields, endpoint.body)
    this.#head = { hasBody: this.#body !== undefined, takesKey: endpoint.acceptsIdempotencyKey === true, bodies }
  }

  register (app: FastifyInstance): void {
    const { method, params, query } = this.#endpoint
    for (const url of getEndpointPaths(this.#endpoint)) {
      const route: Route = { url, shapes: compileTarget(url, params, query), self: pathTemplate(url, Object.keys(params.properties)) }
      app.route<MirroredRoute>({
        method,
        url,
        config: { endpoint: this.#endpoint },
        onRequest: (request, _reply, done) => done(this.#judgeRequest(request, route)),
        handler: (request, reply) => this.#handle(request, reply),
      })
    }
  }

  /** Without a promise, since every request comes here. */
  #judgeRequest (request: MirroredRequest, route: Route): Error | undefined {
    try {
      request.target = judgeHead(request, this.#head, route)
      return undefined
    } catch (error) {
      return toError(error)
    }
  }

  async #handle (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { target, record } = request
    if (target === null) throw new Error('the target was not judged')
    if (this.#needsRoom && this.#procore.isAtCapacity) throw overloadedProblem('Too many requests wait for Procore.')
    record.isHandling = true
    try {
      const verdict = await this.#pass(this.#visit(request, reply, target), target)
      // Whoever dismissed it has answered it.
      if (record.isAborted === true) return reply
      nameOrigin(reply, record)
      if (verdict.kind === 'success') return this.#relay(reply, verdict, target)
      throw refusalProblem(verdict, this.#body ?? target.query.shape)
    } catch (error) {
      if (record.isAborted === true && (error instanceof Problem || error instanceof ClientDisconnectedError)) return reply
      nameOrigin(reply, record)
      const first = pathFirst([target.path, target.query], error)
      throw first instanceof Problem ? this.#tell(first, record) : first
    } finally {
      record.isHandling = false
      for (const listener of record.onHandled ?? []) listener()
    }
  }

  #relay (reply: FastifyReply, success: UpstreamSuccess, { path, query, route }: Target): FastifyReply {
    if (success.headers !== undefined) {
      reply.headers(pageHeaders(success.headers, query.shape, page => route.self(path.values, new Map([...query.values, ...page]))))
    }
    return relaySuccess(reply, success)
  }

  /** What becomes of a request is told where it may have changed something. */
  #tell (problem: Problem, { provisionalOutcome }: RequestRecord): Problem {
    if (this.#endpoint.effect === 'safe') return problem.withoutOutcome()
    return problem.extras.outcome === undefined && provisionalOutcome !== undefined ? problem.withExtras({ outcome: provisionalOutcome }) : problem
  }

  #pass (visit: Visit, { body }: Target): Promise<UpstreamResult> {
    if (body === undefined) return visit.send(judgeBodiless(visit))
    return body.kind === 'json' ? readJson(visit).then(visit.send) : this.#passForm(visit, body.boundary)
  }

  async #passForm (visit: Visit, boundary: string): Promise<UpstreamResult> {
    const { raw, trail, callerId } = visit
    const length = raw.headers['content-length']
    const declaredBytes = length === undefined ? undefined : Number(length)
    // A form that does not say its size may turn out to be larger than the hold.
    const leaveUploads = (declaredBytes ?? Infinity) > this.#bodies.formBufferBytes ? this.#uploads.enter(callerId) : undefined
    const leaveForms = this.#forms.enter({ trail, declaredBytes, startedAtMs: Date.now() })
    try {
      return await passForm(visit, boundary)
    } finally {
      leaveForms()
      leaveUploads?.()
    }
  }

  #visit (request: FastifyRequest, reply: FastifyReply, { path, query, key, route }: Target): Visit {
    const { raw, record, callerId, identity } = request
    const caller = new CallerWatch(raw.socket, record)
    return {
      raw,
      callerId,
      response: reply.raw,
      bodies: this.#bodies,
      held: this.#held,
      shape: this.#body ?? query.shape,
      drafts: [path, query],
      trail: record,
      isKeyed: key !== undefined,
      send: outgoing => {
        if (this.#endpoint.effect !== 'safe') record.provisionalOutcome = 'not_sent'
        return this.#send(outgoing, { path, query, subject: identity.subject, key, trail: record, caller, requestId: request.id, route: route.url })
      },
    }
  }
}
