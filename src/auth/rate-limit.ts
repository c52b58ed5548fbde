/** Limits the requests of each caller. All replicas count together in Redis; while Redis is down, each counts alone. */
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, onRequestHookHandler } from 'fastify'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import type { RedisConnection } from '../storage/redis.ts'

/** Dependencies for counting in Redis. */
export interface SharedRateLimit {
  redis: RedisConnection
  pseudonymize (callerId: string): string
}

const windowSeconds = 60

/** Returns the hook that counts a request, for routes whose caller is identified. */
export async function createRateLimitHook (
  app: FastifyInstance,
  ratePerMinute: number,
  sharedRateLimit: SharedRateLimit | undefined
): Promise<onRequestHookHandler> {
  await app.register(rateLimit, {
    global: false,
    max: ratePerMinute,
    timeWindow: windowSeconds * 1000,
    cache: limits.callerRate.callersMax,
    ...(sharedRateLimit !== undefined && { store: await loadStore(sharedRateLimit) }),
    keyGenerator: ({ callerId }) => callerId ?? '',
  })
  const countRequest = app.createRateLimit()
  const policy = { field: `"default";q=${ratePerMinute};w=${windowSeconds}`, limit: String(ratePerMinute) }
  return (request, reply, done) => {
    countRequest(request).then(count => {
      if (count.isAllowed) return done()
      const { remaining, ttlInSeconds, isExceeded } = count
      setRateLimitHeaders(reply, policy, remaining, ttlInSeconds)
      if (!isExceeded) return done()
      const headers = { 'retry-after': String(ttlInSeconds) }
      done(new Problem('too_many_requests', 'This caller sends too many requests.', { headers }))
    }, done)
  }
}

/**
 * Sets the structured fields of draft-ietf-httpapi-ratelimit-headers-11, and the fields of draft 06, which more clients
 * read.
 */
function setRateLimitHeaders (
  reply: FastifyReply, policy: { field: string, limit: string }, remaining: number, resetSeconds: number
): void {
  reply
    .header('ratelimit-policy', policy.field)
    .header('ratelimit', `"default";r=${remaining};t=${resetSeconds}`)
    .header('ratelimit-limit', policy.limit)
    .header('ratelimit-remaining', String(remaining))
    .header('ratelimit-reset', String(resetSeconds))
}

async function loadStore ({ redis, pseudonymize }: SharedRateLimit) {
  const { createRateLimitStore } = await import('./rate-limit-store.ts')
  return createRateLimitStore(redis, pseudonymize)
}
