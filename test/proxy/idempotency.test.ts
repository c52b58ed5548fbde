// Idempotency-Key: the first request under a key is sent, every repeat gets its result, and no create is sent twice.
import { createHash } from 'node:crypto'
import t from 'tap'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { limits } from '../../src/config/limits.ts'
import type { CompletedRecord } from '../../src/storage/idempotency-store.ts'
import { MemoryIdempotencyStore } from '../../src/storage/memory-idempotency-store.ts'
import { png } from '../helpers/images.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { avatarPart, createUserFormHead, createUserJson } from '../helpers/request-builders.ts'
import {
  multipartBody, jane, janeParts, RawConnection, sendMultipart, sendJson, type MultipartPart, type TestResponse,
} from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const withKey = (value: string) => ({ 'idempotency-key': value })

/** Returns the creates that reached Procore. */
function findCreates ({ emulator }: Service) {
  return emulator.apiRequests.filter(({ method }) => method === 'POST')
}

/** Repeats a request until no other one under its key is in progress. */
async function sendUntilSettled (sendRequest: () => Promise<TestResponse>): Promise<TestResponse> {
  let response = await sendRequest()
  while (response.status === 409) response = await sendRequest()
  return response
}

t.test('a repeated request gets the same response, and Procore receives it once', async t => {
  const service = await startService(t)
  const { usersUrl } = service
  const smallForm = multipartBody([avatarPart(png(1000)), ...janeParts, { name: 'user[city]', data: 'X' }])
  const largeForm = multipartBody([
    avatarPart(png(1_000_000)),
    { name: 'user[last_name]', data: 'Doe' },
    { name: 'user[email_address]', data: 'c@example.com' },
  ])
  const rows: Array<{ name: string, create: () => Promise<TestResponse> }> = [
    { name: 'JSON', create: () => sendJson(usersUrl, { user: jane }, withKey('a')) },
    { name: 'a buffered form', create: () => sendMultipart(usersUrl, smallForm, withKey('b')) },
    { name: 'a streamed form', create: () => sendMultipart(usersUrl, largeForm, withKey('c')) },
  ]
  for (const { name, create } of rows) {
    await t.test(`a repeat of ${name} is replayed`, async t => {
      service.emulator.api.directory.users.clear()
      const createsBefore = findCreates(service).length
      const first = await create()
      const second = await create()
      t.equal(first.status, 201)
      t.equal(first.headers['idempotency-replayed'], undefined)
      t.match(second, {
        status: 201,
        text: first.text,
        headers: {
          'idempotency-replayed': 'true',
          'procore-request-id': first.headers['procore-request-id'],
          'content-type': first.headers['content-type'],
        },
      })
      t.not(second.headers['x-request-id'], first.headers['x-request-id'])
      t.equal(findCreates(service).length, createsBefore + 1)
    })
  }
  t.ok(service.lines.some(({ replayed }) => replayed === true), 'a replay is logged')
})

t.test('a request with another order, spelling, media type and path but the same meaning is replayed', async t => {
  const { url, usersUrl, emulator } = await startService(t)
  const user = { ...jane, vendor_id: 7, is_active: true }
  const first = await sendJson(`${usersUrl}?run_configurable_validations=false`, { user }, withKey('a'))
  t.equal(first.status, 201)
  const form = multipartBody([
    { name: 'user[is_active]', data: '1' },
    { name: 'user[vendor_id]', data: '007' },
    ...janeParts,
  ])
  const procoreUrl = `${url}/rest/v1.3/companies/101/users?run_configurable_validations=0`
  const second = await sendMultipart(procoreUrl, form, { 'idempotency-token': '"a"' })
  t.match(second, { status: 201, text: first.text, headers: { 'idempotency-replayed': 'true' } })
  t.equal(emulator.apiRequests.length, 1)
})

t.test('a different request under the same key is refused', async t => {
  const { usersUrl, emulator } = await startService(t)
  const first = multipartBody([avatarPart(png(500_000)), ...janeParts])
  t.equal((await sendMultipart(usersUrl, first, withKey('a'))).status, 201)
  const rows: Array<{ name: string, parts: MultipartPart[] }> = [
    { name: 'a form with another avatar', parts: [avatarPart(png(500_000)), ...janeParts] },
    { name: 'a form without an avatar', parts: janeParts },
    { name: 'a form with another field', parts: [...janeParts, { name: 'user[city]', data: 'X' }] },
  ]
  for (const { name, parts } of rows) {
    await t.test(`${name} is refused`, async t => {
      const response = await sendMultipart(usersUrl, multipartBody(parts), withKey('a'))
      t.match(response.json, { status: 422, code: 'idempotency_key_reused' })
    })
  }
  const otherQuery = `${usersUrl}?run_configurable_validations=true`
  t.match((await sendJson(otherQuery, { user: jane }, withKey('a'))).json, { code: 'idempotency_key_reused' })
  t.equal(emulator.apiRequests.length, 1)
})

t.test('a key is scoped to its company, and Procore receives a token that is derived from both', async t => {
  const { usersUrl, emulator } = await startService(t)
  await sendJson(usersUrl, { user: jane }, withKey('a'))
  const otherCompany = await sendJson(usersUrl.replace('/101/', '/102/'), { user: jane }, withKey('a'))
  t.equal(otherCompany.headers['idempotency-replayed'], undefined)
  const otherKey = await sendJson(usersUrl, { user: { ...jane, email_address: 'b@example.com' } }, withKey('b'))
  t.equal(otherKey.headers['idempotency-replayed'], undefined)
  await sendJson(usersUrl, { user: { ...jane, email_address: 'c@example.com' } })

  const [first, second, third, fourth] = emulator.apiRequests.map(({ headers }) => headers['idempotency-token'])
  t.match(first, /^[\w-]{43}$/)
  t.equal(new Set([first, second, third]).size, 3)
  t.equal(fourth, undefined, 'a request without a key has no token')
  t.not(first, createHash('sha256').update('a').digest('base64url'))
})

t.test('a repeat is refused while the first request is in progress', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'delay', delayMs: 2000 })
  const form = multipartBody([avatarPart(png(1_000_000)), ...janeParts])
  const first = sendJson(usersUrl, { user: jane }, withKey('a'))
  await waitUntil(() => emulator.apiRequests.length === 1)
  const repeatedJson = await sendJson(usersUrl, { user: jane }, withKey('a'))
  t.match(repeatedJson.json, { status: 409, code: 'idempotency_in_progress', outcome: 'not_sent' })
  const repeatedForm = await sendMultipart(usersUrl, form, withKey('a'))
  t.match(repeatedForm.json, { status: 409, code: 'idempotency_in_progress' })
  t.equal((await first).status, 201)
  const replayed = await sendJson(usersUrl, { user: jane }, withKey('a'))
  t.match(replayed, { status: 201, headers: { 'idempotency-replayed': 'true' } })
  t.equal(emulator.apiRequests.length, 1)
})

t.test('50 concurrent requests with one key create one user', async t => {
  const service = await startService(t)
  const { usersUrl } = service
  const responses = await Promise.all(Array.from({ length: 50 }, (_, index) => {
    return index % 2 === 0
      ? sendJson(usersUrl, { user: jane }, withKey('a'))
      : sendMultipart(usersUrl, multipartBody(janeParts), withKey('a'))
  }))
  t.ok(responses.every(({ status }) => status === 201 || status === 409))
  const created = responses.filter(({ headers, status }) => {
    return status === 201 && headers['idempotency-replayed'] === undefined
  })
  t.equal(created.length, 1)
  t.equal(findCreates(service).length, 1)
})

t.test('a rejection by Procore is replayed with its errors', async t => {
  const { usersUrl, emulator } = await startService(t)
  const body = '{"errors":{"email_address":["has already been taken"]}}'
  emulator.faults.add({ kind: 'status', status: 422, body })
  const first = await sendJson(usersUrl, { user: jane }, withKey('a'))
  const second = await sendJson(usersUrl, { user: jane }, withKey('a'))
  t.equal(second.headers['idempotency-replayed'], 'true')
  t.strictSame({ ...second.json, request_id: '' }, { ...first.json, request_id: '' })
  t.equal(emulator.apiRequests.filter(({ method }) => method === 'POST').length, 1)
})

t.test('a rejection of the request itself is replayed, and any other releases its key', async t => {
  const service = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
  const { usersUrl, emulator } = service
  const rows = [
    ...[400, 409, 413, 415, 422].map(status => ({ status, headers: {}, isReplayed: true })),
    ...[402, 403, 404, 405, 406, 410, 412, 418, 423, 424, 425, 428, 451]
      .map(status => ({ status, headers: {}, isReplayed: false })),
    ...[400, 403, 404, 409, 413, 415, 422].map(status => ({
      status, headers: { 'retry-after': '60' }, isReplayed: false,
    })),
    { status: 422, headers: { 'retry-after': 'soon' }, isReplayed: false },
  ]
  for (const [index, { status, headers, isReplayed }] of rows.entries()) {
    const condition = 'retry-after' in headers ? ` with Retry-After: ${headers['retry-after']}` : ''
    await t.test(`a ${status}${condition} ${isReplayed ? 'is replayed' : 'releases the key'}`, async t => {
      emulator.api.directory.clear()
      emulator.faults.add({ kind: 'status', status, body: '{"message":"no"}', headers })
      const first = await sendJson(usersUrl, { user: jane }, withKey(`row-${index}`))
      t.match(first.json, { outcome: 'rejected' })
      const second = await sendJson(usersUrl, { user: jane }, withKey(`row-${index}`))
      t.equal(second.headers['idempotency-replayed'], isReplayed ? 'true' : undefined)
      t.equal(second.status, isReplayed ? first.status : 201)
    })
  }
})

t.test('a request that certainly created nothing releases its key', async t => {
  const retryAfter = { 'retry-after': '1' }
  const rows: Array<{ name: string, fault: InjectedFault }> = [
    { name: 'a request to which Procore responds with 408', fault: { kind: 'status', status: 408, body: '{}' } },
    {
      name: 'a request to which Procore responds with 429',
      fault: { kind: 'status', status: 429, body: '{}', headers: retryAfter },
    },
    {
      name: 'a request to which Procore responds with 503 and Retry-After',
      fault: { kind: 'status', status: 503, body: '{}', headers: retryAfter },
    },
    {
      name: 'a request to which Procore responds with 401 twice',
      fault: { kind: 'status', status: 401, body: '{}', times: 2 },
    },
  ]
  for (const { name, fault } of rows) {
    await t.test(`${name} releases its key`, async t => {
      const { usersUrl, emulator } = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
      emulator.faults.add(fault)
      t.not((await sendJson(usersUrl, { user: jane }, withKey('a'))).status, 201)
      let response = await sendJson(usersUrl, { user: jane }, withKey('a'))
      while (response.status !== 201) response = await sendJson(usersUrl, { user: jane }, withKey('a'))
      t.equal(response.headers['idempotency-replayed'], undefined)
    })
  }
  await t.test('a streamed form that fails before its end releases its key', async t => {
    const { usersUrl, emulator } = await startService(t)
    const avatar = avatarPart(png(8_000_000))
    const valid = multipartBody([avatar, ...janeParts])
    const invalid = multipartBody([avatar, { name: 'user[last_name]', data: 'Doe' }])

    emulator.faults.add({ kind: 'reset-in-body', bytes: 100_000 })
    t.match((await sendMultipart(usersUrl, valid, withKey('a'))).json, { outcome: 'not_sent' })
    emulator.faults.add({ kind: 'early', status: 422, body: '{}', lingerMs: 1000 })
    const rejectedEarly = await sendMultipart(usersUrl, valid, withKey('a'))
    t.match(rejectedEarly.json, { outcome: 'rejected' }, 'the fingerprint of an incomplete form is unknown')
    const rejectedByService = await sendMultipart(usersUrl, invalid, withKey('a'))
    t.match(rejectedByService.json, { code: 'validation_failed' })
    t.match((await sendJson(usersUrl, { user: {} }, withKey('a'))).json, { code: 'validation_failed' })
    t.equal((await sendMultipart(usersUrl, valid, withKey('a'))).status, 201)
  })
})

t.test('a caller that disconnects during a streamed form releases the key', async t => {
  const { usersUrl, port, emulator } = await startService(t)
  const form = multipartBody([avatarPart(png(2_000_000)), ...janeParts])
  const caller = new RawConnection(port)
  caller.write(createUserFormHead(form.length, 'idempotency-key: a')).write(form.subarray(0, 1_500_000))
  await waitUntil(() => emulator.apiRequests.length === 1)
  caller.socket.destroy()
  const response = await sendUntilSettled(() => sendMultipart(usersUrl, form, withKey('a')))
  t.equal(response.status, 201)
})

t.test('a caller that disconnects before the response finds it under the key', async t => {
  const { usersUrl, port, emulator } = await startService(t)
  emulator.faults.add({ kind: 'delay', delayMs: 100 })
  const caller = new RawConnection(port)
  caller.write(createUserJson(JSON.stringify({ user: jane }), 'idempotency-key: a'))
  await waitUntil(() => emulator.apiRequests.length === 1)
  caller.socket.destroy()
  const response = await sendUntilSettled(() => sendJson(usersUrl, { user: jane }, withKey('a')))
  t.match(response, { status: 201, headers: { 'idempotency-replayed': 'true' } })
  t.equal(emulator.apiRequests.length, 1)
})

t.test('a repeat after an unknown outcome looks the user up and never creates it again', async t => {
  const service = await startService(t)
  const { usersUrl, emulator } = service
  emulator.faults.add({ kind: 'reset-after-body' })
  emulator.faults.add({ kind: 'status', status: 403, body: '{}', method: 'GET', times: 4 })
  const first = await sendJson(usersUrl, { user: jane }, withKey('a'))
  t.match(first.json, { code: 'procore_unreachable', outcome: 'unknown' })
  t.match(await sendJson(usersUrl, { user: jane }, withKey('a')), {
    json: { code: 'procore_unreachable', outcome: 'unknown' },
    headers: { 'idempotency-replayed': 'true' },
  })
  const different = await sendJson(usersUrl, { user: { ...jane, city: 'X' } }, withKey('a'))
  t.match(different.json, { code: 'idempotency_key_reused' })
  const recovered = await sendJson(usersUrl, { user: jane }, withKey('a'))
  const recoveredHeaders = { 'x-outcome': 'recovered', 'idempotency-replayed': 'true' }
  t.match(recovered, { status: 201, headers: recoveredHeaders })
  const requestsBefore = emulator.apiRequests.length
  const repeated = await sendJson(usersUrl, { user: jane }, withKey('a'))
  t.match(repeated, { status: 201, text: recovered.text, headers: recoveredHeaders })
  t.equal(emulator.apiRequests.length, requestsBefore, 'the recovered user is stored under the key')
  t.equal(findCreates(service).length, 1)
})

t.test('a create with an unknown outcome is sent again only under a new key', async t => {
  const service = await startService(t)
  const { usersUrl, emulator } = service
  emulator.faults.add({ kind: 'reset-before-body', method: 'POST' })
  t.match((await sendJson(usersUrl, { user: jane }, withKey('a'))).json, { outcome: 'unknown' })
  t.match((await sendJson(usersUrl, { user: jane }, withKey('a'))).json, { outcome: 'unknown' })
  t.equal(findCreates(service).length, 1, 'the create was not sent again')
  t.equal((await sendJson(usersUrl, { user: jane }, withKey('b'))).status, 201)
})

t.test('a repeated streamed form with an unknown outcome is recovered', async t => {
  const service = await startService(t)
  const { usersUrl, emulator } = service
  const form = multipartBody([avatarPart(png(2_000_000)), ...janeParts])
  emulator.faults.add({ kind: 'reset-after-body' })
  emulator.faults.add({ kind: 'status', status: 403, body: '{}', method: 'GET', times: 2 })
  t.match((await sendMultipart(usersUrl, form, withKey('a'))).json, { outcome: 'unknown' })
  const recovered = await sendMultipart(usersUrl, form, withKey('a'))
  t.match(recovered, { status: 201, headers: { 'x-outcome': 'recovered' } })
  t.equal(findCreates(service).length, 1)
})

t.test('an invalid idempotency key is rejected', async t => {
  const { usersUrl, emulator } = await startService(t)
  const rows = [
    { name: 'an empty key', value: '' },
    { name: 'a key with a space', value: 'a b' },
    { name: 'a single quote mark', value: '"' },
    { name: 'an empty quoted key', value: '""' },
    { name: 'an unterminated quoted key', value: '"a' },
    { name: 'a key with a quote mark', value: 'a"b' },
    { name: 'a key outside ASCII', value: 'é' },
    { name: 'a key over 255 characters', value: 'x'.repeat(256) },
    { name: 'a quoted key over 255 characters', value: `"${'x'.repeat(256)}"` },
    { name: 'a key with a parameter', value: '"a";x=1' },
  ]
  for (const { name, value } of rows) {
    await t.test(`${name} is rejected`, async t => {
      const headers = withKey(Buffer.from(value).toString('latin1'))
      const response = await sendJson(usersUrl, { user: jane }, headers)
      t.match(response.json, { status: 400, code: 'bad_request' })
    })
  }
  const contradicting = { 'idempotency-key': 'a', 'idempotency-token': 'b' }
  t.match((await sendJson(usersUrl, { user: jane }, contradicting)).json, { code: 'bad_request' })
  t.equal(emulator.apiRequests.length, 0)
})

t.test('a valid idempotency key is accepted', async t => {
  const { usersUrl } = await startService(t)
  const rows = [
    { name: 'a key of 255 characters', value: 'x'.repeat(255) },
    { name: 'a quoted key of 255 characters', value: `"${'x'.repeat(254)}y"` },
    { name: 'a key with escapes', value: '"a \\"quoted\\" \\\\ key"' },
    { name: 'a UUID', value: '8e03978e-40d5-43e8-bc93-6894a57f9324' },
  ]
  for (const { name, value } of rows) {
    await t.test(`${name} is accepted`, async t => {
      t.not((await sendJson(usersUrl, { user: jane }, withKey(value))).status, 400)
    })
  }
})

const successOf = (bodyBytes: number): CompletedRecord => ({
  state: 'answered',
  fingerprint: 'f',
  procoreRequestId: undefined,
  sentAtMs: 5,
  result: {
    kind: 'success',
    status: 201,
    contentType: 'application/json',
    recordId: 1,
    body: Buffer.alloc(bodyBytes),
  },
})

t.test('the store in memory removes responses of the caller that holds the most, and no running key', async t => {
  let nowMs = 1_000_000
  t.intercept(performance, 'now', { value: () => nowMs })
  const store = new MemoryIdempotencyStore()
  const { maxBytes, ttlMs } = limits.idempotency
  await store.claim('running')
  await store.settle('quiet', successOf(maxBytes / 10), 'quiet caller')
  for (const id of ['one', 'two', 'three', 'four']) await store.settle(id, successOf(maxBytes / 3), 'noisy caller')
  const withoutBody = { state: 'unknown', fingerprint: 'f', sentAtMs: 5, code: 'procore_bad_response' }
  t.match(await store.claim('one'), withoutBody, 'the fingerprint of an old response stays')
  t.match(await store.claim('two'), withoutBody)
  t.match(await store.claim('four'), { state: 'answered' })
  t.match(await store.claim('quiet'), { state: 'answered' }, 'the other caller loses nothing')
  t.match(await store.claim('running'), { state: 'running' })
  await store.release('running')
  t.equal(await store.claim('running'), undefined)
  nowMs += ttlMs + 1
  t.equal(await store.claim('four'), undefined, 'the record has expired')
})

t.test('a large rejection that the store in memory removes stays a rejection', async t => {
  const store = new MemoryIdempotencyStore()
  const { maxBytes } = limits.idempotency
  const body = { message: 'x'.repeat(maxBytes / 2) }
  await store.settle('rejected', { ...successOf(0), result: { kind: 'rejection', status: 422, body } }, 'caller')
  await store.settle('created', successOf(maxBytes), 'caller')
  t.match(store.peek('rejected'), { state: 'answered', result: { kind: 'rejection', status: 422, body: undefined } })
})

t.test('the store in memory limits the number of settled keys, and removes expired ones', async t => {
  const store = new MemoryIdempotencyStore()
  const unknown = { state: 'unknown', fingerprint: 'f', sentAtMs: 0, code: 'procore_timeout' } as const
  const { keysMax, ttlMs } = limits.idempotency
  await store.settle('quiet', unknown, 'quiet caller')
  for (let index = 0; index < keysMax; index++) await store.settle(String(index), unknown, 'noisy caller')
  t.match(store.peek('quiet'), unknown, 'the other caller loses nothing')
  t.equal(store.peek('0'), undefined, 'the oldest key of the caller with the most keys is removed')
  t.match(store.peek('1'), unknown)
  let nowMs = performance.now() + ttlMs + 60_000
  t.intercept(performance, 'now', { value: () => nowMs })
  await store.settle('new', unknown, 'quiet caller')
  nowMs -= ttlMs
  t.equal(store.peek('1'), undefined, 'expired keys are removed, not only ignored')
  t.match(store.peek('new'), unknown)
})

t.test('large responses to one caller free no key of another', async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, { env: { ...issuer.env, CALLER_RATE_PER_MINUTE: '0' } })
  const createAs = async (subject: string, index: number, idempotencyKey: string) => {
    const user = { ...jane, email_address: `jane${index}@example.com` }
    const headers = bearerHeader(await issuer.sign({ sub: subject }))
    return sendJson(service.usersUrl, { user }, { ...headers, ...withKey(idempotencyKey) })
  }
  const first = await createAs('quiet', 0, 'a')
  t.equal(first.status, 201)
  const largeBody = JSON.stringify({ id: 7, notes: 'x'.repeat(7_000_000) })
  for (let index = 1; index <= 11; index++) {
    service.emulator.faults.add({ kind: 'status', status: 201, body: largeBody, method: 'POST' })
    t.equal((await createAs('noisy', index, `large-${index}`)).status, 201)
  }
  const repeated = await createAs('quiet', 0, 'a')
  t.match(repeated, { status: 201, text: first.text, headers: { 'idempotency-replayed': 'true' } })
  const createCount = findCreates(service).length
  const evicted = await createAs('noisy', 1, 'large-1')
  t.match(evicted.json, { outcome: 'unknown' }, 'its own oldest response is removed, but not the key')
  t.equal(findCreates(service).length, createCount, 'nothing is created again')
})

t.test('a streamed form with an early success of Procore is unknown, and is never sent again', async t => {
  const service = await startService(t)
  const { usersUrl, emulator } = service
  emulator.faults.add({ kind: 'early', status: 201, body: '{"id":1}', lingerMs: 2000 })
  const form = multipartBody([avatarPart(png(5_000_000)), ...janeParts])
  const first = await sendMultipart(usersUrl, form, withKey('early'))
  t.match(first.json, { status: 502, code: 'procore_bad_response', outcome: 'unknown' })
  t.match((await sendMultipart(usersUrl, form, withKey('early'))).json, { status: 502, outcome: 'unknown' })
  t.match((await sendMultipart(usersUrl, form, withKey('early'))).json, { outcome: 'unknown' })
  t.equal(findCreates(service).length, 1)
})
