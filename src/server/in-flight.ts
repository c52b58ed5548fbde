/**
 * Tracks the requests in flight and whether the process is draining. While it drains, every response carries
 * `connection: close`; requests that are still pending when the grace period ends are answered with `stopping`.
 */
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { Problem } from './problem.ts'
import type { RequestEndListener } from '../telemetry/request-end.ts'
import { abortRequest } from './error-handler.ts'
import { SlotSet } from '../util/slot-set.ts'

/** Registry of the requests in flight in this process. Draining starts once and never ends. */
export class InFlightRequests {
  #isDraining = false
  readonly #drainListeners = new Set<() => void>()
  readonly #replies = new SlotSet<FastifyReply>()
  #onIdle: (() => void) | undefined

  /**
   * Registers the hooks that count requests. Must be registered after the request record is created, because the hooks
   * write to it. A request counts as in flight until `onRequestEnd`.
   */
  registerHooks (app: FastifyInstance): void {
    app.addHook('onRequest', ({ record }, reply, done) => {
      record.slot = this.#replies.add(reply)
      done()
    })
    app.addHook('onSend', (_request, reply, payload, done) => {
      if (this.isDraining) reply.header('connection', 'close')
      done(null, payload)
    })
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
   * Calls the listener when draining starts, so that endless responses can end. Returns a function that unsubscribes.
   */
  onDraining (listener: () => void): () => void {
    this.#drainListeners.add(listener)
    return () => this.#drainListeners.delete(listener)
  }

  /** Number of requests in flight, without endless responses (one drain listener each). */
  get count (): number {
    return this.#replies.size - this.#drainListeners.size
  }

  /**
   * Resolves with true when the last request ended, or with false when `graceMs` passed before that.
   * Supports one waiter: after a second call, the first promise resolves only by its timeout.
   */
  waitUntilIdle (graceMs: number): Promise<boolean> {
    if (this.#replies.size === 0) return Promise.resolve(true)
    return new Promise(resolve => {
      const timer = setTimeout(() => resolve(false), graceMs)
      this.#onIdle = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }

  /** Answers every pending request with `stopping` and, for a create, with its provisional outcome. */
  abortPending (): void {
    for (const reply of this.#replies) {
      if (!reply.sent) abortRequest(new Problem('stopping', 'This service is stopping.'), reply)
    }
  }

  /**
   * Finds the reply to the request whose body is being read from this socket.
   * Scans all requests in flight, so it is only for the error path.
   */
  findReplyBySocket (socket: Duplex): FastifyReply | undefined {
    for (const reply of this.#replies) {
      const { raw } = reply.request
      if (raw.socket === socket && !raw.complete) return reply
    }
    return undefined
  }

  /** Removes a request that ended. Must be the last request-end listener. */
  readonly onRequestEnd: RequestEndListener = ({ request: { record: { slot } } }) => {
    if (slot === undefined) return
    this.#replies.remove(slot)
    if (this.#replies.size === 0) this.#onIdle?.()
  }
}
