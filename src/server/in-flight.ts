/**
 * Tracks the requests in flight and the work that they started. A request is in flight until its response is closed and
 * its work is done; then its record is frozen and the telemetry listeners are called.
 */
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { SlotSet } from '../util/slot-set.ts'
import { closeAfterResponse } from './connection-close.ts'
import { Problem } from './problem.ts'
import { ClientDisconnectedError } from './errors.ts'
import type { AbortReason } from './abort.ts'
import type { RequestEnd, RequestEndListener, RequestRecord, UpstreamRecord } from '../telemetry/request-record.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Null for a request that Fastify rejects before the hooks run. */
    inFlight: InFlightRequest | null
  }
}

/** nginx's status for a caller that disconnects before the response. It is logged, never sent. */
export const clientClosedRequest = 499

/** One request in flight: its record, its abort signal, and the work that is done for it. */
export class InFlightRequest {
  readonly record: RequestRecord
  readonly reply: FastifyReply
  /** Requests are numbered in the order in which they arrived. */
  readonly sequence: number
  readonly #controller = new AbortController()
  /** Aborts when the caller leaves or the service has to end the request. Its reason is an `AbortReason`. */
  readonly signal = this.#controller.signal
  readonly #registry: Pick<InFlightRequests, 'isDraining' | 'findLast'>
  readonly #onEnd: () => void
  #rejectWork: ((reason: AbortReason) => void) | undefined
  /** Both are over before the request ends: the response, and all work. */
  #isResponseClosed = false
  #workCount = 0

  constructor (
    { record, reply, sequence }: Pick<InFlightRequest, 'record' | 'reply' | 'sequence'>,
    registry: Pick<InFlightRequests, 'isDraining' | 'findLast'>,
    onEnd: () => void
  ) {
    this.record = record
    this.reply = reply
    this.sequence = sequence
    this.#registry = registry
    this.#onEnd = onEnd
  }

  /** Whether the response was sent or cannot be sent any more. */
  get isResponseClosed (): boolean {
    return this.#isResponseClosed
  }

  /**
   * Whether the connection closes after the response, because the service stops. A later request on the same connection
   * is answered first.
   */
  get closesConnection (): boolean {
    return this.#registry.isDraining && this.#registry.findLast(this.reply.request.raw.socket) === this
  }

  abort (reason: AbortReason): void {
    this.#controller.abort(reason)
    this.#rejectWork?.(reason)
  }

  /**
   * Waits for the work of this request, but not longer than until the request is aborted. The request stays in flight
   * until the work is done. Must be called at most once, and not after the caller has left.
   * @throws what the work rejects with, or the reason of the abort
   */
  run<T> (work: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#rejectWork = reject
    if (this.signal.aborted) reject(this.signal.reason)
    this.hold(work.then(resolve, reject))
    return promise
  }

  /** Keeps the request in flight until the work is done. */
  hold (work: Promise<unknown>): void {
    this.#workCount++
    const end = () => {
      this.#workCount--
      if (this.#isResponseClosed && this.#workCount === 0) this.#onEnd()
    }
    work.then(end, end)
  }

  /** Must be called when the response was sent or cannot be sent any more. Further calls do nothing. */
  onResponseClosed (): void {
    if (this.#isResponseClosed) return
    this.#isResponseClosed = true
    if (!this.reply.raw.writableFinished) this.abort(new ClientDisconnectedError())
    if (this.#workCount === 0) this.#onEnd()
  }
}

/** Registry of the requests in flight in this process. Draining starts once and never ends. */
export class InFlightRequests {
  #isDraining = false
  readonly #drainListeners = new Set<() => void>()
  readonly #requests = new SlotSet<InFlightRequest>()
  readonly #background = new Set<UpstreamRecord>()
  readonly #listeners: readonly RequestEndListener[]
  #onIdle: (() => void) | undefined
  #nextSequence = 0

  /** @param listeners called in this order at the end of each request, synchronously: they must not throw */
  constructor (listeners: readonly RequestEndListener[]) {
    this.#listeners = listeners
  }

  /** Whether the process is shutting down: it is not ready, and every response closes its connection. */
  get isDraining (): boolean {
    return this.#isDraining
  }

  /** Makes the process not ready and notifies the drain listeners. */
  startDraining (): void {
    this.#isDraining = true
    for (const listener of this.#drainListeners) listener()
  }

  /**
   * Calls the listener when draining starts, or at once if it has, so that long responses can end. Returns a function
   * that unsubscribes.
   */
  onDraining (listener: () => void): () => void {
    if (this.#isDraining) listener()
    this.#drainListeners.add(listener)
    return () => this.#drainListeners.delete(listener)
  }

  /** Number of requests in flight, background requests included, endless responses excluded. */
  get count (): number {
    let count = this.#background.size
    for (const { record } of this.#requests) if (record.isEventStream !== true) count++
    return count
  }

  /**
   * Resolves with true when nothing is in flight, or with false when `graceMs` passed before that.
   * Supports one waiter: after a second call, the first promise resolves only by its timeout.
   */
  waitUntilIdle (graceMs: number): Promise<boolean> {
    return new Promise(resolve => {
      const timer = setTimeout(() => resolve(false), graceMs)
      this.#onIdle = () => {
        clearTimeout(timer)
        resolve(true)
      }
      this.#notifyIdle()
    })
  }

  /** Number of requests of callers in flight, endless responses included. */
  get requestCount (): number {
    return this.#requests.size
  }

  /** Aborts every pending request with `stopping`. */
  abortPending (): void {
    for (const request of this.#requests) request.abort(new Problem('stopping', 'This service is stopping.'))
  }

  /**
   * Finds the request that arrived last on this connection, unless its response is closed. Node sends responses in the
   * order of the requests, so those of all earlier requests are closed before. Scans all requests.
   */
  findLast (socket: Duplex): InFlightRequest | undefined {
    let last: InFlightRequest | undefined
    for (const request of this.#requests) {
      if (request.reply.request.raw.socket !== socket || request.isResponseClosed) continue
      if (last === undefined || request.sequence > last.sequence) last = request
    }
    return last
  }

  /** Ends the requests of a closed connection. Only needed where Node does not report their responses as closed. */
  endConnection (socket: Duplex): void {
    for (const request of this.#requests) {
      if (request.reply.request.raw.socket === socket) request.onResponseClosed()
    }
  }

  /**
   * Tracks work for which no request waits any longer. It is in flight, and when it is done, its record is reported as
   * one of its own.
   */
  readonly trackBackground = (record: UpstreamRecord, work: Promise<unknown>): void => {
    this.#background.add(record)
    const end = () => {
      this.#background.delete(record)
      for (const listener of this.#listeners) listener.onBackgroundEnd?.(record)
      Object.freeze(record)
      this.#notifyIdle()
    }
    work.then(end, end)
  }

  /** Adds a request. It is removed when it ends. */
  add (record: RequestRecord, reply: FastifyReply): InFlightRequest {
    const sequence = this.#nextSequence++
    const request = new InFlightRequest({ record, reply, sequence }, this, () => this.#end(request, slot))
    const slot = this.#requests.add(request)
    // Emitted when the response was sent, and when the connection closes before that.
    reply.raw.once('close', () => request.onResponseClosed())
    return request
  }

  #end ({ record, reply }: InFlightRequest, slot: number): void {
    this.#requests.remove(slot)
    const isComplete = reply.raw.writableFinished || record.isEventStream === true
    const status = isComplete ? reply.statusCode : clientClosedRequest
    const route = reply.request.routeOptions.url
    const requestEnd: RequestEnd = { record, reply, request: reply.request, status, route }
    for (const listener of this.#listeners) listener.onRequestEnd(requestEnd)
    // A later write would be lost, so it throws.
    Object.freeze(record)
    this.#notifyIdle()
  }

  #notifyIdle (): void {
    if (this.#requests.size === 0 && this.#background.size === 0) this.#onIdle?.()
  }
}

export interface InFlightOptions {
  inFlight: InFlightRequests
  /** Creates the record of a request. */
  startRecord: (request: FastifyRequest) => RequestRecord
}

/** The address is undefined if the connection is closed already. */
function setAddress (record: RequestRecord, address: string | undefined): void {
  if (address !== undefined) record.address = address.replace(/^::ffff:(?=\d+\.)/, '')
}

/** Registers the hooks. They must be the first ones, because all others may use `request.inFlight`. */
export const inFlightPlugin = fp<InFlightOptions>(async (app, { inFlight, startRecord }) => {
  app.decorateRequest('inFlight', null)
  app.addHook('onRequest', (request, reply, done) => {
    const record = startRecord(request)
    // A closed socket has no address, so it is read now. A socket that accepts IPv6 maps IPv4 addresses (RFC 4291).
    setAddress(record, request.ip)
    request.inFlight = inFlight.add(record, reply)
    done()
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    if (request.inFlight?.closesConnection === true) closeAfterResponse(reply)
    done(null, payload)
  })
})

/** Marks a request that monitors repeat for ever: if it succeeds, it is logged at level `debug` only. */
export function markAsProbe ({ inFlight }: Pick<FastifyRequest, 'inFlight'>): void {
  if (inFlight !== null) inFlight.record.isProbe = true
}
