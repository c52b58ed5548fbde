/** A new Idempotency-Key. `crypto.randomUUID` is for secure contexts only, which a page of a plain-http host inside a company is not. */
export function randomKey (): string {
  if ('randomUUID' in crypto) return crypto.randomUUID()
  return Array.from(globalThis.crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('')
}
