// A host that is down is left alone: after a run of failures requests are refused at once, one probes at growing intervals, and
// /readyz tells of it without failing.
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { Breaker } from '../../src/procore/breaker.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, jane, janeParts, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

t.test('after a run of failures nothing is sent, until a probe succeeds', async t => {
  const { usersUrl, url, emulator, lines } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 500, body: '{}', rate: 1 })
  let reply = await sendJson(usersUrl, { user: jane })
  for (let index = 0; index < 20 && reply.json['code'] !== 'procore_unavailable'; index++) {
    t.match(reply.json, { status: 502, code: 'procore_bad_response', outcome: 'unknown' })
    reply = await sendJson(usersUrl, { user: jane })
  }
  t.match(reply.json, { status: 503, code: 'procore_unavailable', outcome: 'not_sent' })
  t.equal(reply.headers['retry-after'], '1')
  const seen = emulator.apiRequests.length
  t.equal(seen, limits.breaker.failures, 'look-ups count as well')
  t.match((await sendJson(usersUrl, { user: jane })).json, { code: 'procore_unavailable' })
  t.equal(emulator.apiRequests.length, seen)
  t.match(await send(`${url}/readyz`, { method: 'GET' }), { status: 200, json: { status: 'ready', dependencies: { api: { state: 'down' } } } })
  emulator.faults.clear()
  await new Promise(resolve => setTimeout(resolve, limits.breaker.intervalMs))
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  t.match(await send(`${url}/readyz`, { method: 'GET' }), { json: { dependencies: { api: { state: 'up' } } } })
  t.equal(lines.filter(({ msg }) => String(msg).startsWith('the API host')).length, 2)
})

t.test('a host that refuses connections', async t => {
  const { usersUrl } = await startService(t, { env: { PROCORE_API_URL: 'http://127.0.0.1:1' } })
  for (let index = 0; index < limits.breaker.failures; index++) t.match((await sendJson(usersUrl, { user: jane })).json, { code: 'procore_unreachable', outcome: 'not_sent' })
  t.match((await sendJson(usersUrl, { user: jane })).json, { code: 'procore_unavailable', outcome: 'not_sent' })
})

t.test('refusals of Procore\'s and forms that are given up are no failures of the host', async t => {
  const { usersUrl, url, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 422, body: '{}', times: limits.breaker.failures * 2 })
  for (let index = 0; index < limits.breaker.failures * 2; index++) t.equal((await sendJson(usersUrl, { user: jane })).status, 422)
  t.match(await send(`${url}/readyz`, { method: 'GET' }), { json: { dependencies: { api: { state: 'up' } } } })
})

t.test('the intervals grow to a limit, and one probe at a time is let through', async t => {
  let now = 0
  t.intercept(Date, 'now', { value: () => now })
  const breaker = new Breaker()
  for (let index = 1; index < limits.breaker.failures; index++) t.notOk(breaker.recordFailure())
  t.equal(breaker.probeInMs, 0)
  t.ok(breaker.recordFailure(), 'it opens once')
  const intervals: number[] = []
  for (let probe = 0; probe < 8; probe++) {
    intervals.push(breaker.probeInMs)
    now += breaker.probeInMs
    t.equal(breaker.probeInMs, 0)
    breaker.onRequestStart()
    t.ok(breaker.probeInMs > 0, 'the next has to wait')
    t.notOk(breaker.recordFailure())
  }
  t.strictSame(intervals, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  breaker.recordSuccess()
  t.notOk(breaker.isOpen)
  t.equal(breaker.probeInMs, 0)
})

t.test('forms that are cut off say nothing of the host: no caller can shut it for the others', async t => {
  const { url, emulator } = await startService(t)
  // More than all buffers between here and there take: what was handed over whole may have arrived.
  const large = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(9_000_000) }, ...janeParts])
  for (let index = 0; index < 12; index++) {
    emulator.faults.add({ kind: 'reset-in-body', bytes: 1000 })
    t.match((await sendMultipart(`${url}/companies/${index + 1}/users`, large)).json, { code: 'procore_unreachable', outcome: 'not_sent' })
  }
  t.equal((await sendJson(`${url}/companies/101/users`, { user: jane })).status, 201)
})
