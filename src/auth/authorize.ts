/** Authorizes the company and the operation of a request before the body is read and before Procore is called. */
import { Problem } from '../server/problem.ts'
import type { Identity } from './jwt.ts'

/** Returns the id of a company, or undefined if the text is not a valid id, which the proxy reports. */
export function parseCompanyId (text: string | undefined): number | undefined {
  const id = text !== undefined && /^\d+$/.test(text) ? Number(text) : 0
  return id >= 1 && Number.isSafeInteger(id) ? id : undefined
}

/**
 * Whether the caller may access the company.
 * @param companyIds the companies that the service may access; empty: any
 */
export function isCompanyAllowed (id: number, { companies }: Identity, companyIds: ReadonlySet<number>): boolean {
  return (companyIds.size === 0 || companyIds.has(id)) && (companies === undefined || companies.has(id))
}

/** The answer is the same whether the service or the caller may not access the company. */
export const companyNotAllowedProblem = () =>
  new Problem('company_not_allowed', 'This caller is not allowed to access this company.')

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
