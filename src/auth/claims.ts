/** Reads claims of a verified token, which can be any JSON: what is not of an expected form allows nothing. */

/** Numbers, numeric strings, a list of both, or one string of them with spaces or commas between. */
export function readCompanies (claim: unknown): ReadonlySet<number> {
  const items = typeof claim === 'string' ? claim.split(/[\s,]+/) : Array.isArray(claim) ? claim : [claim]
  return new Set(items.map(readCompany).filter(id => id !== undefined))
}

function readCompany (item: unknown): number | undefined {
  const id = typeof item === 'number' ? item : typeof item === 'string' && /^\d{1,16}$/.test(item) ? Number(item) : NaN
  return Number.isSafeInteger(id) && id >= 1 ? id : undefined
}

/** RFC 8693 §4.2: one string with spaces between; some issuers send a list. */
export function readScopes (claim: unknown): ReadonlySet<string> {
  const items: unknown[] = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : []
  return new Set(items.filter((item): item is string => typeof item === 'string' && item !== ''))
}
