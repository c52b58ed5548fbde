/** Whether a caller is still to be answered: not once its connection is closed, and not once it was told that the service stops. */
import type { Socket } from 'node:net'
import type { RequestRecord } from '../telemetry/request-record.ts'
import { SlotSet } from './in-flight.ts'
import { ClientDisconnectedError } from './errors.ts'

type Listener = () => void

/** Who waits for the end of a connection. It has one listener of Node's, since each request would add its own and take it back. */
const socketListeners = new WeakMap<Socket, SlotSet<Listener>>()

function listenersOf (socket: Socket): SlotSet<Listener> {
  const known = socketListeners.get(socket)
  if (known !== undefined) return known
  const listeners = new SlotSet<Listener>()
  socketListeners.set(socket, listeners)
  socket.once('close', () => { for (const listener of listeners) listener() })
  return listeners
}

/** Of one request; the connection may outlive it. */
export class SocketDisconnectSignal implements DisconnectSignal {
  readonly #socket: Socket
  readonly #record: RequestRecord
  #listeners: readonly Listener[] = noListeners

  constructor (socket: Socket, trail: RequestRecord) {
    this.#socket = socket
    this.#record = trail
  }

  get aborted (): boolean {
    return this.#socket.destroyed || this.#record.isAborted === true
  }

  onAbort (listener: Listener): () => void {
    // A connection that is closed has no more events.
    if (this.#socket.destroyed) queueMicrotask(() => { if (this.#listeners.includes(listener)) listener() })
    this.#listeners = [...this.#listeners, listener]
    this.#record.onAborted ??= () => { for (const one of this.#listeners) one() }
    const others = listenersOf(this.#socket)
    const place = others.add(listener)
    return () => {
      if (!this.#listeners.includes(listener)) return
      this.#listeners = this.#listeners.length === 1 ? noListeners : this.#listeners.filter(one => one !== listener)
      others.remove(place)
    }
  }
}

const noListeners: readonly Listener[] = []

/** Whether whoever asked is still there to be answered; a wait for nobody ends. */
export interface DisconnectSignal {
  readonly aborted: boolean
  /** Calls the listener once when the caller leaves; returns what takes the listener back. */
  onAbort (listener: () => void): () => void
}

/** For work that goes on whoever leaves. */
export const neverAborted: DisconnectSignal = { aborted: false, onAbort: () => () => {} }

/** A wait that ends when there is nobody left to wait for. @throws {ClientDisconnectedError} */
export async function raceWithAbort<T> (promise: Promise<T>, signal: DisconnectSignal): Promise<T> {
  const { promise: disconnected, reject } = Promise.withResolvers<never>()
  const unsubscribe = signal.onAbort(() => reject(new ClientDisconnectedError()))
  try {
    return await Promise.race([promise, disconnected])
  } finally {
    unsubscribe()
  }
}
