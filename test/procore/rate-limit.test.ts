// Tests the client-side rate limiter: requests wait in order instead of being refused by Procore with 429.
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { RateLimiter } from '../../src/procore/rate-limit/limiter.ts'
import type { UpstreamResponse } from '../../src/procore/exchange.ts'
import { parseRateLimitUpdate } from '../../src/procore/rate-limit/headers.ts'
import { RateLimitWindows } from '../../src/procore/rate-limit/window.ts'
import { FairQueue } from '../../src/procore/rate-limit/fair-queue.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, jane, RawConnection, sendMultipart, sendJson, type TestResponse } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// The tests spend most of their time waiting for rate limit windows to end, which last whole seconds.
t.jobs = 6

const userBody = (index: number) => ({ user: { ...jane, email_address: `jane${index}@example.com` } })

function createMany (usersUrl: string, count: number, firstIndex = 0): Promise<TestResponse[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => sendJson(usersUrl, userBody(firstIndex + index))))
}

function countStatus (responses: TestResponse[], status: number): number {
  return responses.filter(response => response.status === status).length
}

/** Number of requests that Procore itself refused with 429. */
function countProcore429 ({ emulator }: Service): number {
  return emulator.apiRequests.filter(({ status }) => status === 429).length
}

/** Indexes of the users in the requests that Procore received. */
function receivedIndexes ({ emulator }: Service): Array<string | undefined> {
  return emulator.apiRequests.map(({ json }) => JSON.stringify(json).match(/jane(\d+)@/)?.[1])
}

interface WindowHeaders { limit: number, remaining: number, reset: number }

function responseWithWindow (nowMs: number, { limit, remaining, reset }: WindowHeaders): UpstreamResponse {
  return {
    kind: 'response',
    status: 201,
    beforeRequestEnd: false,
    receivedAtMs: 0,
    body: Buffer.alloc(0),
    headers: {
      date: new Date(nowMs).toUTCString(),
      'x-rate-limit-limit': String(limit),
      'x-rate-limit-remaining': String(remaining),
      'x-rate-limit-reset': String(reset),
    },
  }
}

t.test('without remaining requests, requests wait in order for a near reset, and none gets a 429', async t => {
  const service = await startService(t, {
    emulator: { rateLimit: 5, rateWindowSeconds: 1 }, env: { RATE_LIMIT_MAX_WAIT_MS: '10000' }
  })
  for (let index = 0; index < 5; index++) t.equal((await sendJson(service.usersUrl, userBody(index))).status, 201)
  for (const { status } of await createMany(service.usersUrl, 12, 100)) t.equal(status, 201)
  t.equal(countProcore429(service), 0)
  t.strictSame(receivedIndexes(service).slice(5), Array.from({ length: 12 }, (_, index) => String(100 + index)))
  t.ok(service.lines.some(line => Number(line['rateLimitWaitMs']) > 0), 'the wait is in the log')
})

t.test('an exhausted short window delays requests until its own reset, not that of a long window', async t => {
  const windows = new RateLimitWindows()
  const reportedWindows = [
    { name: 'hour', remaining: 2, limit: 100, resetMs: 3_600_000 },
    { name: 'seconds', remaining: 0, limit: 10, resetMs: 10_000 },
  ]
  const entries = [1, 2, 3, 4].map(() => windows.acquire(0, true))
  for (const [index, reportedWindow] of reportedWindows.entries()) {
    const entry = entries[index]
    if (entry === undefined) continue
    windows.release({ hasResponse: true, mayBeCounted: true, reportedWindow, throttle: undefined }, entry, 0)
  }
  t.strictSame(windows.readyAt(1, true), { atMs: 10_000, isFirm: true })
})

t.test('many requests at the start of a new window cause no 429 from Procore', async t => {
  const service = await startService(t, {
    emulator: { rateLimit: 10, rateWindowSeconds: 1 }, env: { RATE_LIMIT_MAX_WAIT_MS: '0' }
  })
  for (let index = 0; index < 3; index++) await sendJson(service.usersUrl, userBody(index))
  await new Promise(resolve => setTimeout(resolve, 2100))
  service.emulator.faults.add({ kind: 'delay', delayMs: 50 })
  const [first, ...others] = await createMany(service.usersUrl, 31, 100)
  t.equal(first?.status, 201)
  t.ok(countStatus(others, 429) > 0)
  t.equal(countProcore429(service), 0)
})

t.test('a reset that is too far away', async t => {
  for (const clockSkewSeconds of [0, 7200, -7200]) {
    await t.test(`is reported exactly, and nothing is sent, with a clock skew of ${clockSkewSeconds} s`, async t => {
      const service = await startService(t, { emulator: { rateLimit: 1, rateWindowSeconds: 60, clockSkewSeconds } })
      t.equal((await sendJson(service.usersUrl, userBody(1))).status, 201)
      const refused = await sendJson(service.usersUrl, userBody(2))
      t.match(refused.json, { status: 429, code: 'procore_rate_limited', outcome: 'not_sent' })
      const seconds = Number(refused.headers['retry-after'])
      t.ok(seconds >= 55 && seconds <= 62, `Retry-After is ${seconds} s`)
      t.equal(service.emulator.apiRequests.length, 1)
      const otherUsersUrl = service.usersUrl.replace('101', '102')
      t.equal((await sendJson(otherUsersUrl, userBody(2))).status, 201, 'another company does not wait')
    })
  }
})

t.test('with PROCORE_RATE_LIMIT_SCOPE=service all companies share one rate limit', async t => {
  const service = await startService(t, {
    emulator: { rateLimit: 1, rateWindowSeconds: 60 }, env: { PROCORE_RATE_LIMIT_SCOPE: 'service' }
  })
  t.equal((await sendJson(service.usersUrl, userBody(1))).status, 201)
  t.equal((await sendJson(service.usersUrl.replace('101', '102'), userBody(2))).status, 429)
  t.equal(service.emulator.apiRequests.length, 1)
})

t.test('an unexpected 429 throttles the company, and requests wait for a short one', async t => {
  const service = await startService(t)
  service.emulator.faults.add({ kind: 'status', status: 429, body: '', headers: { 'retry-after': '1' } })
  const responses = await createMany(service.usersUrl, 2)
  t.equal(countStatus(responses, 201), 2)
  service.emulator.faults.add({ kind: 'status', status: 429, body: '', headers: { 'retry-after': '30' } })
  t.match((await sendJson(service.usersUrl, userBody(5))).json, { status: 429, outcome: 'rejected' })
  const requestCount = service.emulator.apiRequests.length
  const refused = await sendJson(service.usersUrl, userBody(6))
  t.match(refused.json, { status: 429, code: 'procore_rate_limited', outcome: 'not_sent' })
  t.match(refused.headers['retry-after'], /^(2[5-9]|30)$/)
  t.equal(service.emulator.apiRequests.length, requestCount)
})

t.test('a 503 with Retry-After throttles the company as procore_unavailable', async t => {
  const service = await startService(t)
  service.emulator.faults.add({ kind: 'status', status: 503, body: '', headers: { 'retry-after': '30' } })
  const rejected = await sendJson(service.usersUrl, userBody(5))
  t.match(rejected.json, { status: 503, code: 'procore_unavailable', outcome: 'rejected' })
  t.match(await sendJson(service.usersUrl, userBody(6)), {
    json: { status: 503, code: 'procore_unavailable', outcome: 'not_sent' },
    headers: { 'retry-after': /^(2[5-9]|30)$/ },
  })
})

t.test('Retry-After as a date is relative to the Date of the response', async t => {
  const service = await startService(t)
  const date = new Date(Date.now() + 7_200_000)
  const retryDate = new Date(date.getTime() + 20_000)
  const raw = [
    'HTTP/1.1 429 Too Many Requests',
    `date: ${date.toUTCString()}`,
    `retry-after: ${retryDate.toUTCString()}`,
    'content-length: 0',
    '\r\n',
  ].join('\r\n')
  service.emulator.faults.add({ kind: 'raw', raw })
  t.match(await sendJson(service.usersUrl, userBody(5)), { status: 429, headers: { 'retry-after': '20' } })
})

t.test('a request whose caller disconnects while it waits is not sent', async t => {
  const service = await startService(t, { emulator: { rateLimit: 1, rateWindowSeconds: 2 } })
  await sendJson(service.usersUrl, userBody(1))
  const body = JSON.stringify(userBody(2))
  const caller = new RawConnection(service.port)
  const head = `host: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`
  caller.write(`POST /companies/101/users HTTP/1.1\r\n${head}\r\n\r\n${body}`)
  await new Promise(resolve => service.app.fastify.server.once('request', resolve))
  const nextResponse = sendJson(service.usersUrl, userBody(3))
  caller.socket.destroy()
  t.equal((await nextResponse).status, 201)
  await waitUntil(() => service.lines.some(({ status }) => status === 499))
  t.strictSame(receivedIndexes(service), ['1', '3'])
})

t.test('a request beyond the queue limit of its company is refused at once as overloaded', async t => {
  const service = await startService(t, {
    emulator: { rateLimit: 1, rateWindowSeconds: 5 }, env: { RATE_LIMIT_MAX_WAIT_MS: '10000' }
  })
  await sendJson(service.usersUrl, userBody(0))
  const responses = await createMany(service.usersUrl, 300, 1)
  t.equal(countStatus(responses, 503), 300 - 256)
  t.match(responses.find(({ status }) => status === 503), {
    json: { code: 'overloaded', outcome: 'not_sent' }, headers: { 'retry-after': '1' },
  })
  t.equal(countProcore429(service), 0)
})

t.test('if responses overtake each other, the lowest count within one window is the latest', async t => {
  const windows = new RateLimitWindows()
  const nowMs = 1_000_000
  const entries = [windows.acquire(nowMs, true), windows.acquire(nowMs, true), windows.acquire(nowMs, true)]
  for (const [index, remaining] of [0, 2, 1].entries()) {
    const response = responseWithWindow(nowMs, { limit: 10, remaining, reset: 1060 })
    windows.release(parseRateLimitUpdate(response, nowMs), entries[index] ?? windows.acquire(nowMs, true), nowMs)
  }
  t.strictSame(windows.readyAt(nowMs, true), { atMs: nowMs + 60_000, isFirm: true })
  t.match(windows.readyAt(nowMs + 60_001, true), { atMs: 0, isFirm: false }, 'the first request is the probe')
  windows.acquire(nowMs + 60_001, true)
  const readiness = windows.readyAt(nowMs + 60_002, true)
  t.match(readiness, { atMs: nowMs + 61_001, isFirm: false }, 'the others wait at most one second')
  t.strictSame(windows.readyAt(nowMs + 61_001, true).atMs <= nowMs + 61_001, true)
})

t.test('the stricter of two windows applies until its own reset', async t => {
  const windows = new RateLimitWindows()
  const nowMs = 1_000_000
  const report = (windowHeaders: WindowHeaders) => {
    const entry = windows.acquire(nowMs, true)
    windows.release(parseRateLimitUpdate(responseWithWindow(nowMs, windowHeaders), nowMs), entry, nowMs)
  }
  report({ limit: 25, remaining: 0, reset: 1005 })
  report({ limit: 3600, remaining: 500, reset: 2000 })
  t.strictSame(windows.readyAt(nowMs, true), { atMs: nowMs + 5000, isFirm: true })
  report({ limit: 3600, remaining: 1, reset: 2000 })
  windows.acquire(nowMs + 6000, true)
  const readiness = windows.readyAt(nowMs + 6000, true)
  t.match(readiness, { atMs: nowMs + 1_000_000, isFirm: false }, 'the last remaining request is in flight')
})

t.test('companies that share one queue take turns', async t => {
  const queue = new FairQueue<{ sequence: number, name: string }>()
  const waiters = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'].map((name, sequence) => ({ name, sequence }))
  const companyA = 'a'.charCodeAt(0)
  // The second waiter is added after the third one, and keeps its position.
  for (const index of [0, 2, 1, 3, 4, 5, 6]) {
    const waiter = waiters[index] ?? { name: '', sequence: 0 }
    queue.add(waiter.name.charCodeAt(0), waiter)
  }
  const lastOfA = waiters[3]
  t.ok(lastOfA && queue.remove(companyA, lastOfA))
  t.notOk(lastOfA && queue.remove(companyA, lastOfA))
  const order: string[] = []
  for (let next = queue.peek(); next !== undefined; next = queue.peek()) {
    order.push(next.name)
    queue.shift()
  }
  t.strictSame(order, ['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  t.equal(queue.size, 0)
})

t.test('invalid forms, which never reach Procore completely, do not use up the rate limit', async t => {
  const service = await startService(t, { emulator: { rateLimit: 5, rateWindowSeconds: 60 } })
  t.equal((await sendJson(service.usersUrl, userBody(0))).status, 201)
  const invalidForm = multipartBody([
    { name: 'user[avatar]', filename: 'a.png', data: png(600_000) },
    { name: 'user[last_name]', data: 'Doe' },
  ])
  for (let index = 0; index < 6; index++) t.equal((await sendMultipart(service.usersUrl, invalidForm)).status, 422)
  t.equal((await sendJson(service.usersUrl, userBody(1))).status, 201)
})

t.test('an outage of the login host does not use up the rate limit', async t => {
  const service = await startService(t, { emulator: { rateLimit: 5, rateWindowSeconds: 60 } })
  t.equal((await sendJson(service.usersUrl, userBody(0))).status, 201)
  service.emulator.faults.add({ kind: 'status', status: 503, body: '', on: 'token', rate: 1 })
  service.emulator.api.revokeAccessTokens()
  for (let index = 1; index < 10; index++) {
    const { json } = await sendJson(service.usersUrl, userBody(index))
    t.match(json, { status: 503, code: 'procore_unavailable' })
  }
  service.emulator.faults.clear()
  await service.app.procore.accessTokens.get().catch(() => {})
  await waitUntil(() => service.app.procore.accessTokens.current() !== undefined)
  t.equal((await sendJson(service.usersUrl, userBody(20))).status, 201)
})

t.test('after a 401 the request is retried even if it may not wait for the rate limit', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
  emulator.api.revokeAccessTokens()
  t.equal((await sendJson(usersUrl, userBody(0))).status, 201)
})

t.test('requests that may not wait for the rate limit still wait for the probe of a new window', async t => {
  const service = await startService(t, {
    emulator: { rateLimit: 40, rateWindowSeconds: 1 }, env: { RATE_LIMIT_MAX_WAIT_MS: '0' }
  })
  await sendJson(service.usersUrl, userBody(0))
  await new Promise(resolve => setTimeout(resolve, 2100))
  const responses = await createMany(service.usersUrl, 10, 1)
  t.equal(countStatus(responses, 201), 10)
})

// It measures CPU time, so it must not run beside other tests.
t.test('beyond the limit of companies the oldest idle one is evicted', { buffered: false }, async t => {
  const rateLimiter = new RateLimiter({ rateLimitScope: 'company' })
  const { companiesMax } = limits.rateLimit
  const options = { isBuffered: true, maxWaitMs: 0, signal: new AbortController().signal }
  const firstPermit = await rateLimiter.acquire({ companyId: 1, ...options })
  const startedAt = process.cpuUsage().user
  for (let companyId = 2; companyId < companiesMax * 3; companyId++) {
    const permit = await rateLimiter.acquire({ companyId, ...options })
    permit.release()
  }
  t.ok(rateLimiter.companyCount <= companiesMax && rateLimiter.companyCount > companiesMax / 2)
  t.ok(process.cpuUsage().user - startedAt < 5_000_000, 'eviction does not iterate over all companies each time')
  firstPermit.release()
})
