/** Limits the requests of each caller. All replicas count together in Redis; while Redis is down, each counts alone. */
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import type { RedisConnection } from '../storage/redis.ts'

/** Dependencies for counting in Redis. */
export interface SharedRateLimit {
  redis: RedisConnection
  pseudonymize (callerId: string): string
}

/** Returns the hook that counts a request, for routes whose caller is identified. */
export async function createRateLimitHook (
  app: FastifyInstance,
  ratePerMinute: number,
  sharedRateLimit: SharedRateLimit | undefined
): Promise<onRequestHookHandler> {
  await app.register(rateLimit, {
    global: false,
    max: ratePerMinute,
    timeWindow: 60_000,
    cache: limits.callerRate.callersMax,
    ...(sharedRateLimit !== undefined && { store: await loadStore(sharedRateLimit) }),
    enableDraftSpec: true,
    keyGenerator: ({ callerId }) => callerId ?? '',
    errorResponseBuilder: () => new Problem('too_many_requests', 'This caller sends too many requests.'),
  })
  return app.rateLimit()
}

async function loadStore ({ redis, pseudonymize }: SharedRateLimit) {
  const { createRateLimitStore } = await import('./rate-limit-store.ts')
  return createRateLimitStore(redis, pseudonymize)
}
