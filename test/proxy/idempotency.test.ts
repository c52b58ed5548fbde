// Idempotency-Key: the first request under a key is sent, all others get what became of it, and what may have happened is never made again.
import { createHash } from 'node:crypto'
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { MemoryIdempotencyStore } from '../../src/storage/memory-idempotency-store.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, jane, janeParts, RawConnection, sendMultipart, sendJson, type MultipartPart } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const key = (value: string) => ({ 'idempotency-key': value })
const creates = ({ emulator }: Service) => emulator.apiRequests.filter(({ method }) => method === 'POST')
const avatar = (data: Buffer): MultipartPart => ({ name: 'user[avatar]', filename: 'a.png', data })

t.test('the same request again gives the same answer, and Procore is asked once', async t => {
  const service = await startService(t)
  const { usersUrl } = service
  const image = png(1000)
  const large = png(1_000_000)
  const ways: Record<string, () => ReturnType<typeof sendJson>> = {
    json: () => sendJson(usersUrl, { user: jane }, key('a')),
    held: () => sendMultipart(usersUrl, multipartBody([avatar(image), ...janeParts, { name: 'user[city]', data: 'X' }]), key('b')),
    streamed: () => sendMultipart(usersUrl, multipartBody([avatar(large), { name: 'user[last_name]', data: 'Doe' }, { name: 'user[email_address]', data: 'c@example.com' }]), key('c')),
  }
  for (const [name, way] of Object.entries(ways)) {
    service.emulator.api.directory.users.clear()
    const before = creates(service).length
    const first = await way()
    const second = await way()
    t.equal(first.status, 201, name)
    t.equal(first.headers['idempotency-replayed'], undefined)
    t.match(second, { status: 201, text: first.text, headers: { 'idempotency-replayed': 'true', 'procore-request-id': first.headers['procore-request-id'], 'content-type': first.headers['content-type'] } }, name)
    t.not(second.headers['x-request-id'], first.headers['x-request-id'])
    t.equal(creates(service).length, before + 1, name)
  }
  t.ok(service.lines.some(({ replayed }) => replayed === true), 'the log tells of it')
})

t.test('by what is meant: order, spelling, media type and path do not matter', async t => {
  const { usersUrl, emulator } = await startService(t)
  const first = await sendJson(`${usersUrl}?run_configurable_validations=false`, { user: { ...jane, vendor_id: 7, is_active: true } }, key('a'))
  t.equal(first.status, 201)
  const again = await sendMultipart(`${usersUrl.replace('/companies', '/rest/v1.3/companies')}?run_configurable_validations=0`, multipartBody([{ name: 'user[is_active]', data: '1' }, { name: 'user[vendor_id]', data: '007' }, ...janeParts]), { 'idempotency-token': '"a"' })
  t.match(again, { status: 201, text: first.text, headers: { 'idempotency-replayed': 'true' } })
  t.equal(emulator.apiRequests.length, 1)
})

t.test('another request under the same key is refused, whatever is different', async t => {
  const { usersUrl, emulator } = await startService(t)
  t.equal((await sendMultipart(usersUrl, multipartBody([avatar(png(500_000)), ...janeParts]), key('a'))).status, 201)
  for (const [name, parts, query] of [
    ['another avatar', [avatar(png(500_000)), ...janeParts], ''], ['no avatar', janeParts, ''],
    ['another field', [...janeParts, { name: 'user[city]', data: 'X' }], ''],
  ] as const) {
    t.match((await sendMultipart(`${usersUrl}${query}`, multipartBody([...parts]), key('a'))).json, { status: 422, code: 'idempotency_key_reused' }, name)
  }
  t.match((await sendJson(`${usersUrl}?run_configurable_validations=true`, { user: jane }, key('a'))).json, { code: 'idempotency_key_reused' })
  t.equal(emulator.apiRequests.length, 1)
})

t.test('scopes do not meet: another company, another key, and what Procore gets to see', async t => {
  const { usersUrl, emulator } = await startService(t)
  await sendJson(usersUrl, { user: jane }, key('a'))
  t.equal((await sendJson(usersUrl.replace('101', '102'), { user: jane }, key('a'))).headers['idempotency-replayed'], undefined)
  t.equal((await sendJson(usersUrl, { user: { ...jane, email_address: 'b@example.com' } }, key('b'))).headers['idempotency-replayed'], undefined)
  await sendJson(usersUrl, { user: { ...jane, email_address: 'c@example.com' } })
  const [first, other, third, none] = emulator.apiRequests.map(({ headers }) => headers['idempotency-token'])
  t.match(first, /^[\w-]{43}$/)
  t.equal(new Set([first, other, third]).size, 3)
  t.equal(none, undefined)
  t.not(first, createHash('sha256').update('a').digest('base64url'))
})

t.test('while the first is running', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'delay', delayMs: 300 })
  const first = sendJson(usersUrl, { user: jane }, key('a'))
  await waitUntil(() => emulator.apiRequests.length === 1)
  t.match((await sendJson(usersUrl, { user: jane }, key('a'))).json, { status: 409, code: 'idempotency_in_progress', outcome: 'not_sent' })
  t.match((await sendMultipart(usersUrl, multipartBody([avatar(png(1_000_000)), ...janeParts]), key('a'))).json, { status: 409, code: 'idempotency_in_progress' })
  t.equal((await first).status, 201)
  t.match((await sendJson(usersUrl, { user: jane }, key('a'))), { status: 201, headers: { 'idempotency-replayed': 'true' } })
  t.equal(emulator.apiRequests.length, 1)
})

t.test('a crowd with one key makes one user', async t => {
  const service = await startService(t)
  const replies = await Promise.all(Array.from({ length: 50 }, (_, index) => index % 2 === 0 ? sendJson(service.usersUrl, { user: jane }, key('a')) : sendMultipart(service.usersUrl, multipartBody(janeParts), key('a'))))
  t.ok(replies.every(({ status }) => status === 201 || status === 409))
  t.equal(replies.filter(({ headers, status }) => status === 201 && headers['idempotency-replayed'] === undefined).length, 1)
  t.equal(creates(service).length, 1)
})

t.test('refusals of Procore\'s are kept, with their faults', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 422, body: '{"errors":{"email_address":["has already been taken"]}}' })
  const first = await sendJson(usersUrl, { user: jane }, key('a'))
  const second = await sendJson(usersUrl, { user: jane }, key('a'))
  t.equal(second.headers['idempotency-replayed'], 'true')
  t.strictSame({ ...second.json, request_id: '' }, { ...first.json, request_id: '' })
  t.equal(emulator.apiRequests.length, 1)
})

t.test('what certainly made nothing leaves the key free', async t => {
  for (const fault of [{ kind: 'status', status: 408 }, { kind: 'status', status: 429, headers: { 'retry-after': '1' } }, { kind: 'status', status: 503, headers: { 'retry-after': '1' } }, { kind: 'status', status: 401, times: 2 }] as const) {
    const service = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
    service.emulator.faults.add({ body: '{}', ...fault })
    t.not((await sendJson(service.usersUrl, { user: jane }, key('a'))).status, 201)
    let reply = await sendJson(service.usersUrl, { user: jane }, key('a'))
    while (reply.status !== 201) reply = await sendJson(service.usersUrl, { user: jane }, key('a'))
    t.equal(reply.headers['idempotency-replayed'], undefined, JSON.stringify(fault))
  }
  const { usersUrl, emulator } = await startService(t)
  const image = avatar(png(8_000_000))
  emulator.faults.add({ kind: 'reset-in-body', bytes: 100_000 })
  t.match((await sendMultipart(usersUrl, multipartBody([image, ...janeParts]), key('a'))).json, { outcome: 'not_sent' })
  emulator.faults.add({ kind: 'early', status: 422, body: '{}', lingerMs: 1000 })
  t.match((await sendMultipart(usersUrl, multipartBody([image, ...janeParts]), key('a'))).json, { outcome: 'rejected' }, 'an answer that no fingerprint can be bound to')
  t.match((await sendMultipart(usersUrl, multipartBody([image, { name: 'user[last_name]', data: 'Doe' }]), key('a'))).json, { code: 'validation_failed' }, 'refused by ourselves, in the middle of streaming')
  t.match((await sendJson(usersUrl, { user: {} }, key('a'))).json, { code: 'validation_failed' })
  t.equal((await sendMultipart(usersUrl, multipartBody([image, ...janeParts]), key('a'))).status, 201)
})

t.test('a caller who leaves in the middle of a form leaves the key free', async t => {
  const { usersUrl, port, emulator } = await startService(t)
  const bytes = multipartBody([avatar(png(2_000_000)), ...janeParts])
  const caller = new RawConnection(port)
  caller.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\nidempotency-key: a\r\ncontent-type: multipart/form-data; boundary=test-boundary\r\ncontent-length: ${bytes.length}\r\n\r\n`).write(bytes.subarray(0, 1_500_000))
  await waitUntil(() => emulator.apiRequests.length === 1)
  caller.socket.destroy()
  let reply = await sendMultipart(usersUrl, bytes, key('a'))
  while (reply.status === 409) reply = await sendMultipart(usersUrl, bytes, key('a'))
  t.equal(reply.status, 201)
})

t.test('a caller who leaves before the answer finds it under the key', async t => {
  const { usersUrl, port, emulator } = await startService(t)
  emulator.faults.add({ kind: 'delay', delayMs: 100 })
  const body = JSON.stringify({ user: jane })
  const caller = new RawConnection(port)
  caller.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\nidempotency-key: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  await waitUntil(() => emulator.apiRequests.length === 1)
  caller.socket.destroy()
  let reply = await sendJson(usersUrl, { user: jane }, key('a'))
  while (reply.status === 409) reply = await sendJson(usersUrl, { user: jane }, key('a'))
  t.match(reply, { status: 201, headers: { 'idempotency-replayed': 'true' } })
  t.equal(emulator.apiRequests.length, 1)
})

t.test('a key that ended in unknown never creates again: a repeat looks, and creating anew takes a new key', async t => {
  const service = await startService(t)
  const { usersUrl, emulator } = service
  emulator.faults.add({ kind: 'reset-after-body' })
  emulator.faults.add({ kind: 'status', status: 403, body: '{}', method: 'GET', times: 4 })
  t.match((await sendJson(usersUrl, { user: jane }, key('a'))).json, { code: 'procore_unreachable', outcome: 'unknown' })
  const repeat = await sendJson(usersUrl, { user: jane }, key('a'))
  t.match(repeat, { json: { code: 'procore_unreachable', outcome: 'unknown' }, headers: { 'idempotency-replayed': 'true' } })
  t.match((await sendJson(usersUrl, { user: { ...jane, city: 'X' } }, key('a'))).json, { code: 'idempotency_key_reused' })
  const found = await sendJson(usersUrl, { user: jane }, key('a'))
  t.match(found, { status: 201, headers: { 'x-outcome': 'recovered', 'idempotency-replayed': 'true' } })
  const lookUps = emulator.apiRequests.length
  t.match(await sendJson(usersUrl, { user: jane }, key('a')), { status: 201, text: found.text, headers: { 'x-outcome': 'recovered', 'idempotency-replayed': 'true' } })
  t.equal(emulator.apiRequests.length, lookUps, 'once found it is known')
  t.equal(creates(service).length, 1)

  emulator.faults.add({ kind: 'reset-before-body', method: 'POST' })
  const other = { user: { ...jane, email_address: 'other@example.com' } }
  t.match((await sendJson(usersUrl, other, key('b'))).json, { outcome: 'unknown' })
  t.match((await sendJson(usersUrl, other, key('b'))).json, { outcome: 'unknown' })
  t.equal(creates(service).length, 2, 'not sent again')
  t.equal((await sendJson(usersUrl, other, key('c'))).status, 201)
})

t.test('a streamed form whose outcome is unknown', async t => {
  const service = await startService(t)
  const { usersUrl, emulator } = service
  const bytes = multipartBody([avatar(png(2_000_000)), ...janeParts])
  emulator.faults.add({ kind: 'reset-after-body' })
  emulator.faults.add({ kind: 'status', status: 403, body: '{}', method: 'GET', times: 2 })
  t.match((await sendMultipart(usersUrl, bytes, key('a'))).json, { outcome: 'unknown' })
  t.match(await sendMultipart(usersUrl, bytes, key('a')), { status: 201, headers: { 'x-outcome': 'recovered' } })
  t.equal(creates(service).length, 1)
})

t.test('what is no key', async t => {
  const { usersUrl, emulator } = await startService(t)
  for (const value of ['', 'a b', '"', '""', '"a', 'a"b', 'é', 'x'.repeat(256), `"${'x'.repeat(256)}"`, '"a";x=1']) {
    t.match((await sendJson(usersUrl, { user: jane }, key(Buffer.from(value).toString('latin1')))).json, { status: 400, code: 'bad_request' }, value)
  }
  t.match((await sendJson(usersUrl, { user: jane }, { 'idempotency-key': 'a', 'idempotency-token': 'b' })).json, { code: 'bad_request' })
  t.equal(emulator.apiRequests.length, 0)
  for (const value of ['x'.repeat(255), `"${'x'.repeat(254)}y"`, '"a \\"quoted\\" \\\\ key"', '8e03978e-40d5-43e8-bc93-6894a57f9324']) {
    t.not((await sendJson(usersUrl, { user: jane }, key(value))).status, 400, value)
  }
})

t.test('keys in memory are bounded in number, bytes and time; the oldest go first, and running ones never', async t => {
  let now = 1_000_000
  t.intercept(Date, 'now', { value: () => now })
  const keys = new MemoryIdempotencyStore()
  const answered = (bytes: number) => ({ state: 'answered' as const, fingerprint: 'f', procoreRequestId: undefined, result: { kind: 'success' as const, status: 201, contentType: 'application/json', recordId: 1, body: Buffer.alloc(bytes) } })
  await keys.claim('running')
  for (const name of ['one', 'two', 'three']) {
    await keys.claim(name)
    await keys.settle(name, answered(limits.idempotency.maxBytes / 3))
  }
  t.equal(await keys.claim('one'), undefined, 'forgotten')
  t.match(await keys.claim('three'), { state: 'answered' })
  t.match(await keys.claim('running'), { state: 'running' })
  await keys.release('running')
  t.equal(await keys.claim('running'), undefined)
  now += limits.idempotency.ttlMs
  t.equal(await keys.claim('three'), undefined, 'a day later')
})

t.test('a streamed form that was answered with a success before its end: unknown at once, and its key looks and never creates', async t => {
  const service = await startService(t)
  const { usersUrl, emulator } = service
  emulator.faults.add({ kind: 'early', status: 201, body: '{"id":1}', lingerMs: 2000 })
  const body = multipartBody([avatar(png(5_000_000)), ...janeParts])
  t.match((await sendMultipart(usersUrl, body, key('early'))).json, { status: 502, code: 'procore_bad_response', outcome: 'unknown' })
  t.match((await sendMultipart(usersUrl, body, key('early'))).json, { status: 502, outcome: 'unknown' })
  t.match((await sendMultipart(usersUrl, body, key('early'))).json, { outcome: 'unknown' })
  t.equal(creates(service).length, 1)
})
