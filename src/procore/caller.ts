/** Whether whoever asked is still there to be answered; a wait for nobody ends. */
export interface Caller {
  readonly gone: boolean
  /** Calls the listener once when the caller leaves; returns what takes the listener back. */
  whenGone (listener: () => void): () => void
}
