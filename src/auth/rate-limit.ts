/** Limits the requests of each caller. All replicas count together in Redis; while Redis is down, each counts alone. */
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance } from 'fastify'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import type { RedisConnection } from '../storage/redis.ts'

/** Dependencies for counting in Redis. */
export interface SharedRateLimit {
  redis: RedisConnection
  pseudonymize (callerId: string): string
}

export async function registerRateLimit (
  scope: FastifyInstance,
  ratePerMinute: number,
  sharedRateLimit: SharedRateLimit | undefined
): Promise<void> {
  await scope.register(rateLimit, {
    global: false,
    max: ratePerMinute,
    timeWindow: 60_000,
    cache: limits.callerRate.callersMax,
    ...(sharedRateLimit !== undefined && { store: await loadStore(sharedRateLimit) }),
    enableDraftSpec: true,
    keyGenerator: ({ callerId }) => callerId ?? '',
    errorResponseBuilder: () => new Problem('too_many_requests', 'This caller sends too many requests.'),
  })
  scope.addHook('onRequest', scope.rateLimit())
}

async function loadStore ({ redis, pseudonymize }: SharedRateLimit) {
  const { createRateLimitStore } = await import('./rate-limit-store.ts')
  return createRateLimitStore(redis, pseudonymize)
}
