import type { Config } from './index.ts'
import { canIdentifyCallers } from './index.ts'

/**
 * Returns a warning for each protection that is off, to log at startup. Warnings name variables and never contain
 * values.
 */
export function insecureSettings ({ auth, endpoints, usage, procore, storage, obsoleteVariables }: Config): string[] {
  const { jwt, companyIds, ratePerMinute } = auth
  const messages: string[] = []
  if (jwt === undefined) {
    messages.push('CALLER_AUTH=none: callers are not authenticated; the network must be trusted')
  }
  if (!canIdentifyCallers(auth)) {
    const disabled = `${ratePerMinute > 0 ? 'CALLER_RATE_PER_MINUTE, ' : ''}CALLER_CONCURRENT_REQUESTS`
    messages.push(`callers cannot be identified: ${disabled} and CALLER_CONCURRENT_UPLOADS are not enforced`)
  }
  if (companyIds.size === 0 && (jwt === undefined || jwt.companiesClaim === '')) {
    messages.push('PROCORE_COMPANY_IDS is empty: callers can access every company')
  }
  if (endpoints.permissionTemplateIds.size === 0) {
    messages.push('PERMISSION_TEMPLATE_IDS is empty: callers can assign any permission template')
  }
  if (procore.files.allowLoopback) {
    messages.push('PROCORE_FILE_ALLOW_LOOPBACK is set: avatars may be fetched from every port of this machine')
  }
  if (usage.total.uploads >= procore.connections) {
    messages.push('MAX_CONCURRENT_UPLOADS is not below UPSTREAM_CONNECTIONS: uploads can use every connection')
  }
  if (procore.formTimeoutMs < procore.timeoutMs) {
    messages.push('UPSTREAM_FORM_TIMEOUT_MS is below UPSTREAM_TIMEOUT_MS: a request with an avatar times out earlier')
  }
  if (storage.redisUrl !== undefined && storage.stateKeys.length === 0) {
    messages.push('STATE_KEYS is empty: a change of the client secret makes stored idempotency keys unreadable')
  }
  if (storage.originIdPrefix !== '' && storage.stateKeys.length === 0) {
    messages.push('STATE_KEYS is empty: a change of the client secret changes the origin ids that are generated')
  }
  for (const name of obsoleteVariables) messages.push(`${name} was renamed and is ignored: remove it`)
  return messages
}
