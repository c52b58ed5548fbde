/** Whether a caller is still to be answered: not once its connection is closed, and not once it was told that the service stops. */
import type { Socket } from 'node:net'
import type { Trail } from '../observe/trail.ts'
import type { Caller } from '../procore/caller.ts'

/** Of one request; the connection may outlive it. */
export class CallerWatch implements Caller {
  readonly #socket: Socket
  readonly #trail: Trail
  readonly #listeners: Array<() => void> = []

  constructor (socket: Socket, trail: Trail) {
    this.#socket = socket
    this.#trail = trail
  }

  get gone (): boolean {
    return this.#socket.destroyed || this.#trail.dismissed === true
  }

  whenGone (listener: () => void): () => void {
    const listeners = this.#listeners
    // A connection that is closed has no more events.
    if (this.#socket.destroyed) queueMicrotask(() => { if (listeners.includes(listener)) listener() })
    listeners.push(listener)
    this.#trail.whenDismissed ??= () => { for (const one of [...listeners]) one() }
    this.#socket.once('close', listener)
    return () => {
      const at = listeners.indexOf(listener)
      if (at >= 0) listeners.splice(at, 1)
      this.#socket.off('close', listener)
    }
  }
}
