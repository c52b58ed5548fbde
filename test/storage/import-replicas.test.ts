// With Redis another replica resumes an import, also after the first one was killed, and makes each person once.
import t from 'tap'
import type { Emulator } from '../../tools/emulator/emulator.ts'
import { addressOf, csvOf, sendImport } from '../helpers/imports.ts'
import { startRedis } from '../helpers/redis.ts'
import { startService, startTestEmulator } from '../helpers/service.ts'
import { skipWithoutRedis as skip } from '../helpers/skip-without-redis.ts'
import { serviceEnvironment, spawnProgram } from '../helpers/spawn-program.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// Most of the time is spent waiting for Procore and for leases.
t.jobs = 3

const headers = { 'idempotency-key': 'people' }
const leaseName = 'procore-bff:import-lease:101'

t.test('an import whose replica is killed three times is resumed by another one', { skip }, async t => {
  const redis = await startRedis(t)
  const emulator = await startTestEmulator(t)
  const env = { REDIS_URL: redis.url, UPSTREAM_TIMEOUT_MS: '1000' }
  const file = csvOf(900)
  const syncCount = () => emulator.apiRequests.filter(({ path }) => path.includes('/users/sync')).length
  // Before it is carried out, after it was carried out, and while its response is on its way.
  for (const kind of ['stall', 'silence', 'delay'] as const) {
    const replica = spawnProgram(t, 'src/main.js', { ...serviceEnvironment(emulator), ...env })
    const url = await replica.listening
    const earlier = syncCount()
    emulator.faults.add({ kind, path: '/users/sync', delayMs: 60_000 })
    const lost = sendImport(`${url}/companies/101/users/import`, file, headers).catch(() => undefined)
    await waitUntil(() => syncCount() > earlier)
    // The request is complete only once it was read, except for one that is never read.
    replica.child.kill('SIGKILL')
    await replica.exit
    await lost
    await redis.client.del(leaseName)
  }
  const service = await startService(t, { procoreUrl: emulator.url, env })
  const response = await sendImport(`${service.url}/companies/101/users/import`, file, headers)
  t.match(response.totals, { rows: 900, created: 900 }, JSON.stringify(response.problem))
  const addresses = emulator.api.directory.list(101).map(({ values }) => values['email_address'])
  t.equal(addresses.length, 900)
  t.equal(new Set(addresses).size, 900)
  const idsByAddress = new Map(emulator.api.directory.list(101).map(({ id, values }) => [values['email_address'], id]))
  for (const { row, id } of response.lines) {
    if (row !== undefined && idsByAddress.get(addressOf(row)) !== id) t.fail(`row ${row} has the id ${id}`)
  }
})

t.test('two replicas do not import into one company at the same time', { skip }, async t => {
  const redis = await startRedis(t)
  const emulator = await startTestEmulator(t)
  const options = { procoreUrl: emulator.url, env: { REDIS_URL: redis.url } }
  const [first, second] = [await startService(t, options), await startService(t, options)]
  emulator.faults.add({ kind: 'delay', delayMs: 500, path: '/users/sync' })
  const pending = sendImport(`${first.usersUrl}/import`, csvOf(2), headers)
  await waitUntil(async () => await redis.client.exists(leaseName) === 1)
  const refused = await sendImport(`${second.usersUrl}/import`, csvOf(2), headers)
  t.match(refused.json, { status: 409, code: 'import_in_progress' })
  const { lines } = await pending
  const repeated = await sendImport(`${second.usersUrl}/import`, csvOf(2), headers)
  t.strictSame(repeated.lines, lines)
  const other = await sendImport(`${second.usersUrl}/import`, csvOf(3), headers)
  t.match(other.json, { status: 422, code: 'idempotency_key_reused' })
})

t.test('what Redis stores of an import has no personal data in the clear', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  const body = '{"errors":{"base":["no jane"]}}'
  service.emulator.faults.add({ kind: 'status', status: 422, path: '/users/sync', body })
  await sendImport(`${service.usersUrl}/import`, csvOf(2), headers)
  const [name = ''] = await redis.client.keys('procore-bff:import:*')
  const stored = JSON.stringify(await redis.client.hgetall(name))
  t.not(name, '')
  t.notMatch(name + stored, /example\.com|jane|people/)
})

t.test('while Redis is down imports are refused, or use the memory of the replica', { skip }, async t => {
  for (const [policy, expected] of [['refuse', 503], ['proceed', 200]] as const) {
    await t.test(policy, async t => {
      const redis = await startRedis(t)
      const env = { REDIS_URL: redis.url, IDEMPOTENCY_WITHOUT_REDIS: policy }
      const service = await startService(t, { env, redisTimeoutMs: 1_000 })
      await redis.kill()
      await waitUntil(() => service.app.redis?.isUp === false)
      t.equal((await sendImport(`${service.usersUrl}/import`, csvOf(2), headers)).status, expected)
    })
  }
})

t.test('a replica that loses its lease stops after its batch', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  service.emulator.faults.add({ kind: 'delay', delayMs: 300, path: '/users/sync' })
  const pending = sendImport(`${service.usersUrl}/import`, csvOf(450), headers)
  await waitUntil(() => service.emulator.apiRequests.some(({ path }) => path.includes('/users/sync')))
  await redis.client.set(leaseName, 'another replica')
  const response = await pending
  t.match(response.problem, { code: 'overloaded' })
  t.match(response.totals, { created: 200, not_sent: 250 })
})

t.test('an import that SIGTERM stops after its batch is resumed in another process', { skip }, async t => {
  const redis = await startRedis(t)
  const emulator = await startTestEmulator(t)
  const start = () => spawnProgram(t, 'src/main.js', { ...serviceEnvironment(emulator), REDIS_URL: redis.url })
  const [first, second] = [start(), start()]
  const [firstUrl, secondUrl] = [await first.listening, await second.listening]
  emulator.faults.add({ kind: 'delay', delayMs: 700, path: '/users/sync' })
  const pending = sendImport(`${firstUrl}/companies/101/users/import`, csvOf(450), headers)
  await waitUntil(() => emulator.apiRequests.some(({ path }) => path.includes('/users/sync')))
  first.child.kill('SIGTERM')
  const stopped = await pending
  t.match(stopped.totals, { rows: 450, created: 200, not_sent: 250 })
  t.match(stopped.problem, { code: 'stopping' })
  t.strictSame(await first.exit, { code: 0, signal: null })
  const resumed = await sendImport(`${secondUrl}/companies/101/users/import`, csvOf(450), headers)
  t.match(resumed.totals, { rows: 450, created: 450 }, JSON.stringify(resumed.problem))
  t.strictSame(resumed.lines.slice(0, 200), stopped.lines.slice(0, 200))
  t.strictSame(addressesOf(emulator), csvAddresses(450))
})

const parallel = { skip, jobs: 2 }

t.test('an import whose batch is stored when Redis fails is resumed, and makes each person once', parallel, async t => {
  for (const [kind, status] of [['delay', 'created'], ['stall', 'unknown']] as const) {
    t.test(`the batch is ${kind === 'delay' ? 'carried out' : 'not carried out'}`, async t => {
      const redis = await startRedis(t)
      const service = await startService(t, {
        env: { REDIS_URL: redis.url, UPSTREAM_TIMEOUT_MS: '500' }, redisTimeoutMs: 1_000,
      })
      const { emulator } = service
      emulator.faults.add({ kind, delayMs: 400, path: '/users/sync' })
      const pending = sendImport(`${service.usersUrl}/import`, csvOf(450), headers)
      await waitUntil(() => emulator.apiRequests.some(({ path }) => path.includes('/users/sync')))
      await redis.kill()
      const interrupted = await pending
      t.match(interrupted.problem, { code: 'overloaded' }, interrupted.text.slice(-500))
      t.match(interrupted.totals, { rows: 450, [status]: 200, not_sent: 250 })
      await redis.start()
      await waitUntil(() => service.app.redis?.isUp === true)
      const resume = () => sendImport(`${service.usersUrl}/import`, csvOf(450), headers)
      let resumed = await resume()
      // Until the lease of the interrupted import has expired.
      await waitUntil(async () => {
        if (resumed.status === 409) resumed = await resume()
        return resumed.status !== 409
      })
      t.match(resumed.totals, { rows: 450, created: 450 }, resumed.text.slice(-500))
      t.strictSame(addressesOf(emulator), csvAddresses(450))
    })
  }
})

const addressesOf = ({ api }: Emulator) =>
  api.directory.list(101).map(({ values }) => String(values['email_address'])).sort()
const csvAddresses = (count: number) => Array.from({ length: count }, (_, index) => addressOf(index + 1))
