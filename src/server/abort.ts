/** Ends the waits of a request when its abort signal aborts: the caller left, or the service has to end the request. */
import { Problem } from './problem.ts'
import { ClientDisconnectedError } from './errors.ts'

/** Why a request is aborted: the caller left, or the problem that its response reports. */
export type AbortReason = ClientDisconnectedError | Problem

export function isAbortReason (error: unknown): error is AbortReason {
  return error instanceof Problem || error instanceof ClientDisconnectedError
}

/**
 * Waits for the promise, but not longer than until the signal aborts. The work behind the promise goes on.
 * @throws what the promise rejects with, or the reason of the signal
 */
export async function raceWithAbort<T> (promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
