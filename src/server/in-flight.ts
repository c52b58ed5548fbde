/**
 * What the process is doing: starting, serving or stopping, and which requests are under way. Answers say `connection: close`
 * while it stops, and what still waits when the grace ends is told so. It knows nothing of what a
 * request asks for.
 */
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { Problem } from './problem.ts'
import type { Observer } from '../telemetry/request-end.ts'
import { dismiss } from './error-handler.ts'

/** Of one process, which begins by serving; once it is stopping it stays so. */
export class Lifecycle {
  #stopping = false
  readonly #whenStopping = new Set<() => void>()
  readonly #replies = new UnderWay<FastifyReply>()
  #idle: (() => void) | undefined

  /** From when the trail of a request is there, which these hooks write to, it is under way until `note` is told of its end. */
  addHooks (app: FastifyInstance): void {
    app.addHook('onRequest', ({ trail }, reply, done) => {
      trail.place = this.#replies.add(reply)
      done()
    })
    app.addHook('onSend', (_request, reply, payload, done) => {
      if (this.stopping) reply.header('connection', 'close')
      done(null, payload)
    })
  }

  /** Whether the process was told to end: it is not ready, and every answer ends its connection. */
  get stopping (): boolean {
    return this.#stopping
  }

  /** From now on it is not ready. */
  beginStop (): void {
    this.#stopping = true
    for (const listener of this.#whenStopping) listener()
  }

  /** For answers that have no end of their own. What comes back forgets it. */
  whenStopping (listener: () => void): () => void {
    this.#whenStopping.add(listener)
    return () => this.#whenStopping.delete(listener)
  }

  /** How many requests are under way; an answer that has no end of its own is none of them. */
  get underWay (): number {
    return this.#replies.size - this.#whenStopping.size
  }

  /** Resolves with true when the last request ended, with false when the time ran out before. Only the last one who asks is told of the end. */
  whenIdle (graceMs: number): Promise<boolean> {
    if (this.#replies.size === 0) return Promise.resolve(true)
    return new Promise(resolve => {
      const timer = setTimeout(() => resolve(false), graceMs)
      this.#idle = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }

  /** Answers what has no answer yet with `stopping`, and with the outcome that a create would have. */
  refuseWaiting (): void {
    for (const reply of this.#replies) if (!reply.sent) dismiss(new Problem('stopping', 'This service is stopping.'), reply)
  }

  /** The reply to the request whose body is being read from this connection; it looks at all that are under way, so it is for errors only. */
  readingFrom (socket: Duplex): FastifyReply | undefined {
    for (const reply of this.#replies) {
      const { raw } = reply.request
      if (raw.socket === socket && !raw.complete) return reply
    }
    return undefined
  }

  /** To be told of every request that ended, after all others who are told. */
  readonly note: Observer = ({ request: { trail: { place } } }) => {
    if (place === undefined) return
    this.#replies.remove(place)
    if (this.#replies.size === 0) this.#idle?.()
  }
}

/**
 * What is under way, put in and taken out at every request. A Set would do the same, but V8 makes its table anew every so many changes,
 * and an old table that was promoted keeps what it held until a full collection: it carried the requests of seconds into the old
 * generation, which made each collection of the young one twice as long (bench/NOTES.md).
 */
export class UnderWay<T extends object> {
  readonly #places: Array<T | undefined> = []
  readonly #free: number[] = []
  /** How many there are. To be read only. */
  size = 0

  /** Takes what is not in it yet. Returns the place, by which it is taken out again. */
  add (item: T): number {
    const place = this.#free.pop() ?? this.#places.length
    this.#places[place] = item
    this.size++
    return place
  }

  /** To be called once for each that was put in. */
  remove (place: number): void {
    this.#places[place] = undefined
    this.#free.push(place)
    this.size--
  }

  * [Symbol.iterator] (): Generator<T> {
    for (const item of this.#places) if (item !== undefined) yield item
  }
}
