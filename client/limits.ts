/** The limits of the client. They bound every retry, every wait and every conversion. */
export const limits = Object.freeze({
  /** Attempts of one call, including the first. Waiting for a request with the same idempotency key does not count. */
  attemptsMax: 4,
  /** The pause before the first retry if the response has no Retry-After. It doubles up to `backoffMaxMs`. */
  backoffMs: 500,
  backoffMaxMs: 5_000,
  /** All pauses of one call together. A longer Retry-After is not waited for but thrown as `retryAfterMs`. */
  retryDelayTotalMaxMs: 60_000,
  /** The same while a request with the same idempotency key is in flight. Procore may take a minute for an avatar. */
  inProgressDelayTotalMaxMs: 150_000,
  /** One call with all its attempts. The service and a gateway take less time for the largest avatar. */
  callTimeoutMs: 660_000,
  /** One import with all its attempts, until its last line. */
  importTimeoutMs: 3_600_000,
  /** The time between two lines of an import. The service writes one at least every five seconds. */
  importSilenceMaxMs: 60_000,
  /** The longest line of an import. A row has at most 200 errors. */
  importLineMaxChars: 1_000_000,
  /** The bytes of a multipart body between two progress reports. */
  uploadChunkBytes: 65_536,
  /** The largest image that `toJpeg` decodes. */
  imageMaxBytes: 50_000_000,
})
