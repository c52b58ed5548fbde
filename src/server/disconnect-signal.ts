/** Reports that a request must end: its connection closed, or the service answered it early because it is stopping. */
import type { Socket } from 'node:net'
import type { RequestRecord } from '../telemetry/request-record.ts'
import { SlotSet } from '../util/slot-set.ts'
import { ClientDisconnectedError } from './errors.ts'

type Listener = () => void

/**
 * Listeners by socket. Each socket has one `close` listener, because adding and removing one for every request costs
 * more.
 */
const socketListeners = new WeakMap<Socket, SlotSet<Listener>>()

function getSocketListeners (socket: Socket): SlotSet<Listener> {
  const existing = socketListeners.get(socket)
  if (existing !== undefined) return existing
  const listeners = new SlotSet<Listener>()
  socketListeners.set(socket, listeners)
  socket.once('close', () => { for (const listener of listeners) listener() })
  return listeners
}

/** Signal of one request. The connection may outlive the request. */
export class SocketDisconnectSignal implements DisconnectSignal {
  readonly #socket: Socket
  readonly #record: RequestRecord
  #listeners: readonly Listener[] = noListeners

  constructor (socket: Socket, record: RequestRecord) {
    this.#socket = socket
    this.#record = record
  }

  get aborted (): boolean {
    return this.#socket.destroyed || this.#record.isAborted === true
  }

  onAbort (listener: Listener): () => void {
    // A destroyed socket emits no more events.
    if (this.#socket.destroyed) queueMicrotask(() => { if (this.#listeners.includes(listener)) listener() })
    this.#listeners = [...this.#listeners, listener]
    this.#record.onAborted ??= () => { for (const current of this.#listeners) current() }
    const listenersOnSocket = getSocketListeners(this.#socket)
    const slot = listenersOnSocket.add(listener)
    return () => {
      if (!this.#listeners.includes(listener)) return
      this.#listeners = this.#listeners.length === 1 ? noListeners : this.#listeners.filter(other => other !== listener)
      listenersOnSocket.remove(slot)
    }
  }
}

const noListeners: readonly Listener[] = []

/** Reports whether the caller can still receive a response; waits that only serve that response end with it. */
export interface DisconnectSignal {
  readonly aborted: boolean
  /** Calls the listener once when the caller leaves. Returns a function that removes the listener. */
  onAbort (listener: () => void): () => void
}

/** Signal for work that continues after the caller left. */
export const neverAborted: DisconnectSignal = { aborted: false, onAbort: () => () => {} }

/** Waits for the promise, but not longer than the caller stays. @throws {ClientDisconnectedError} */
export async function raceWithAbort<T> (promise: Promise<T>, signal: DisconnectSignal): Promise<T> {
  const { promise: disconnected, reject } = Promise.withResolvers<never>()
  const unsubscribe = signal.onAbort(() => reject(new ClientDisconnectedError()))
  try {
    return await Promise.race([promise, disconnected])
  } finally {
    unsubscribe()
  }
}
