import type { Config } from './index.ts'
import { limits } from './limits.ts'

/**
 * Computes the longest time from the last byte of a caller's request until its response. A gateway must wait at least
 * as long, so that the caller gets the response that states the outcome. Each request is sent at most twice, with a new
 * access token for each attempt.
 */
export function getLongestWaitMs (procore: Config['procore']): number {
  const { timeoutMs, formTimeoutMs, rateLimitMaxWaitMs, idleTimeoutMs, files } = procore
  const longestTimeoutMs = Math.max(timeoutMs, formTimeoutMs)
  const attemptMs = getConnectionWaitMs(procore) + limits.accessToken.timeoutMs
  const requestMs = rateLimitMaxWaitMs + 2 * (attemptMs + timeoutMs)
  const formMs = rateLimitMaxWaitMs + 2 * (attemptMs + longestTimeoutMs) + idleTimeoutMs
  return Math.max(
    // A create that is rejected as a duplicate, after which two lookups may follow.
    formMs + limits.lookup.timeoutMs + limits.lookup.existingTimeoutMs,
    // An update, before which the user is read if `PERMISSION_TEMPLATE_IDS` is set.
    requestMs + formMs,
    // A reactivation, before which the user and the list of inactive users are read.
    3 * requestMs,
    // The avatar of a user.
    requestMs + files.timeoutMs
  )
}

/** Returns the longest time until a connection to Procore takes a request. */
export function getConnectionWaitMs ({ timeoutMs }: Pick<Config['procore'], 'timeoutMs'>): number {
  return Math.min(limits.upstream.connectTimeoutMs * 2, timeoutMs)
}
