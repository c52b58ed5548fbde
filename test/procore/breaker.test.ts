// Tests the circuit breaker of the API host.
import { mock } from 'node:test'
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { Breaker } from '../../src/procore/breaker.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, jane, janeParts, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// Most of the time is spent waiting for probes.
t.jobs = 3

const callersByIp = { TRUSTED_PROXIES: '127.0.0.1' }

/** Requests of callers; the probes of the service are not among them. */
function countCallerRequests ({ emulator }: Service): number {
  return emulator.apiRequests.filter(({ path }) => path !== '/rest/v1.0/me').length
}

for (const status of [502, 503, 504]) {
  t.test(`after a run of ${status} no request is sent until a probe succeeds`, async t => {
    const service = await startService(t)
    const { usersUrl, url, emulator, lines } = service
    emulator.faults.add({ kind: 'status', status, body: '{}', rate: 1 })
    let response = await sendJson(usersUrl, { user: jane })
    for (let index = 0; index < 20 && response.json['outcome'] !== 'not_sent'; index++) {
      t.match(response.json, { outcome: 'unknown' })
      response = await sendJson(usersUrl, { user: jane })
    }
    t.match(response.json, { status: 503, code: 'procore_unavailable', outcome: 'not_sent' })
    t.equal(response.headers['retry-after'], '1')
    const requestCount = countCallerRequests(service)
    t.equal(requestCount, limits.breaker.failures, 'failed lookups count as failures')
    const readiness = await send(`${url}/readyz`, { method: 'GET' })
    t.match(readiness, { status: 200, json: { status: 'ready', dependencies: { api: { state: 'down' } } } })
    await waitUntil(() => emulator.apiRequests.some(({ path }) => path === '/rest/v1.0/me'))
    t.match((await sendJson(usersUrl, { user: jane })).json, { code: 'procore_unavailable', outcome: 'not_sent' })
    t.equal(countCallerRequests(service), requestCount, 'no request of a caller is the probe')
    emulator.faults.clear()
    await waitUntil(() => lines.some(({ msg }) => msg === 'the API host has recovered'))
    t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
    t.match(await send(`${url}/readyz`, { method: 'GET' }), { json: { dependencies: { api: { state: 'up' } } } })
    t.equal(lines.filter(({ msg }) => /^the API host (is failing|has recovered)/.test(String(msg))).length, 2)
  })
}

t.test('the failing requests of one caller do not delay another company', async t => {
  const cases = [
    { name: 'with 500', fault: { kind: 'status', status: 500, body: '{}' }, env: {} },
    { name: 'that time out', fault: { kind: 'silence' }, env: { UPSTREAM_TIMEOUT_MS: '1000' } },
    { name: 'with a response that is not HTTP', fault: { kind: 'raw', raw: 'nonsense\r\n\r\n' }, env: {} },
  ] as const
  for (const { name, fault, env } of cases) {
    await t.test(name, async t => {
      const { url, emulator } = await startService(t, { env: { ...callersByIp, ...env } })
      emulator.faults.add({ ...fault, path: '/companies/101/', rate: 1 })
      await Promise.all(Array.from({ length: 43 }, () => {
        return send(`${url}/companies/101/users`, { method: 'GET', headers: { 'x-forwarded-for': '192.0.2.1' } })
      }))
      const statuses = await Promise.all(Array.from({ length: 10 }, async (_, index) => {
        const user = { ...jane, email_address: `jane${index}@example.com` }
        const headers = { 'x-forwarded-for': '192.0.2.2' }
        return (await sendJson(`${url}/companies/102/users`, { user }, headers)).status
      }))
      t.strictSame(new Set(statuses), new Set([201]))
    })
  }
})

t.test('500 opens the breaker if different callers of different companies receive it', async t => {
  const { url, emulator } = await startService(t, { env: callersByIp })
  emulator.faults.add({ kind: 'status', status: 500, body: '{}', rate: 1 })
  const get = (index: number) => send(`${url}/companies/${101 + index % 2}/users`, {
    method: 'GET', headers: { 'x-forwarded-for': `192.0.2.${index % 2}` },
  })
  for (let index = 0; index <= limits.breaker.failures; index++) await get(index)
  t.match((await get(0)).json, { status: 503, code: 'procore_unavailable' })
})

t.test('a failure that the request may have caused counts', async t => {
  const sources = {
    a1: { callerId: 'a', companyId: 1 },
    a2: { callerId: 'a', companyId: 2 },
    b1: { callerId: 'b', companyId: 1 },
    b2: { callerId: 'b', companyId: 2 },
    unknown1: { companyId: 1 },
    unknown2: { companyId: 2 },
  }
  const cases = [
    { name: 'never if one caller has all', names: ['a1', 'a2'], opens: false },
    { name: 'never if one company has all', names: ['a1', 'b1'], opens: false },
    { name: 'if both differ', names: ['a1', 'b2'], opens: true },
    { name: 'never if callers cannot be distinguished', names: ['unknown1', 'unknown2'], opens: false },
  ] as const
  for (const { name, names, opens } of cases) {
    await t.test(name, async t => {
      const breaker = new Breaker(async () => {})
      for (let index = 0; index <= limits.breaker.failures; index++) {
        breaker.recordSuspect(sources[names[index % 2] ?? names[0]])
      }
      t.equal(breaker.isOpen, opens)
      breaker.stop()
    })
  }
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

// Its timers are those of the whole process.
t.test('the intervals grow to a limit, and one probe is sent at a time', { buffered: false }, async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  let probeCount = 0
  let endProbe = Promise.withResolvers<void>()
  const breaker = new Breaker(() => {
    probeCount++
    return endProbe.promise
  })
  for (let index = 1; index < limits.breaker.failures; index++) t.notOk(breaker.recordFailure())
  t.notOk(breaker.isOpen)
  t.ok(breaker.recordFailure(), 'the last failure opens it')
  for (const intervalMs of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]) {
    const before = probeCount
    mock.timers.tick(intervalMs - 1)
    t.equal(probeCount, before)
    mock.timers.tick(1)
    t.equal(probeCount, before + 1, `after ${intervalMs} ms`)
    mock.timers.tick(60_000)
    t.equal(probeCount, before + 1, 'the next probe waits for the end of this one')
    t.notOk(breaker.recordFailure())
    endProbe.resolve()
    await new Promise(resolve => setImmediate(resolve))
    endProbe = Promise.withResolvers<void>()
  }
  t.ok(breaker.recordSuccess())
  t.ok(breaker.status.isUp)
  const before = probeCount
  mock.timers.tick(60_000)
  t.equal(probeCount, before, 'no probe is sent after the host has recovered')
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
