/** Normalizes values before they are compared with those that Procore lists, because Procore may normalize them too. */

/**
 * Returns an e-mail address as mail systems compare it: without regard to case, in the local part too (RFC 5321 §2.4
 * allows a distinction, but providers make none).
 */
export function normalizeEmail (address: unknown): string {
  return normalizeText(address).toLowerCase()
}

/** Returns an id of the system of origin without regard to case, because Procore may compare it so. */
export const normalizeOriginId = (value: unknown) => normalizeText(value).toLowerCase()

/**
 * Returns a value as text without surrounding white space. A value that is not set is empty. An object or a list is
 * JSON: a list of one text is not equal to the text, and `String` would call a `toString` that Procore chose.
 */
export function normalizeText (value: unknown): string {
  return (typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value ?? '')).trim()
}
