/**
 * Creates a new Idempotency-Key. Browsers have `crypto.randomUUID` only in secure contexts, and a page that an
 * intranet host serves over plain HTTP is not one.
 */
export function createIdempotencyKey (): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID()
  const randomBytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(randomBytes, byte => byte.toString(16).padStart(2, '0')).join('')
}
