// With ORIGIN_ID_PREFIX, Procore itself refuses a second create with the same idempotency key after all state was lost.
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Secret } from '../../src/config/secret.ts'
import { OriginIds } from '../../src/proxy/idempotency/origin-ids.ts'
import type { Emulator } from '../../tools/emulator/emulator.ts'
import type { InjectedFault, Settings } from '../../tools/emulator/settings.ts'
import { png } from '../helpers/images.ts'
import {
  jane, janeParts, multipartBody, send as sendRequest, sendJson, sendMultipart, type TestResponse,
} from '../helpers/requests.ts'
import { startRedis } from '../helpers/redis.ts'
import { startService, startTestEmulator, type Service } from '../helpers/service.ts'
import { skipWithoutRedis as skip } from '../helpers/skip-without-redis.ts'

t.jobs = 4

const generatedId = /^bff:[0-9a-f]{40}$/
const withKey = (value: string) => ({ 'idempotency-key': value })
const withReplayed = { 'idempotency-replayed': 'true' }
const recovered = { status: 201, headers: { 'x-outcome': 'recovered', 'idempotency-replayed': undefined } }

interface ReplicaOptions { stateKeys?: string, prefix?: string, redisUrl?: string }

/** Starts a replica with an empty memory. */
function startReplica (
  t: Test, emulator: Emulator, { stateKeys = 'first', prefix = 'bff:', redisUrl = '' }: ReplicaOptions = {}
): Promise<Service> {
  const env = { ORIGIN_ID_PREFIX: prefix, STATE_KEYS: stateKeys, REDIS_URL: redisUrl }
  return startService(t, { procoreUrl: emulator.url, env })
}

const findCreates = ({ apiRequests }: Emulator) => apiRequests.filter(({ method }) => method === 'POST')
const findUsers = ({ api }: Emulator) => api.directory.list(101)
const findOriginIds = (emulator: Emulator) => findUsers(emulator).map(({ values }) => values['origin_id'])

function findLookups ({ apiRequests }: Emulator): string[] {
  const lookups = apiRequests.filter(({ method }) => method === 'GET').map(({ path }) => decodeURIComponent(path))
  return lookups.map(path => path.replace(/^\/rest\/v1\.\d\/companies\/101\//, '').replace(/[0-9a-f]{40}/, '<hash>'))
}

const originLookups = ['users?filters[origin_id]=bff:<hash>', 'users/inactive?filters[origin_id]=bff:<hash>']

const forms = [
  { name: 'a buffered form', form: multipartBody(janeParts) },
  {
    name: 'a streamed form',
    form: multipartBody([{ name: 'user[avatar]', filename: 'a', data: png(500_000) }, ...janeParts]),
  },
]
const bodies: Array<{ name: string, send: (url: string, headers: Record<string, string>) => Promise<TestResponse> }> = [
  { name: 'JSON', send: (url, headers) => sendJson(url, { user: jane }, headers) },
  { name: 'JSON with null', send: (url, headers) => sendJson(url, { user: { ...jane, origin_id: null } }, headers) },
  ...forms.map(({ name, form }) => ({
    name, send: (url: string, headers: Record<string, string>) => sendMultipart(url, form, headers),
  })),
]

for (const { name, send } of bodies) {
  t.test(`a create by ${name} gets a generated origin_id, and a repeat without any state is recovered`, async t => {
    const emulator = await startTestEmulator(t)
    const first = await startReplica(t, emulator)
    t.equal((await send(first.usersUrl, withKey('a'))).status, 201)
    const [originId] = findOriginIds(emulator)
    t.match(originId, generatedId)
    t.match(await send(first.usersUrl, withKey('a')), { status: 201, headers: withReplayed })
    const second = await startReplica(t, emulator)
    const repeat = await send(second.usersUrl, withKey('a'))
    t.match(repeat, recovered)
    t.strictSame(Object.keys(repeat.json).toSorted(), ['created_at', 'email_address', 'id', 'last_name'])
    t.strictSame(findLookups(emulator), originLookups.slice(0, 1))
    t.match(await send(second.usersUrl, withKey('a')), { status: 201, headers: withReplayed })
    t.equal(findCreates(emulator).length, 2)
    t.strictSame(findOriginIds(emulator), [originId], 'there is one user')
  })
}

const unchangedRequests: Array<{ name: string, prefix?: string, user?: object, key?: string, sent: unknown }> = [
  { name: 'without an idempotency key', sent: undefined },
  { name: 'without ORIGIN_ID_PREFIX', prefix: '', key: 'a', sent: undefined },
  { name: 'with an origin_id', user: { origin_id: 'hr-7' }, key: 'a', sent: 'hr-7' },
  { name: 'with an empty origin_id', user: { origin_id: '' }, key: 'a', sent: '' },
]
for (const { name, prefix = 'bff:', user = {}, key, sent } of unchangedRequests) {
  t.test(`a create ${name} gets no generated origin_id`, async t => {
    const emulator = await startTestEmulator(t)
    const { usersUrl } = await startReplica(t, emulator, { prefix })
    const response = await sendJson(usersUrl, { user: { ...jane, ...user } }, key === undefined ? {} : withKey(key))
    t.equal(response.status, 201)
    t.strictSame(findOriginIds(emulator), [sent])
  })
}

t.test('a repeat at a replica with ORIGIN_ID_PREFIX is replayed: the id is not part of it', { skip }, async t => {
  const redis = await startRedis(t)
  const emulator = await startTestEmulator(t)
  const without = await startReplica(t, emulator, { prefix: '', redisUrl: redis.url })
  t.equal((await sendJson(without.usersUrl, { user: jane }, withKey('a'))).status, 201)
  const replica = await startReplica(t, emulator, { redisUrl: redis.url })
  t.match(await sendJson(replica.usersUrl, { user: jane }, withKey('a')), { status: 201, headers: withReplayed })
  t.equal(findCreates(emulator).length, 1)
})

t.test('a repeat after Redis lost everything is recovered', { skip }, async t => {
  const redis = await startRedis(t)
  const emulator = await startTestEmulator(t)
  const first = await startReplica(t, emulator, { redisUrl: redis.url })
  const second = await startReplica(t, emulator, { redisUrl: redis.url })
  t.equal((await sendJson(first.usersUrl, { user: jane }, withKey('a'))).status, 201)
  await redis.client.flushall()
  t.match(await sendJson(second.usersUrl, { user: jane }, withKey('a')), recovered)
  t.equal(findUsers(emulator).length, 1)
})

t.test('a repeat whose caller leaves during the lookup is recovered later', async t => {
  const emulator = await startTestEmulator(t)
  const first = await startReplica(t, emulator)
  const { json: { id } } = await sendJson(first.usersUrl, { user: jane }, withKey('a'))
  const second = await startReplica(t, emulator)
  emulator.faults.add({ kind: 'delay', delayMs: 1000, method: 'GET' })
  const caller = new AbortController()
  const leaving = fetch(second.usersUrl, {
    method: 'POST',
    body: JSON.stringify({ user: jane }),
    headers: { 'content-type': 'application/json', ...withKey('a') },
    signal: caller.signal,
  })
  while (findLookups(emulator).length === 0) await setImmediate()
  caller.abort()
  await t.rejects(leaving)
  let repeat = await sendJson(second.usersUrl, { user: jane }, withKey('a'))
  while (repeat.json['code'] === 'idempotency_in_progress') {
    repeat = await sendJson(second.usersUrl, { user: jane }, withKey('a'))
  }
  t.match(repeat, { status: 201, json: { id } })
  t.equal(findCreates(emulator).length, 2)
  t.equal(findUsers(emulator).length, 1)
})

const taken: Array<{ name: string, settings?: Partial<Settings>, fault?: InjectedFault }> = [
  { name: '422 for the address and the origin_id', settings: { takenEmail: 422 } },
  { name: '409 for the address', settings: { takenEmail: 409 } },
  {
    name: '409 that names no field',
    fault: { kind: 'status', status: 409, body: '{"message":"The user email address already exists."}' },
  },
  {
    name: '422 for the origin_id of the record',
    fault: { kind: 'status', status: 422, body: '{"errors":{"user.origin_id":["has already been taken"]}}' },
  },
  {
    name: '422 for the whole record',
    fault: { kind: 'status', status: 422, body: '{"errors":{"base":["Email address has already been taken"]}}' },
  },
  {
    name: '422 for a field that was not sent',
    fault: { kind: 'status', status: 422, body: '{"errors":{"login":["has already been taken"]}}' },
  },
]
for (const { name, settings, fault } of taken) {
  t.test(`a repeat that Procore refuses with ${name} is recovered`, async t => {
    const emulator = await startTestEmulator(t, settings)
    const first = await startReplica(t, emulator)
    const created = await sendJson(first.usersUrl, { user: jane }, withKey('a'))
    const second = await startReplica(t, emulator)
    if (fault !== undefined) emulator.faults.add({ ...fault, method: 'POST' })
    const repeat = await sendJson(second.usersUrl, { user: jane }, withKey('a'))
    t.match(repeat, { ...recovered, json: { id: created.json['id'] } })
    const auditLines = second.lines.filter(({ name }) => name === 'audit')
    t.match(auditLines, [{ outcome: 'recovered', recordId: created.json['id'] }])
    t.equal(findUsers(emulator).length, 1)
  })
}

t.test('an inactive user is recovered by its generated id', async t => {
  const emulator = await startTestEmulator(t)
  const user = { ...jane, is_active: false }
  const first = await startReplica(t, emulator)
  t.equal((await sendJson(first.usersUrl, { user }, withKey('a'))).status, 201)
  const second = await startReplica(t, emulator)
  t.match(await sendJson(second.usersUrl, { user }, withKey('a')), recovered)
  t.strictSame(findLookups(emulator), originLookups)
})

t.test('a repeat is recovered from a Procore that normalizes texts', async t => {
  const emulator = await startTestEmulator(t, { normalizesText: true })
  const user = { ...jane, email_address: 'Jane.Doe@Example.com', job_title: ' Clerk ' }
  const first = await startReplica(t, emulator)
  t.equal((await sendJson(first.usersUrl, { user }, withKey('a'))).status, 201)
  const second = await startReplica(t, emulator)
  t.match(await sendJson(second.usersUrl, { user }, withKey('a')), recovered)
})

const otherUsers = [
  { name: 'another name', user: { ...jane, last_name: 'Other' } },
  { name: 'another address', user: { ...jane, email_address: 'other@example.com' } },
  { name: 'one more field', user: { ...jane, job_title: 'Clerk' } },
]
for (const { name, user } of otherUsers) {
  t.test(`the key of a create, with ${name} and without any state, was used for a different request`, async t => {
    const emulator = await startTestEmulator(t)
    const first = await startReplica(t, emulator)
    t.equal((await sendJson(first.usersUrl, { user: jane }, withKey('a'))).status, 201)
    const second = await startReplica(t, emulator)
    const response = await sendJson(second.usersUrl, { user }, withKey('a'))
    t.match(response, { status: 422, json: { code: 'idempotency_key_reused', outcome: 'rejected' } })
    t.notMatch(response.text, /Doe|Clerk|example/)
    t.equal(findUsers(emulator).length, 1)
    const firstBody = await sendJson(second.usersUrl, { user: jane }, withKey('a'))
    t.match(firstBody, recovered, 'the first body is still accepted')
  })
}

t.test('a field that the list of Procore does not show is not compared', async t => {
  const emulator = await startTestEmulator(t)
  const user = { ...jane, job_title: 'Clerk' }
  const first = await startReplica(t, emulator)
  const { json: { id, created_at: createdAt } } = await sendJson(first.usersUrl, { user }, withKey('a'))
  const [originId] = findOriginIds(emulator)
  const listed = { ...jane, id, created_at: createdAt, origin_id: originId }
  emulator.faults.add({ kind: 'status', status: 200, body: JSON.stringify([listed]), method: 'GET' })
  const second = await startReplica(t, emulator)
  t.match(await sendJson(second.usersUrl, { user }, withKey('a')), { ...recovered, json: { id } })
})

t.test('a user that was updated after its create no longer agrees with it', async t => {
  const emulator = await startTestEmulator(t)
  const first = await startReplica(t, emulator)
  const { json: { id } } = await sendJson(first.usersUrl, { user: jane }, withKey('a'))
  const user = { ...jane, last_name: 'Smith' }
  const updated = await sendRequest(`${first.usersUrl}/${Number(id)}`, {
    method: 'PATCH', body: JSON.stringify({ user }), headers: { 'content-type': 'application/json' },
  })
  t.equal(updated.status, 200)
  const second = await startReplica(t, emulator)
  const response = await sendJson(second.usersUrl, { user: jane }, withKey('a'))
  t.match(response.json, {
    code: 'idempotency_key_reused', outcome: 'rejected', detail: /earlier request.* other values/,
  })
  t.equal(findUsers(emulator).length, 1)
})

t.test('a duplicate origin_id of the caller itself is rejected', async t => {
  const emulator = await startTestEmulator(t)
  const { usersUrl } = await startReplica(t, emulator)
  const user = { ...jane, origin_id: 'hr-7' }
  t.equal((await sendJson(usersUrl, { user }, withKey('a'))).status, 201)
  const response = await sendJson(usersUrl, { user }, withKey('b'))
  t.match(response, { status: 422, json: { code: 'procore_rejected', outcome: 'rejected' } })
  t.equal(findUsers(emulator).length, 1)
})

t.test('a taken address of a user that the key did not create is rejected, and replayed as such', async t => {
  const emulator = await startTestEmulator(t)
  const { usersUrl } = await startReplica(t, emulator)
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  const rejected = { status: 422, json: { code: 'procore_rejected', outcome: 'rejected' } }
  t.match(await sendJson(usersUrl, { user: jane }, withKey('a')), rejected)
  t.match(await sendJson(usersUrl, { user: jane }, withKey('a')), { ...rejected, headers: withReplayed })
})

t.test('a rejection for another reason is not looked up', async t => {
  const emulator = await startTestEmulator(t)
  const { usersUrl } = await startReplica(t, emulator)
  emulator.faults.add({ kind: 'status', status: 422, body: '{"errors":{"email_address":["is invalid"]}}' })
  t.match(await sendJson(usersUrl, { user: jane }, withKey('a')), { status: 422, json: { outcome: 'rejected' } })
  t.strictSame(findLookups(emulator), [])
})

t.test('a rejection that comes before the form is complete is not looked up', async t => {
  const emulator = await startTestEmulator(t)
  const { usersUrl } = await startReplica(t, emulator)
  const body = '{"errors":{"email_address":["has already been taken"]}}'
  emulator.faults.add({ kind: 'early', status: 422, body, lingerMs: 1000 })
  const form = multipartBody([...janeParts, { name: 'user[avatar]', filename: 'a', data: png(5_000_000) }])
  t.match((await sendMultipart(usersUrl, form, withKey('a'))).json, { code: 'procore_rejected', outcome: 'rejected' })
  t.strictSame(findLookups(emulator), [])
})

const takenOriginIds: Array<{ name: string, fault?: InjectedFault }> = [
  { name: 'generated id' },
  {
    name: 'generated id that a message about the whole record names',
    fault: { kind: 'status', status: 422, body: '{"errors":{"base":["Origin ID has already been taken"]}}' },
  },
  {
    name: 'generated id that a message without a field names',
    fault: { kind: 'status', status: 422, body: '{"errors":["The origin_id has already been taken"]}' },
  },
]
for (const { name, fault } of takenOriginIds) {
  t.test(`if the lookup of a taken ${name} fails, the outcome is unknown, and a repeat is recovered`, async t => {
    const emulator = await startTestEmulator(t)
    const first = await startReplica(t, emulator)
    t.equal((await sendJson(first.usersUrl, { user: jane }, withKey('a'))).status, 201)
    const second = await startReplica(t, emulator)
    if (fault !== undefined) emulator.faults.add({ ...fault, method: 'POST' })
    emulator.faults.add({ kind: 'status', status: 500, method: 'GET', times: 2 })
    const response = await sendJson(second.usersUrl, { user: jane }, withKey('a'))
    t.match(response.json, { status: 502, code: 'procore_bad_response', outcome: 'unknown' })
    t.match(response.json, { detail: /^Procore has a record of an earlier request.*The lookup in Procore failed/ })
    t.match(await sendJson(second.usersUrl, { user: jane }, withKey('a')), {
      status: 201, headers: { 'x-outcome': 'recovered', ...withReplayed },
    })
    t.equal(findCreates(emulator).length, 2)
  })
}

t.test('a taken generated id whose user is not found is not reported as a lookup that found none', async t => {
  const emulator = await startTestEmulator(t)
  const { usersUrl } = await startReplica(t, emulator)
  const body = '{"errors":{"origin_id":["has already been taken"]}}'
  emulator.faults.add({ kind: 'status', status: 422, body, method: 'POST' })
  t.match((await sendJson(usersUrl, { user: jane }, withKey('a'))).json, { outcome: 'unknown', lookup: 'inconclusive' })
})

t.test('if the lookup of a taken address fails, the create is rejected, and a repeat is recovered', async t => {
  const emulator = await startTestEmulator(t, { takenEmail: 409 })
  const first = await startReplica(t, emulator)
  t.equal((await sendJson(first.usersUrl, { user: jane }, withKey('a'))).status, 201)
  const second = await startReplica(t, emulator)
  emulator.faults.add({ kind: 'status', status: 500, method: 'GET', times: 2 })
  t.match(await sendJson(second.usersUrl, { user: jane }, withKey('a')), { status: 409, json: { outcome: 'rejected' } })
  t.match(await sendJson(second.usersUrl, { user: jane }, withKey('a')), recovered)
  t.equal(findUsers(emulator).length, 1)
})

t.test('a lost response is recovered by the generated id, however many creates have the address', async t => {
  const emulator = await startTestEmulator(t)
  const { usersUrl } = await startReplica(t, emulator)
  emulator.faults.add({ kind: 'reset-before-body', method: 'POST' })
  t.match((await sendJson(usersUrl, { user: jane }, withKey('a'))).json, { outcome: 'unknown' })
  emulator.faults.add({ kind: 'reset-after-body', method: 'POST' })
  t.match(await sendJson(usersUrl, { user: jane }, withKey('b')), recovered)
})

t.test('a user of the same values without the generated id is not attributed to a lost create', async t => {
  const emulator = await startTestEmulator(t)
  const { usersUrl } = await startReplica(t, emulator)
  emulator.faults.add({ kind: 'reset-before-body', method: 'POST' })
  emulator.api.directory.add(101, { values: { ...jane } }, new Date(Date.now() + 1000))
  t.match((await sendJson(usersUrl, { user: jane }, withKey('a'))).json, {
    outcome: 'unknown', detail: /cannot be attributed to this request\.$/,
  })
})

const rotations = [
  { name: 'a newer key is added', before: 'first', after: 'second,first' },
  { name: 'a newer key is removed again', before: 'second,first', after: 'first' },
  { name: 'STATE_KEYS is set with the client secret as the oldest key', before: '', after: 'first,demo-secret' },
  { name: 'an older key is added', before: 'second', after: 'second,first' },
]
for (const { name, before, after } of rotations) {
  t.test(`a repeat without any state after a restart in which ${name} is recovered`, async t => {
    const emulator = await startTestEmulator(t)
    const first = await startReplica(t, emulator, { stateKeys: before })
    t.equal((await sendJson(first.usersUrl, { user: jane }, withKey('a'))).status, 201)
    const second = await startReplica(t, emulator, { stateKeys: after })
    t.match(await sendJson(second.usersUrl, { user: jane }, withKey('a')), recovered)
    t.equal(findUsers(emulator).length, 1)
  })
}

t.test('replicas with and without a newer state key send the same id', async t => {
  const emulator = await startTestEmulator(t)
  const user = (name: string) => ({ user: { ...jane, email_address: `${name}@example.com` } })
  const old = await startReplica(t, emulator, { stateKeys: 'first' })
  t.equal((await sendJson(old.usersUrl, user('a'), withKey('a'))).status, 201)
  const renewed = await startReplica(t, emulator, { stateKeys: 'second,first' })
  const reused = { code: 'idempotency_key_reused', outcome: 'rejected' }
  t.match((await sendJson(renewed.usersUrl, user('b'), withKey('a'))).json, reused, 'even with another address')
  t.equal(findUsers(emulator).length, 1)
})

const scope = { caller: 'alice', companyId: 101, endpoint: 'create-company-user', idempotencyKey: 'a' }
const otherScopes = [
  { name: 'caller', other: { ...scope, caller: 'bob' } },
  { name: 'company', other: { ...scope, companyId: 102 } },
  { name: 'endpoint', other: { ...scope, endpoint: 'other' } },
  { name: 'idempotency key', other: { ...scope, idempotencyKey: 'b' } },
]
for (const { name, other } of otherScopes) {
  t.test(`another ${name} has another generated id`, async t => {
    const originIds = new OriginIds('bff:', [new Secret('second'), new Secret('first')])
    t.strictSame(originIds.generate(scope), originIds.generate({ ...scope }))
    t.strictSame(new Set([...originIds.generate(scope), ...originIds.generate(other)]).size, 4)
  })
}
