/** Whether a caller is still to be answered: not once its connection is closed, and not once it was told that the service stops. */
import type { Socket } from 'node:net'
import type { Trail } from '../observe/trail.ts'
import type { Caller } from '../procore/caller.ts'

export function watchCaller (socket: Socket, trail: Trail): Caller {
  const listeners = new Set<() => void>()
  trail.whenDismissed = () => { for (const listener of [...listeners]) listener() }
  return {
    get gone () {
      return socket.destroyed || trail.dismissed === true
    },
    whenGone: listener => {
      // A connection that is closed has no more events.
      if (socket.destroyed) queueMicrotask(() => { if (listeners.has(listener)) listener() })
      listeners.add(listener)
      socket.once('close', listener)
      return () => {
        listeners.delete(listener)
        socket.off('close', listener)
      }
    },
  }
}
