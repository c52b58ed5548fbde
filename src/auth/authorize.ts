/** Authorizes the company and the operation of a request before the body is read and before Procore is called. */
import type { Endpoint } from '../endpoints/endpoint.ts'
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

/** Authorizes an operation. @throws {Problem} `operation_not_allowed` with the missing scope (RFC 6750 §3.1) */
export function authorizeOperation ({ name }: Endpoint, { scopes }: Identity, scopePrefix: string): void {
  const scope = `${scopePrefix}${name}`
  if (scopes === undefined || scopes.has(scope)) return
  throw new Problem('operation_not_allowed', 'The bearer token does not include the scope of this operation.', {
    headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  })
}
