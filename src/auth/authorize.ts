/** What a caller may address and do, judged before the body is read and before anything is asked of Procore. It is given an identity, and knows nothing of tokens. */
import type { Endpoint } from '../endpoints/endpoint.ts'
import { Problem } from '../server/problem.ts'
import type { Identity } from './jwt.ts'

/**
 * An id that can't be read is let through: the mirror says what is wrong with it, and sends nothing.
 * @param companyIds what the service may address at all; empty: any
 * @throws {Problem} `company_not_allowed`
 */
export function authorizeCompany (companyIdText: string | undefined, { companies }: Identity, companyIds: ReadonlySet<number>): void {
  if (companyIdText === undefined || !/^\d+$/.test(companyIdText)) return
  const id = Number(companyIdText)
  if (id < 1 || !Number.isSafeInteger(id)) return
  if (companyIds.size > 0 && !companyIds.has(id)) throw new Problem('company_not_allowed', 'This service may not address this company.')
  if (companies !== undefined && !companies.has(id)) throw new Problem('company_not_allowed', 'This caller may not address this company.')
}

/** @throws {Problem} `operation_not_allowed` with the scope that is missing (RFC 6750 §3.1) */
export function authorizeOperation ({ name }: Endpoint, { scopes }: Identity, prefix: string): void {
  const scope = `${prefix}${name}`
  if (scopes === undefined || scopes.has(scope)) return
  throw new Problem('operation_not_allowed', 'The token of this caller does not allow this operation.', {
    headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  })
}
