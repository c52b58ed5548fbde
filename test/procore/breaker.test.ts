// Tests the circuit breaker of the API host.
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { Breaker } from '../../src/procore/breaker.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, jane, janeParts, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

t.test('after a run of failures no request is sent until a probe succeeds', async t => {
  const { usersUrl, url, emulator, lines } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 500, body: '{}', rate: 1 })
  let response = await sendJson(usersUrl, { user: jane })
  for (let index = 0; index < 20 && response.json['code'] !== 'procore_unavailable'; index++) {
    t.match(response.json, { status: 502, code: 'procore_bad_response', outcome: 'unknown' })
    response = await sendJson(usersUrl, { user: jane })
  }
  t.match(response.json, { status: 503, code: 'procore_unavailable', outcome: 'not_sent' })
  t.equal(response.headers['retry-after'], '1')
  const requestCount = emulator.apiRequests.length
  t.equal(requestCount, limits.breaker.failures, 'failed lookups count as failures')
  t.match((await sendJson(usersUrl, { user: jane })).json, { code: 'procore_unavailable' })
  t.equal(emulator.apiRequests.length, requestCount)
  const readiness = await send(`${url}/readyz`, { method: 'GET' })
  t.match(readiness, { status: 200, json: { status: 'ready', dependencies: { api: { state: 'down' } } } })
  emulator.faults.clear()
  await new Promise(resolve => setTimeout(resolve, limits.breaker.intervalMs))
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  t.match(await send(`${url}/readyz`, { method: 'GET' }), { json: { dependencies: { api: { state: 'up' } } } })
  t.equal(lines.filter(({ msg }) => String(msg).startsWith('the API host')).length, 2)
})

t.test('refused connections open the breaker', async t => {
  const { usersUrl } = await startService(t, { env: { PROCORE_API_URL: 'http://127.0.0.1:1' } })
  for (let index = 0; index < limits.breaker.failures; index++) {
    const { json } = await sendJson(usersUrl, { user: jane })
    t.match(json, { code: 'procore_unreachable', outcome: 'not_sent' })
  }
  t.match((await sendJson(usersUrl, { user: jane })).json, { code: 'procore_unavailable', outcome: 'not_sent' })
})

t.test('requests that Procore rejects with 422 do not open the breaker', async t => {
  const { usersUrl, url, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 422, body: '{}', times: limits.breaker.failures * 2 })
  for (let index = 0; index < limits.breaker.failures * 2; index++) {
    t.equal((await sendJson(usersUrl, { user: jane })).status, 422)
  }
  t.match(await send(`${url}/readyz`, { method: 'GET' }), { json: { dependencies: { api: { state: 'up' } } } })
})

t.test('the intervals grow to a limit, and one probe is allowed at a time', async t => {
  let now = 0
  t.intercept(Date, 'now', { value: () => now })
  const breaker = new Breaker()
  for (let index = 1; index < limits.breaker.failures; index++) t.notOk(breaker.recordFailure())
  t.equal(breaker.probeInMs, 0)
  t.ok(breaker.recordFailure(), 'the last failure opens it')
  const intervals: number[] = []
  for (let probe = 0; probe < 8; probe++) {
    intervals.push(breaker.probeInMs)
    now += breaker.probeInMs
    t.equal(breaker.probeInMs, 0)
    breaker.onRequestStart()
    t.ok(breaker.probeInMs > 0, 'the next probe waits')
    t.notOk(breaker.recordFailure())
  }
  t.strictSame(intervals, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  breaker.recordSuccess()
  t.ok(breaker.status.isUp)
  t.equal(breaker.probeInMs, 0)
})

t.test('streamed forms that are cut off do not open the breaker, so no caller can open it for others', async t => {
  const { url, emulator } = await startService(t)
  // The form exceeds all buffers on the way: a form that was handed over completely may have arrived.
  const largeForm = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(9_000_000) }, ...janeParts])
  for (let index = 0; index < 12; index++) {
    emulator.faults.add({ kind: 'reset-in-body', bytes: 1000 })
    const { json } = await sendMultipart(`${url}/companies/${index + 1}/users`, largeForm)
    t.match(json, { code: 'procore_unreachable', outcome: 'not_sent' })
  }
  t.equal((await sendJson(`${url}/companies/101/users`, { user: jane })).status, 201)
})
