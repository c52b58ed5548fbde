/** What an operator has to hear at the start: every protection that is not there, so that none is missing unnoticed. */
import type { Config } from './index.ts'
import { canIdentifyCallers } from '../auth/plugin.ts'

/** A sentence for each protection that is off, for the log; empty when all are on. They name variables, and no values. */
export function insecureSettings ({ auth, endpoints, body, procore, obsoleteVariables }: Config): string[] {
  const { jwt, companyIds, ratePerMinute } = auth
  const messages: string[] = []
  if (jwt === undefined) messages.push('CALLER_AUTH=none: callers are not verified, the network is trusted')
  if (!canIdentifyCallers(auth)) messages.push(`callers can't be told apart: ${ratePerMinute > 0 ? 'CALLER_RATE_PER_MINUTE and ' : ''}CALLER_CONCURRENT_UPLOADS are off`)
  if (companyIds.size === 0 && (jwt === undefined || jwt.companiesClaim === '')) messages.push('PROCORE_COMPANY_IDS is empty: every company may be addressed')
  if (endpoints.permissionTemplateIds.size === 0) messages.push('PERMISSION_TEMPLATE_IDS is empty: callers may give any permission template')
  if (body.maxUploads >= procore.connections) messages.push('MAX_CONCURRENT_UPLOADS is not below UPSTREAM_CONNECTIONS: uploads can take every connection from the rest')
  for (const name of obsoleteVariables) messages.push(`${name} was renamed and is ignored: remove it`)
  return messages
}
