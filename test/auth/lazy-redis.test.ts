import { createRequire } from 'node:module'
import t from 'tap'
import { startService } from '../helpers/service.ts'

t.test('without REDIS_URL, neither ioredis nor the Redis rate limit store is loaded', async t => {
  await startService(t)
  const loaded = Object.keys(createRequire(import.meta.url).cache)
  t.ok(loaded.some(path => path.includes('/fastify/')), 'the cache lists CommonJS modules')
  t.strictSame(loaded.filter(path => path.includes('/node_modules/ioredis/')), [])
})
