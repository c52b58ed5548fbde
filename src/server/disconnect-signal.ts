/** Whether a caller is still to be answered: not once its connection is closed, and not once it was told that the service stops. */
import type { Socket } from 'node:net'
import type { Trail } from '../telemetry/request-record.ts'
import { UnderWay } from './in-flight.ts'
import { CallerGone } from './errors.ts'

type Listener = () => void

/** Who waits for the end of a connection. It has one listener of Node's, since each request would add its own and take it back. */
const waiting = new WeakMap<Socket, UnderWay<Listener>>()

function waitingFor (socket: Socket): UnderWay<Listener> {
  const known = waiting.get(socket)
  if (known !== undefined) return known
  const listeners = new UnderWay<Listener>()
  waiting.set(socket, listeners)
  socket.once('close', () => { for (const listener of listeners) listener() })
  return listeners
}

/** Of one request; the connection may outlive it. */
export class CallerWatch implements Caller {
  readonly #socket: Socket
  readonly #trail: Trail
  #listeners: readonly Listener[] = none

  constructor (socket: Socket, trail: Trail) {
    this.#socket = socket
    this.#trail = trail
  }

  get gone (): boolean {
    return this.#socket.destroyed || this.#trail.dismissed === true
  }

  whenGone (listener: Listener): () => void {
    // A connection that is closed has no more events.
    if (this.#socket.destroyed) queueMicrotask(() => { if (this.#listeners.includes(listener)) listener() })
    this.#listeners = [...this.#listeners, listener]
    this.#trail.whenDismissed ??= () => { for (const one of this.#listeners) one() }
    const others = waitingFor(this.#socket)
    const place = others.add(listener)
    return () => {
      if (!this.#listeners.includes(listener)) return
      this.#listeners = this.#listeners.length === 1 ? none : this.#listeners.filter(one => one !== listener)
      others.remove(place)
    }
  }
}

const none: readonly Listener[] = []

/** Whether whoever asked is still there to be answered; a wait for nobody ends. */
export interface Caller {
  readonly gone: boolean
  /** Calls the listener once when the caller leaves; returns what takes the listener back. */
  whenGone (listener: () => void): () => void
}

/** For work that goes on whoever leaves. */
export const nobody: Caller = { gone: false, whenGone: () => () => {} }

/** A wait that ends when there is nobody left to wait for. @throws {CallerGone} */
export async function untilGone<T> (promise: Promise<T>, caller: Caller): Promise<T> {
  const { promise: gone, reject } = Promise.withResolvers<never>()
  const forget = caller.whenGone(() => reject(new CallerGone()))
  try {
    return await Promise.race([promise, gone])
  } finally {
    forget()
  }
}
