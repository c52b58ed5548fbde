/**
 * What the process is doing: starting, serving or stopping, and which requests are under way. Answers say `connection: close`
 * while it stops, and what still waits when the grace ends is told so. It knows nothing of what a
 * request asks for.
 */
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { Problem } from './problem.ts'
import type { RequestEndListener } from '../telemetry/request-end.ts'
import { abortRequest } from './error-handler.ts'

/** Of one process, which begins by serving; once it is stopping it stays so. */
export class InFlightRequests {
  #isDraining = false
  readonly #drainListeners = new Set<() => void>()
  readonly #replies = new SlotSet<FastifyReply>()
  #onIdle: (() => void) | undefined

  /** From when the trail of a request is there, which these hooks write to, it is under way until `note` is told of its end. */
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

  /** Whether the process was told to end: it is not ready, and every answer ends its connection. */
  get isDraining (): boolean {
    return this.#isDraining
  }

  /** From now on it is not ready. */
  startDraining (): void {
    this.#isDraining = true
    for (const listener of this.#drainListeners) listener()
  }

  /** For answers that have no end of their own. What comes back forgets it. */
  onDraining (listener: () => void): () => void {
    this.#drainListeners.add(listener)
    return () => this.#drainListeners.delete(listener)
  }

  /** How many requests are under way; an answer that has no end of its own is none of them. */
  get count (): number {
    return this.#replies.size - this.#drainListeners.size
  }

  /** Resolves with true when the last request ended, with false when the time ran out before. Only the last one who asks is told of the end. */
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

  /** Answers what has no answer yet with `stopping`, and with the outcome that a create would have. */
  abortPending (): void {
    for (const reply of this.#replies) if (!reply.sent) abortRequest(new Problem('stopping', 'This service is stopping.'), reply)
  }

  /** The reply to the request whose body is being read from this connection; it looks at all that are under way, so it is for errors only. */
  findReplyBySocket (socket: Duplex): FastifyReply | undefined {
    for (const reply of this.#replies) {
      const { raw } = reply.request
      if (raw.socket === socket && !raw.complete) return reply
    }
    return undefined
  }

  /** To be told of every request that ended, after all others who are told. */
  readonly onRequestEnd: RequestEndListener = ({ request: { record: { slot } } }) => {
    if (slot === undefined) return
    this.#replies.remove(slot)
    if (this.#replies.size === 0) this.#onIdle?.()
  }
}

/**
 * What is under way, put in and taken out at every request. A Set would do the same, but V8 makes its table anew every so many changes,
 * and an old table that was promoted keeps what it held until a full collection: it carried the requests of seconds into the old
 * generation, which made each collection of the young one twice as long (bench/NOTES.md).
 */
export class SlotSet<T extends object> {
  readonly #slots: Array<T | undefined> = []
  readonly #freeSlots: number[] = []
  /** How many there are. To be read only. */
  size = 0

  /** Takes what is not in it yet. Returns the place, by which it is taken out again. */
  add (item: T): number {
    const slot = this.#freeSlots.pop() ?? this.#slots.length
    this.#slots[slot] = item
    this.size++
    return slot
  }

  /** To be called once for each that was put in. */
  remove (slot: number): void {
    this.#slots[slot] = undefined
    this.#freeSlots.push(slot)
    this.size--
  }

  * [Symbol.iterator] (): Generator<T> {
    for (const item of this.#slots) if (item !== undefined) yield item
  }
}
