import type { Config } from './index.ts'
import { limits } from './limits.ts'

/**
 * Computes the longest time from the last byte of a caller's request until its response. A gateway must wait at least
 * as long, so that the caller gets the response that states the outcome. An update first reads the user that it changes
 * if `PERMISSION_TEMPLATE_IDS` is set. Each request is sent at most twice, with a new access token for each attempt.
 */
export function getLongestWaitMs (procore: Config['procore']): number {
  const { timeoutMs, formTimeoutMs, rateLimitMaxWaitMs, idleTimeoutMs } = procore
  const longestTimeoutMs = Math.max(timeoutMs, formTimeoutMs)
  const attemptMs = getConnectionWaitMs(procore) + limits.accessToken.timeoutMs
  const readMs = rateLimitMaxWaitMs + 2 * (attemptMs + timeoutMs)
  const sendMs = rateLimitMaxWaitMs + 2 * (attemptMs + longestTimeoutMs) + idleTimeoutMs
  return readMs + sendMs + limits.lookup.timeoutMs
}

/** Returns the longest time until a connection to Procore takes a request. */
export function getConnectionWaitMs ({ timeoutMs }: Pick<Config['procore'], 'timeoutMs'>): number {
  return Math.min(limits.upstream.connectTimeoutMs * 2, timeoutMs)
}
