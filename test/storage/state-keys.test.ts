// Idempotency keys stay in use when the state keys or the client secret change, and while old and new replicas run.
import { hash } from 'node:crypto'
import t, { type Test } from 'tap'
import { Secret } from '../../src/config/secret.ts'
import { Encryptor } from '../../src/storage/encryption.ts'
import { startRedis, type TestRedis } from '../helpers/redis.ts'
import { jane, sendJson, type TestResponse } from '../helpers/requests.ts'
import { startService, startTestEmulator, type Service } from '../helpers/service.ts'
import { skipWithoutRedis as skip } from '../helpers/skip-without-redis.ts'
import { waitUntil } from '../helpers/wait-until.ts'
import type { Emulator } from '../../tools/emulator/emulator.ts'

t.jobs = 3

const withKey = (value: string) => ({ 'idempotency-key': value })
const user = { user: jane }
const replayed = { status: 201, headers: { 'idempotency-replayed': 'true' } }

/**
 * Sends a create again while Redis is too slow for a busy machine, so that nothing was sent. A key that such a request
 * claimed is in progress until Redis responds, and then it is released.
 */
async function create (service: Service, body: object, idempotencyKey: string): Promise<TestResponse> {
  const send = () => sendJson(service.usersUrl, body, withKey(idempotencyKey))
  let response = await send()
  let mayBeClaimed = false
  while (response.status === 503 || (mayBeClaimed && response.json['code'] === 'idempotency_in_progress')) {
    mayBeClaimed = true
    response = await send()
  }
  return response
}

const findCreates = (emulator: Emulator) => emulator.apiRequests.filter(({ method }) => method === 'POST')

/** The only name of a key in version 0.1: a plain hash of caller, company, endpoint and idempotency key. */
function plainName (idempotencyKey: string): string {
  const id = hash('sha256', JSON.stringify(['', 101, 'create-company-user', idempotencyKey]), 'base64url')
  return `procore-bff:key:${id}`
}

interface Replica { stateKeys: string, clientSecret?: string }

async function startReplica (
  t: Test, redis: TestRedis, emulator: Emulator, { stateKeys, clientSecret = 'demo-secret' }: Replica
): Promise<Service> {
  emulator.settings = { ...emulator.settings, clientSecret }
  return startService(t, {
    procoreUrl: emulator.url,
    env: { REDIS_URL: redis.url, STATE_KEYS: stateKeys, PROCORE_CLIENT_SECRET: clientSecret },
  })
}

interface Rotation {
  name: string
  before: Replica
  after: Replica
  /** Whether the key is used under its plain name, which version 0.1 knows, or under the others only. */
  withPlainName?: boolean
  result: object
}

const unknown = { json: { outcome: 'unknown' }, headers: { 'x-outcome': undefined } }

const rotations: Rotation[] = [
  {
    name: 'the client secret changes and STATE_KEYS does not',
    before: { stateKeys: 'first' },
    after: { stateKeys: 'first', clientSecret: 'new-secret' },
    result: replayed,
  },
  {
    name: 'a newer state key is added',
    before: { stateKeys: 'first' },
    after: { stateKeys: 'second,first' },
    result: replayed,
  },
  {
    name: 'a newer state key is added and the client secret changes',
    before: { stateKeys: 'first' },
    after: { stateKeys: 'second, first', clientSecret: 'new-secret' },
    result: replayed,
  },
  {
    name: 'STATE_KEYS is set with the former client secret as its oldest key',
    before: { stateKeys: '' },
    after: { stateKeys: 'first,demo-secret', clientSecret: 'new-secret' },
    result: replayed,
  },
  {
    name: 'STATE_KEYS is set for the first time',
    before: { stateKeys: '' },
    after: { stateKeys: 'first' },
    withPlainName: true,
    result: replayed,
  },
  {
    name: 'the client secret changes without STATE_KEYS',
    before: { stateKeys: '' },
    after: { stateKeys: '', clientSecret: 'new-secret' },
    withPlainName: true,
    result: unknown,
  },
  {
    name: 'all state keys and the client secret are replaced',
    before: { stateKeys: 'first' },
    after: { stateKeys: 'second', clientSecret: 'new-secret' },
    withPlainName: true,
    result: unknown,
  },
]

for (const { name, before, after, withPlainName = false, result } of rotations) {
  t.test(`a repeat after a restart in which ${name} creates nothing`, { skip }, async t => {
    const redis = await startRedis(t)
    const emulator = await startTestEmulator(t)
    const old = await startReplica(t, redis, emulator, before)
    const created = await create(old, user, 'a')
    t.equal(created.status, 201)
    await waitUntil(async () => await redis.client.hget(plainName('a'), 'state') === 'settled')
    await old.app.fastify.close()
    const names = await redis.client.keys('procore-bff:key:*')
    t.ok(names.includes(plainName('a')), 'replicas of version 0.1 see the key')
    if (!withPlainName) await redis.client.del(plainName('a'))
    const restarted = await startReplica(t, redis, emulator, after)
    t.match(await create(restarted, user, 'a'), result)
    t.equal(findCreates(emulator).length, 1)
    const other = { user: { ...jane, last_name: 'Other' } }
    const lookupCount = emulator.apiRequests.length
    t.not((await create(restarted, other, 'a')).status, 201)
    t.equal(emulator.apiRequests.length, lookupCount, 'another body finds nothing')
  })
}

t.test('replicas with old and new state keys run a key once, and replay each other\'s responses', { skip }, async t => {
  const redis = await startRedis(t)
  const emulator = await startTestEmulator(t)
  const replicas: Service[] = []
  for (const stateKeys of ['first', 'second,first', 'third,second,first', '']) {
    replicas.push(await startReplica(t, redis, emulator, { stateKeys }))
  }
  const responses = await Promise.all(Array.from({ length: 40 }, (_, index) => {
    return sendJson(replicas[index % replicas.length]?.usersUrl ?? '', user, withKey('crowd'))
  }))
  t.ok(responses.every(({ status }) => status === 201 || status === 409 || status === 503))
  t.equal(findCreates(emulator).length, 1)
  for (const [index, replica] of replicas.entries()) {
    emulator.api.directory.clear()
    t.equal((await create(replica, user, `from-${index}`)).status, 201)
    for (const other of replicas) t.match(await create(other, user, `from-${index}`), replayed)
  }
  t.equal(findCreates(emulator).length, 1 + replicas.length)
})

/** Claims a key as version 0.1 does, which reads and writes the plain name only. */
const claimOfVersion01 = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HMGET', KEYS[1], 'state', 'record', 'lease', 'started', 'holder')
if not found[1] then
  redis.call('HSET', KEYS[1], 'state', 'running', 'holder', ARGV[1], 'lease', now + ARGV[2], 'started', now)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return false
end
local ago = now - tonumber(found[4])
if found[1] == 'running' and tonumber(found[3]) <= now then return { 'lost', '', ago } end
return { found[1], found[2] or '', ago }`

function claimAsVersion01 (redis: TestRedis, idempotencyKey: string): Promise<unknown> {
  return redis.client.eval(claimOfVersion01, 1, plainName(idempotencyKey), 'old replica', 30_000, 86_400_000)
}

t.test('a new replica sees a key that a replica of version 0.1 runs and settles', { skip }, async t => {
  const redis = await startRedis(t)
  const emulator = await startTestEmulator(t)
  const service = await startReplica(t, redis, emulator, { stateKeys: 'first' })
  t.equal(await claimAsVersion01(redis, 'a'), null)
  t.match((await create(service, user, 'a')).json, { code: 'idempotency_in_progress' })
  // The fingerprint of the request is the same in both versions.
  t.equal((await create(service, user, 'fingerprint')).status, 201)
  const encryptor = new Encryptor(new Secret('demo-secret'))
  const idOf = (idempotencyKey: string) => plainName(idempotencyKey).slice('procore-bff:key:'.length)
  const stored = encryptor.decrypt(
    idOf('fingerprint'), await redis.client.hget(plainName('fingerprint'), 'record') ?? ''
  )
  t.match(stored, { state: 'answered', fingerprint: String })
  const record = Object.fromEntries(Object.entries(stored ?? {}).filter(([name]) => name !== 'sentAtMs'))
  await redis.client.hset(plainName('a'), 'state', 'settled', 'record', encryptor.encrypt(idOf('a'), record))
  t.match(await create(service, user, 'a'), replayed)
  t.equal(findCreates(emulator).length, 1)
})

t.test('a replica of version 0.1 sees a key that a new replica runs and settles', { skip }, async t => {
  const redis = await startRedis(t)
  const emulator = await startTestEmulator(t)
  const service = await startReplica(t, redis, emulator, { stateKeys: 'first' })
  emulator.faults.add({ kind: 'delay', delayMs: 300 })
  const pending = create(service, user, 'a')
  await waitUntil(() => emulator.apiRequests.length === 1)
  t.match(await claimAsVersion01(redis, 'a'), ['running'])
  const { text } = await pending
  const reply = await claimAsVersion01(redis, 'a')
  t.match(reply, ['settled', String, Number])
  const encrypted = Array.isArray(reply) ? String(reply[1]) : ''
  const id = plainName('a').slice('procore-bff:key:'.length)
  const base64 = Buffer.from(text).toString('base64')
  t.match(new Encryptor(new Secret('demo-secret')).decrypt(id, encrypted), { verdict: { kind: 'success', base64 } })
  emulator.faults.add({ kind: 'status', status: 403, body: '{}', method: 'POST' })
  t.equal((await create(service, user, 'b')).status, 403)
  t.equal(await claimAsVersion01(redis, 'b'), null, 'a key that is free for one is free for the other')
})
