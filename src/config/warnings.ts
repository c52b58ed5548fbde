/** What an operator has to hear at the start: every protection that is not there, so that none is missing unnoticed. */
import type { Config } from './index.ts'
import { areTold } from '../auth/plugin.ts'

/** A sentence for each protection that is off, for the log; empty when all are on. They name variables, and no values. */
export function warnings ({ callers, endpoints, bodies, procore, obsoleteVariables }: Config): string[] {
  const { jwt, companyIds, ratePerMinute } = callers
  const found: string[] = []
  if (jwt === undefined) found.push('CALLER_AUTH=none: callers are not verified, the network is trusted')
  if (!areTold(callers)) found.push(`callers can't be told apart: ${ratePerMinute > 0 ? 'CALLER_RATE_PER_MINUTE and ' : ''}CALLER_CONCURRENT_UPLOADS are off`)
  if (companyIds.size === 0 && (jwt === undefined || jwt.companiesClaim === '')) found.push('PROCORE_COMPANY_IDS is empty: every company may be addressed')
  if (endpoints.permissionTemplateIds.size === 0) found.push('PERMISSION_TEMPLATE_IDS is empty: callers may give any permission template')
  if (bodies.maxUploads >= procore.connections) found.push('MAX_CONCURRENT_UPLOADS is not below UPSTREAM_CONNECTIONS: uploads can take every connection from the rest')
  for (const name of obsoleteVariables) found.push(`${name} was renamed and is ignored: remove it`)
  return found
}
