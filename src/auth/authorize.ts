/** Authorizes the company and the operation of a request before the body is read and before Procore is called. */
import { Problem } from '../server/problem.ts'
import type { Identity } from './jwt.ts'

/**
 * Authorizes a company. An id that is not valid passes: the proxy reports the validation error and sends nothing.
 * @param companyIds the companies that the service may access; empty: any
 * @throws {Problem} `company_not_allowed`
 */
export function authorizeCompany (
  companyIdText: string | undefined,
  { companies }: Identity,
  companyIds: ReadonlySet<number>
): void {
  if (companyIdText === undefined || !/^\d+$/.test(companyIdText)) return
  const id = Number(companyIdText)
  if (id < 1 || !Number.isSafeInteger(id)) return
  if (companyIds.size > 0 && !companyIds.has(id)) {
    throw new Problem('company_not_allowed', 'This service is not allowed to access this company.')
  }
  if (companies !== undefined && !companies.has(id)) {
    throw new Problem('company_not_allowed', 'This caller is not allowed to access this company.')
  }
}

/**
 * Returns `operation_not_allowed` with the missing scope (RFC 6750 §3.1), or undefined if the caller may perform the
 * operation.
 */
export function checkOperation (
  operation: string, { scopes }: Identity, scopePrefix: string
): Problem | undefined {
  const scope = `${scopePrefix}${operation}`
  if (scopes === undefined || scopes.has(scope)) return undefined
  return new Problem('operation_not_allowed', `The bearer token does not include the scope ${scope}.`, {
    headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  })
}
