/** Types for the stores of @fastify/rate-limit, which the package does not export: only the parts used here. */
declare module '@fastify/rate-limit/store/LocalStore.js' {
  import type { FastifyRateLimitStore } from '@fastify/rate-limit'
  const LocalStore: new (
    continueExceeding: boolean,
    exponentialBackoff: boolean,
    cache: number
  ) => FastifyRateLimitStore
  export default LocalStore
}

declare module '@fastify/rate-limit/store/RedisStore.js' {
  import type { FastifyRateLimitStore } from '@fastify/rate-limit'
  import type { Redis } from 'ioredis'
  const RedisStore: new (
    continueExceeding: boolean,
    exponentialBackoff: boolean,
    client: Redis,
    prefix: string
  ) => FastifyRateLimitStore
  export default RedisStore
}
