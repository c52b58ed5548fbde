// A create whose answer was lost is looked for in the directory: found, it is told as recovered; where there is doubt, it stays unknown.
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { RecentCreates } from '../../src/procore/recovery/recent-creates.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, jane, janeParts, RawConnection, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// Most of the time is waiting for limits that no variable changes.
t.jobs = 4

const lookUps = (emulator: { apiRequests: Array<{ method: string, path: string }> }) => emulator.apiRequests.filter(({ method }) => method === 'GET').map(({ path }) => decodeURIComponent(path))

t.test('found among the active ones, and given as Procore lists it', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-after-body' })
  const reply = await sendJson(usersUrl, { user: { ...jane, vendor_id: 7, is_employee: true, notes: '', bid_contact: true } })
  t.match(reply, { status: 201, headers: { 'x-outcome': 'recovered', 'cache-control': 'no-store', 'content-type': /^application\/json/ }, json: { id: Number, email_address: jane.email_address } })
  t.strictSame(lookUps(emulator), ['/rest/v1.3/companies/101/users?filters[search]=jane.doe@example.com'])
  t.equal(emulator.api.directory.users.size, 1)
})

t.test('found among the inactive ones', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-after-body' })
  t.match(await sendMultipart(usersUrl, multipartBody([...janeParts, { name: 'user[is_active]', data: 'false' }, { name: 'user[avatar]', filename: 'a', data: png(500_000) }])), { status: 201, headers: { 'x-outcome': 'recovered' } })
  t.strictSame(lookUps(emulator), ['/rest/v1.3/companies/101/users?filters[search]=jane.doe@example.com', '/rest/v1.0/companies/101/users/inactive?filters[search]=jane.doe@example.com'])
})

t.test('on Procore\'s clock, however far it is from ours', async t => {
  for (const clockSkewSeconds of [7200, -7200]) {
    const { usersUrl, emulator } = await startService(t, { emulator: { clockSkewSeconds } })
    emulator.faults.add({ kind: 'truncate' })
    t.equal((await sendJson(usersUrl, { user: jane })).headers['x-outcome'], 'recovered')
  }
})

t.test('not found: unknown stays, with what was looked at', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-before-body' })
  const reply = await sendJson(usersUrl, { user: jane })
  t.match(reply.json, { status: 502, code: 'procore_unreachable', outcome: 'unknown', detail: /found no matching record in Procore\.$/ })
  t.notMatch(reply.text, /jane|sentAt/)
  t.equal(lookUps(emulator).length, 2)
})

t.test('a user who was there before, or differs in a field that is shown, is not ours', async t => {
  const { usersUrl, emulator } = await startService(t)
  const old = emulator.api.directory.add(101, { values: { ...jane } }, new Date(Date.now() - 10_000))
  emulator.faults.add({ kind: 'reset-before-body' })
  t.match((await sendJson(usersUrl, { user: jane })).json, { outcome: 'unknown', detail: /cannot be attributed to this request\.$/ })
  emulator.api.directory.users.delete(old.id)
  emulator.api.directory.add(101, { values: { ...jane, job_title: 'Another' } }, new Date(Date.now() + 1000))
  emulator.faults.add({ kind: 'reset-before-body' })
  t.match((await sendJson(usersUrl, { user: { ...jane, job_title: 'Mine' } })).json, { outcome: 'unknown', detail: /cannot be attributed to this request\.$/ })
  emulator.faults.add({ kind: 'reset-before-body' })
  t.match((await sendJson(usersUrl, { user: { ...jane, email_address: 'ane.doe@example.com' } })).json, { outcome: 'unknown', detail: /found no matching record in Procore\.$/ }, 'a search finds parts of words')
})

t.test('what another create of the same name made is not told as this one\'s', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-before-body' })
  t.match((await sendJson(usersUrl, { user: jane }, { 'idempotency-key': 'a' })).json, { outcome: 'unknown', detail: /found no matching record in Procore\.$/ })
  t.equal((await sendJson(usersUrl, { user: jane }, { 'idempotency-key': 'b' })).status, 201)
  t.match((await sendJson(usersUrl, { user: jane }, { 'idempotency-key': 'a' })).json, { outcome: 'unknown', detail: /cannot be attributed to this request\.$/ })
  emulator.faults.add({ kind: 'status', status: 500, body: '', method: 'POST' })
  t.match((await sendJson(usersUrl, { user: jane })).json, { outcome: 'unknown', detail: /cannot be attributed to this request\.$/ }, 'made in the same second')
  t.equal(emulator.api.directory.users.size, 1)
  emulator.faults.add({ kind: 'reset-after-body' })
  t.equal((await sendJson(usersUrl.replace('101', '102'), { user: jane })).headers['x-outcome'], 'recovered', 'another company has its own')
})

t.test('of two at once whose answers are lost neither is told that it made the one record', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'silence', method: 'POST' })
  emulator.faults.add({ kind: 'status', status: 500, body: '', method: 'POST' })
  const first = new AbortController()
  const pending = fetch(usersUrl, { method: 'POST', signal: first.signal, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: jane }) }).catch(() => {})
  await waitUntil(() => emulator.api.directory.users.size === 1)
  t.match((await sendJson(usersUrl, { user: jane })).json, { outcome: 'unknown', detail: /cannot be attributed to this request\.$/ })
  first.abort()
  await pending
})

t.test('what was refused is no rival', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 422, body: '{}', method: 'POST' })
  t.equal((await sendJson(usersUrl, { user: jane })).status, 422)
  emulator.faults.add({ kind: 'reset-after-body' })
  t.equal((await sendJson(usersUrl, { user: jane })).headers['x-outcome'], 'recovered')
})

t.test('a record that was made long after, or is one of two, or may stand on another page, is not ours', async t => {
  const { usersUrl, emulator } = await startService(t)
  const keyed = () => sendJson(usersUrl, { user: jane }, { 'idempotency-key': 'a' })
  emulator.faults.add({ kind: 'reset-before-body' })
  t.equal((await keyed()).json['outcome'], 'unknown')
  const late = emulator.api.directory.add(101, { values: { ...jane } }, new Date(Date.now() + 20_000 + limits.lookup.slackMs + 5000))
  t.match((await keyed()).json, { outcome: 'unknown', detail: /cannot be attributed to this request\.$/ })
  emulator.api.directory.users.delete(late.id)
  for (const notes of ['', null]) emulator.api.directory.add(101, { values: { ...jane, notes } }, new Date())
  t.match((await keyed()).json, { outcome: 'unknown', detail: /cannot be attributed to this request\.$/ })
  emulator.api.directory.clear()
  emulator.faults.add({ kind: 'status', status: 200, body: '[{"id":1}]', headers: { total: '101' }, method: 'GET' })
  t.match((await keyed()).json, { outcome: 'unknown', detail: /lookup in Procore failed, so the outcome could not be determined\.$/ })
  emulator.api.directory.add(101, { values: { ...jane } }, new Date())
  t.equal((await keyed()).headers['x-outcome'], 'recovered')
})

t.test('what was made while a form was still being sent is not the form\'s', async t => {
  const { usersUrl, emulator } = await startService(t)
  const body = multipartBody([{ name: 'user[avatar]', filename: 'a', data: png(500_000) }, ...janeParts])
  const { promise: halfway, resolve: goOn } = Promise.withResolvers<void>()
  async function * slowly (): AsyncGenerator<Buffer> {
    yield body.subarray(0, 400_000)
    await halfway
    yield body.subarray(400_000)
  }
  emulator.faults.add({ kind: 'status', status: 500, body: '', method: 'POST' })
  const answer = sendMultipart(usersUrl, slowly())
  await waitUntil(() => emulator.apiRequests.length === 1)
  emulator.api.directory.add(101, { values: { ...jane } }, new Date())
  await new Promise(resolve => setTimeout(resolve, 3100))
  goOn()
  t.match((await answer).json, { outcome: 'unknown', detail: /cannot be attributed to this request\.$/ })
})

t.test('the creates that are remembered are bounded', async t => {
  const creates = new RecentCreates()
  const create = (companyId: number) => ({ companyId, lookupCriteria: { listPaths: () => [], matchField: 'name', fieldPaths: {}, values: new Map([['name', 'a']]) } })
  const send = (companyId: number, atMs: number) => {
    const one = create(companyId)
    creates.settle(creates.track(one), one, atMs)
  }
  for (let id = 0; id <= limits.recentCreates.emailsMax; id++) send(id, 5)
  t.notOk(creates.hasConcurrentDuplicate(create(0), 1, 10), 'the oldest is forgotten')
  t.ok(creates.hasConcurrentDuplicate(create(limits.recentCreates.emailsMax), 1, 10))
  for (let atMs = 0; atMs <= limits.recentCreates.perEmailMax; atMs++) send(1, 100 * atMs)
  t.notOk(creates.hasConcurrentDuplicate(create(1), 1, 10))
  t.notOk(creates.hasConcurrentDuplicate(create(1), 100, 10), 'itself is none')
  t.ok(creates.hasConcurrentDuplicate(create(1), 100, 100))
})

t.test('a look-up that fails leaves it unknown', async t => {
  for (const fault of [{ kind: 'status', status: 500 }, { kind: 'status', status: 200, body: '{}' }, { kind: 'status', status: 200, body: '[' }, { kind: 'reset-before-body' }] as const) {
    const { usersUrl, emulator } = await startService(t)
    emulator.faults.add({ kind: 'reset-after-body' })
    emulator.faults.add({ ...fault, method: 'GET', rate: 1 })
    t.match((await sendJson(usersUrl, { user: jane })).json, { outcome: 'unknown', detail: /lookup in Procore failed, so the outcome could not be determined\.$/ }, JSON.stringify(fault))
    t.equal(emulator.api.directory.users.size, 1)
  }
})

t.test('it has its own time limit', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { UPSTREAM_TIMEOUT_MS: '60000' } })
  emulator.faults.add({ kind: 'reset-after-body' })
  emulator.faults.add({ kind: 'silence', method: 'GET', rate: 1 })
  t.match((await sendJson(usersUrl, { user: jane })).json, { status: 502, outcome: 'unknown', detail: /lookup in Procore failed, so the outcome could not be determined\.$/ })
  t.equal(emulator.apiRequests.filter(({ method }) => method === 'GET').length, 1, 'nothing is asked when it is over')
})

t.test('it obeys the allowance', async t => {
  const { usersUrl, emulator } = await startService(t, { emulator: { rateLimit: 2, rateWindowSeconds: 60 } })
  t.equal((await sendJson(usersUrl, { user: { ...jane, email_address: 'first@example.com' } })).status, 201)
  emulator.faults.add({ kind: 'reset-after-body' })
  t.match((await sendJson(usersUrl, { user: jane })).json, { outcome: 'unknown', detail: /lookup in Procore failed, so the outcome could not be determined\.$/ })
  t.strictSame(lookUps(emulator), [])
})

t.test('it is not made when the caller is gone, but the answer was awaited', async t => {
  const { port, emulator, lines } = await startService(t, { env: { UPSTREAM_TIMEOUT_MS: '300' } })
  emulator.faults.add({ kind: 'silence' })
  const body = JSON.stringify({ user: jane })
  const caller = new RawConnection(port)
  caller.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  await waitUntil(() => emulator.api.directory.users.size === 1)
  caller.socket.destroy()
  await waitUntil(() => lines.some(({ msg }) => msg === 'request'))
  t.match(lines.filter(({ msg }) => msg === 'request'), [{ status: 499, code: 'procore_timeout', outcome: 'unknown' }])
  t.strictSame(lookUps(emulator), [])
})

t.test('a listing that comes slowly makes no older user ours', async t => {
  const { usersUrl, emulator } = await startService(t)
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  await new Promise(resolve => setTimeout(resolve, 2100))
  emulator.faults.add({ kind: 'status', status: 500, body: '', method: 'POST' })
  emulator.faults.add({ kind: 'slow', delayMs: 3, method: 'GET' })
  t.match((await sendJson(usersUrl, { user: jane })).json, { status: 502, outcome: 'unknown' })
})
