/** Every limit of the client: repeats and waits never go on without end. */
export const limits = Object.freeze({
  /** Attempts of one call, the first one included; waiting for a request that runs under the same key is not counted. */
  attemptsMax: 4,
  /** The pause before the first repeat where the answer names none; it doubles up to the second. */
  backoffMs: 500,
  backoffMaxMs: 5_000,
  /** All pauses of one call together. A Retry-After that does not fit is the caller's to heed. */
  retryDelayTotalMaxMs: 60_000,
  /** One call with all its attempts; longer than the service and a gateway take for the largest avatar. */
  callTimeoutMs: 420_000,
  /** What is read at a time of a form whose progress is told. */
  uploadChunkBytes: 65_536,
})
