/** Who waits for an answer of Procore's, and what becomes of a wait when they leave. It knows no socket: whoever has one says so. */
import { CallerGone } from './problem.ts'

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
