/** A new Idempotency-Key. `crypto.randomUUID` is for secure contexts only, which a page of a plain-http host inside a company is not. */
export function createIdempotencyKey (): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID()
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('')
}
