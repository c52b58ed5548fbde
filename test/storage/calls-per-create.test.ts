// How often a create calls Redis: hardly ever without an idempotency key, and twice with one.
import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { startRedis } from '../helpers/redis.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { skipWithoutRedis as skip } from '../helpers/skip-without-redis.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const luaFolder = new URL('../../src/storage/lua/', import.meta.url)

/** The names of the scripts by their SHA-1. */
const scriptNames = new Map(readdirSync(luaFolder).map(file => {
  return [hash('sha1', readFileSync(new URL(file, luaFolder), 'utf8')), basename(file, '.lua')]
}))

const createCount = 300

/** Sends creates, and returns how often Redis was called by name of the command or script, and the duration. */
async function countCalls (t: Test, getHeaders: (index: number) => Record<string, string>) {
  const redis = await startRedis(t)
  const { usersUrl } = await startService(t, {
    env: { REDIS_URL: redis.url, TRUSTED_PROXIES: '127.0.0.1', CALLER_RATE_PER_MINUTE: '6000' },
    emulator: { rateLimit: 3_600, rateWindowSeconds: 3_600 },
  })
  const create = async (index: number) => {
    const body = { user: { ...jane, email_address: `jane${index}@example.com` } }
    t.equal((await sendJson(usersUrl, body, getHeaders(index))).status, 201)
  }
  await create(0)
  await create(1)
  // The first call of a script sends its text, later ones its SHA-1.
  await waitUntil(async () => (await redis.client.keys('procore-bff:creates:*')).length === 2)
  const calls: Record<string, number> = {}
  const monitor = await redis.client.duplicate().monitor()
  t.teardown(() => monitor.disconnect())
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    if (source === 'lua') return
    const [command = '', sha = ''] = args
    const name = scriptNames.get(sha) ?? command.toLowerCase()
    calls[name] = (calls[name] ?? 0) + 1
  })
  const startedAtMs = Date.now()
  const indices = Array.from({ length: createCount }, (_, index) => index + 2).values()
  await Promise.all(Array.from({ length: 10 }, async () => { for (const index of indices) await create(index) }))
  const elapsedMs = Date.now() - startedAtMs
  await redis.client.echo('the end')
  await waitUntil(() => calls['echo'] === 1)
  return { calls, elapsedMs }
}

/** Asserts what is the same with and without a key. */
function assertSharedCalls (t: Test, calls: Record<string, number>, elapsedMs: number): void {
  const { 'count-request': rates = 0, 'replace-rate-limit': rateLimits = 0, 'add-creates': creates = 0 } = calls
  t.ok(rates <= createCount / 20, `${rates} calls for the rate of the caller`)
  t.ok(rateLimits <= createCount / 20, `${rateLimits} calls for the rate limit of Procore`)
  const { shareMs, batchMax } = limits.recentCreates
  t.ok(creates > 0 && creates <= elapsedMs / shareMs + createCount / batchMax + 1, `${creates} calls to share creates`)
  const { xread: polls = 0 } = calls
  t.ok(polls <= elapsedMs / limits.leases.pollMs + 1, `${polls} polls`)
}

const shared = ['add-creates', 'count-request', 'echo', 'ping', 'replace-rate-limit', 'time', 'xread']

t.test('a create without an idempotency key needs a call to Redis for few creates only', { skip }, async t => {
  const { calls, elapsedMs } = await countCalls(t, () => ({}))
  assertSharedCalls(t, calls, elapsedMs)
  t.strictSame(Object.keys(calls).filter(name => !shared.includes(name)), [])
})

t.test('a create with an idempotency key calls Redis to claim it and to settle it', { skip }, async t => {
  const { calls, elapsedMs } = await countCalls(t, index => ({ 'idempotency-key': `key-${index}` }))
  assertSharedCalls(t, calls, elapsedMs)
  t.equal(calls['claim-key'], createCount)
  t.equal(calls['settle-key'], createCount)
  t.strictSame(Object.keys(calls).filter(name => !shared.includes(name)).sort(), ['claim-key', 'settle-key'])
})
