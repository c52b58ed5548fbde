/** Skips a test if `redis-server` is not installed. In CI such a test fails instead. */
import { hasRedis } from './redis.ts'

export const skipWithoutRedis = !hasRedis && process.env['CI'] !== 'true' && 'redis-server is not installed'
