/** Builds the CORS headers of responses that are sent before or without the hooks that add them to all others. */

/** Response headers that pages may read. */
export const exposedHeaders = [
  'x-request-id', 'procore-request-id', 'idempotency-replayed', 'x-outcome', 'retry-after', 'allow', 'www-authenticate',
  'ratelimit-policy', 'ratelimit', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset',
  'link', 'total', 'per-page', 'age', 'etag',
]

/** Returns the CORS headers of a response to a page of this origin; none if the origin is not listed. */
export type CorsHeaders = (origin: string | undefined) => Record<string, string>

export function createCorsHeaders (origins: readonly string[]): CorsHeaders {
  if (origins.length === 0) return () => ({})
  return origin => {
    if (origin === undefined || !origins.includes(origin)) return { vary: 'Origin' }
    return {
      vary: 'Origin',
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': exposedHeaders.join(', '),
    }
  }
}

/**
 * Returns the origin of a request that Node could not parse. Only the last bytes of it are known. If they do not
 * contain the origin and one origin is listed, that one is assumed: a browser compares it with its own.
 */
export function findOrigin (bytes: unknown, origins: readonly string[]): string | undefined {
  const lines = Buffer.isBuffer(bytes) ? bytes.toString('latin1').split('\r\n') : []
  const line = lines.find(text => text.toLowerCase().startsWith('origin:'))
  if (line !== undefined) return line.slice(line.indexOf(':') + 1).trim()
  return origins.length === 1 ? origins[0] : undefined
}
