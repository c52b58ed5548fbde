// Procore's allowance: nothing is sent that would be refused, what waits waits in order and not too long, and nobody waits for another company.
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

// Most of the time is waiting for windows of Procore's to end, which are whole seconds.
t.jobs = 6

const user = (index: number) => ({ user: { ...jane, email_address: `jane${index}@example.com` } })
const crowd = (users: string, count: number, from = 0) => Promise.all(Array.from({ length: count }, (_, index) => sendJson(users, user(from + index))))
const count = (replies: TestResponse[], status: number) => replies.filter(reply => reply.status === status).length
const refusedByProcore = ({ emulator }: Service) => emulator.apiRequests.filter(({ status }) => status === 429).length

t.test('when nothing remains, requests wait for the reset if that is soon, in order, and none meets a 429', async t => {
  const service = await startService(t, { emulator: { rateLimit: 5, rateWindowSeconds: 1 }, env: { RATE_LIMIT_MAX_WAIT_MS: '10000' } })
  for (let index = 0; index < 5; index++) t.equal((await sendJson(service.usersUrl, user(index))).status, 201)
  const order: number[] = []
  await Promise.all(Array.from({ length: 12 }, async (_, index) => {
    const reply = await sendJson(service.usersUrl, user(100 + index))
    t.equal(reply.status, 201)
    order.push(index)
  }))
  t.equal(refusedByProcore(service), 0)
  t.strictSame(service.emulator.apiRequests.slice(5).map(({ json }) => JSON.stringify(json).match(/jane(\d+)@/)?.[1]), Array.from({ length: 12 }, (_, index) => String(100 + index)))
  t.ok(service.lines.some(line => Number(line['rateLimitWaitMs']) > 0), 'the wait is in the log')
})

t.test('a short window that is spent keeps nobody longer than it lasts, whatever is under way in a long one', async t => {
  const window = new RateLimitWindows()
  const told = [{ name: 'hour', remaining: 2, limit: 100, resetMs: 3_600_000 }, { name: 'moment', remaining: 0, limit: 10, resetMs: 10_000 }]
  const entries = [1, 2, 3, 4].map(() => window.acquire(0, true))
  for (const [index, { name, remaining, limit, resetMs }] of told.entries()) {
    const entry = entries[index]
    if (entry !== undefined) window.release({ hasResponse: true, mayBeCounted: true, reportedWindow: { name, remaining, limit, resetMs }, throttle: undefined }, entry, 0)
  }
  t.strictSame(window.readyAt(1, true), { atMs: 10_000, isFirm: true })
})

t.test('a crowd that arrives with a new window does not spend it on 429s', async t => {
  const service = await startService(t, { emulator: { rateLimit: 10, rateWindowSeconds: 1 }, env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
  for (let index = 0; index < 3; index++) await sendJson(service.usersUrl, user(index))
  await new Promise(resolve => setTimeout(resolve, 2100))
  service.emulator.faults.add({ kind: 'delay', delayMs: 50 })
  const [first, ...others] = await Promise.all([sendJson(service.usersUrl, user(100)), ...Array.from({ length: 30 }, (_, index) => sendJson(service.usersUrl, user(101 + index)))])
  t.equal(first?.status, 201)
  t.ok(count(others, 429) > 0)
  t.equal(refusedByProcore(service), 0)
})

t.test('when the reset is too far, it is told at once and exactly, and nothing is sent', async t => {
  for (const clockSkewSeconds of [0, 7200, -7200]) {
    const service = await startService(t, { emulator: { rateLimit: 1, rateWindowSeconds: 60, clockSkewSeconds } })
    t.equal((await sendJson(service.usersUrl, user(1))).status, 201)
    const reply = await sendJson(service.usersUrl, user(2))
    t.match(reply.json, { status: 429, code: 'procore_rate_limited', outcome: 'not_sent' })
    const seconds = Number(reply.headers['retry-after'])
    t.ok(seconds >= 55 && seconds <= 62, `${seconds} s, whatever Procore's clock says`)
    t.equal(service.emulator.apiRequests.length, 1)
    t.equal((await sendJson(service.usersUrl.replace('101', '102'), user(2))).status, 201, 'another company is not held up')
  }
})

t.test('PROCORE_RATE_LIMIT_SCOPE=service makes it one allowance for all companies', async t => {
  const service = await startService(t, { emulator: { rateLimit: 1, rateWindowSeconds: 60 }, env: { PROCORE_RATE_LIMIT_SCOPE: 'service' } })
  t.equal((await sendJson(service.usersUrl, user(1))).status, 201)
  t.equal((await sendJson(service.usersUrl.replace('101', '102'), user(2))).status, 429)
  t.equal(service.emulator.apiRequests.length, 1)
})

t.test('a 429 that comes all the same blocks the company, and a short one is waited for', async t => {
  const service = await startService(t)
  service.emulator.faults.add({ kind: 'status', status: 429, body: '', headers: { 'retry-after': '1' } })
  const replies = await crowd(service.usersUrl, 2)
  t.equal(count(replies, 201), 2)
  service.emulator.faults.add({ kind: 'status', status: 429, body: '', headers: { 'retry-after': '30' } })
  t.match((await sendJson(service.usersUrl, user(5))).json, { status: 429, outcome: 'rejected' })
  const seen = service.emulator.apiRequests.length
  const blocked = await sendJson(service.usersUrl, user(6))
  t.match(blocked.json, { status: 429, code: 'procore_rate_limited', outcome: 'not_sent' })
  t.match(blocked.headers['retry-after'], /^(2[5-9]|30)$/)
  t.equal(service.emulator.apiRequests.length, seen)
})

t.test('a 503 with Retry-After is treated the same way, under its own name', async t => {
  const service = await startService(t)
  service.emulator.faults.add({ kind: 'status', status: 503, body: '', headers: { 'retry-after': '30' } })
  t.match((await sendJson(service.usersUrl, user(5))).json, { status: 503, code: 'procore_unavailable', outcome: 'rejected' })
  t.match(await sendJson(service.usersUrl, user(6)), { json: { status: 503, code: 'procore_unavailable', outcome: 'not_sent' }, headers: { 'retry-after': /^(2[5-9]|30)$/ } })
})

t.test('Retry-After as a date counts on Procore\'s clock', async t => {
  const service = await startService(t)
  const date = new Date(Date.now() + 7_200_000)
  const later = new Date(date.getTime() + 20_000)
  service.emulator.faults.add({ kind: 'raw', raw: `HTTP/1.1 429 Too Many Requests\r\ndate: ${date.toUTCString()}\r\nretry-after: ${later.toUTCString()}\r\ncontent-length: 0\r\n\r\n` })
  t.match(await sendJson(service.usersUrl, user(5)), { status: 429, headers: { 'retry-after': '20' } })
})

t.test('who waits and leaves gives up the place, and nothing is sent', async t => {
  const service = await startService(t, { emulator: { rateLimit: 1, rateWindowSeconds: 2 } })
  await sendJson(service.usersUrl, user(1))
  const body = JSON.stringify(user(2))
  const caller = new RawConnection(service.port)
  caller.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  await new Promise(resolve => service.app.fastify.server.once('request', resolve))
  const waiting = sendJson(service.usersUrl, user(3))
  caller.socket.destroy()
  t.equal((await waiting).status, 201)
  await waitUntil(() => service.lines.some(({ status }) => status === 499))
  t.strictSame(service.emulator.apiRequests.map(({ json }) => JSON.stringify(json).match(/jane(\d+)@/)?.[1]), ['1', '3'])
})

t.test('waiting is bounded: past it is overloaded, at once', async t => {
  const service = await startService(t, { emulator: { rateLimit: 1, rateWindowSeconds: 5 }, env: { RATE_LIMIT_MAX_WAIT_MS: '10000' } })
  await sendJson(service.usersUrl, user(0))
  const replies = await crowd(service.usersUrl, 300, 1)
  t.equal(count(replies, 503), 300 - 256)
  t.match(replies.find(({ status }) => status === 503), { json: { code: 'overloaded', outcome: 'not_sent' }, headers: { 'retry-after': '1' } })
  t.equal(refusedByProcore(service), 0)
})

t.test('answers that overtake each other: within one window the lowest count is the latest', async t => {
  const window = new RateLimitWindows()
  const nowMs = 1_000_000
  const answer = (remaining: number, reset = 1060): UpstreamResponse => ({ kind: 'response', status: 201, beforeRequestEnd: false, receivedAtMs: 0, body: Buffer.alloc(0), headers: { date: new Date(nowMs).toUTCString(), 'x-rate-limit-limit': '10', 'x-rate-limit-remaining': String(remaining), 'x-rate-limit-reset': String(reset) } })
  const entries = [window.acquire(nowMs, true), window.acquire(nowMs, true), window.acquire(nowMs, true)]
  for (const [index, remaining] of [0, 2, 1].entries()) window.release(parseRateLimitUpdate(answer(remaining), nowMs), entries[index] ?? window.acquire(nowMs, true), nowMs)
  t.strictSame(window.readyAt(nowMs, true), { atMs: nowMs + 60_000, isFirm: true })
  t.match(window.readyAt(nowMs + 60_001, true), { atMs: 0, isFirm: false }, 'the first goes ahead')
  window.acquire(nowMs + 60_001, true)
  t.match(window.readyAt(nowMs + 60_002, true), { atMs: nowMs + 61_001, isFirm: false }, 'the others wait a second at most')
  t.strictSame(window.readyAt(nowMs + 61_001, true).atMs <= nowMs + 61_001, true)
})

t.test('of two windows the stricter one counts, until its own reset', async t => {
  const window = new RateLimitWindows()
  const nowMs = 1_000_000
  const tell = (limit: number, remaining: number, reset: number) => {
    const entry = window.acquire(nowMs, true)
    window.release(parseRateLimitUpdate({ kind: 'response', status: 201, beforeRequestEnd: false, receivedAtMs: 0, body: Buffer.alloc(0), headers: { date: new Date(nowMs).toUTCString(), 'x-rate-limit-limit': String(limit), 'x-rate-limit-remaining': String(remaining), 'x-rate-limit-reset': String(reset) } }, nowMs), entry, nowMs)
  }
  tell(25, 0, 1005)
  tell(3600, 500, 2000)
  t.strictSame(window.readyAt(nowMs, true), { atMs: nowMs + 5000, isFirm: true })
  tell(3600, 1, 2000)
  window.acquire(nowMs + 6000, true)
  t.match(window.readyAt(nowMs + 6000, true), { atMs: nowMs + 1_000_000, isFirm: false }, 'the last one that remains is under way')
})

t.test('companies that share one line take turns', async t => {
  const line = new FairQueue<{ sequence: number, name: string }>()
  const waiters = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'].map((name, sequence) => ({ name, sequence }))
  // The second comes again after the third, and keeps its place.
  for (const at of [0, 2, 1, 3, 4, 5, 6]) line.add(waiters[at]?.name.charCodeAt(0) ?? 0, waiters[at] ?? { name: '', sequence: 0 })
  const last = waiters[3]
  t.ok(last && line.remove('a'.charCodeAt(0), last))
  t.notOk(last && line.remove('a'.charCodeAt(0), last))
  const order: string[] = []
  for (let next = line.peek(); next !== undefined; next = line.peek()) {
    order.push(next.name)
    line.shift()
  }
  t.strictSame(order, ['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  t.equal(line.size, 0)
})

t.test('what never reached Procore whole is not counted, so that faulty forms can not lock a company out', async t => {
  const service = await startService(t, { emulator: { rateLimit: 5, rateWindowSeconds: 60 } })
  t.equal((await sendJson(service.usersUrl, user(0))).status, 201)
  const faulty = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(600_000) }, { name: 'user[last_name]', data: 'Doe' }])
  for (let index = 0; index < 6; index++) t.equal((await sendMultipart(service.usersUrl, faulty)).status, 422)
  t.equal((await sendJson(service.usersUrl, user(1))).status, 201)
})

t.test('an outage of the login host spends no allowance', async t => {
  const service = await startService(t, { emulator: { rateLimit: 5, rateWindowSeconds: 60 } })
  t.equal((await sendJson(service.usersUrl, user(0))).status, 201)
  service.emulator.faults.add({ kind: 'status', status: 503, body: '', on: 'token', rate: 1 })
  service.emulator.api.revokeAccessTokens()
  for (let index = 1; index < 10; index++) t.match((await sendJson(service.usersUrl, user(index))).json, { status: 503, code: 'procore_unavailable' })
  service.emulator.faults.clear()
  await service.app.procore.accessTokens.get().catch(() => {})
  await waitUntil(() => service.app.procore.accessTokens.current() !== undefined)
  t.equal((await sendJson(service.usersUrl, user(20))).status, 201)
})

t.test('a token that is refused is renewed and the request repeated, even if nobody may wait for the allowance', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
  emulator.api.revokeAccessTokens()
  t.equal((await sendJson(usersUrl, user(0))).status, 201)
})

t.test('with no wait at all a crowd that arrives with a new window still waits for the one that goes ahead', async t => {
  const window = { rateLimit: 40, rateWindowSeconds: 1 }
  const service = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' }, emulator: window })
  await sendJson(service.usersUrl, user(0))
  await new Promise(resolve => setTimeout(resolve, 2100))
  const replies = await crowd(service.usersUrl, 10, 1)
  t.equal(count(replies, 201), 10)
})

// It keeps the processor to itself.
t.test('companies beyond those that are remembered push out the oldest that has nothing under way', { buffered: false }, async t => {
  const allowance = new RateLimiter({ rateLimitScope: 'company' })
  const signal = { aborted: false, onAbort: () => () => {} }
  const first = await allowance.acquire({ companyId: 1, isBuffered: true, maxWaitMs: 0, signal })
  const startedAt = process.cpuUsage().user
  for (let companyId = 2; companyId < limits.rateLimit.companiesMax * 3; companyId++) {
    const ticket = await allowance.acquire({ companyId, isBuffered: true, maxWaitMs: 0, signal })
    ticket.release()
  }
  t.ok(allowance.companyCount <= limits.rateLimit.companiesMax && allowance.companyCount > limits.rateLimit.companiesMax / 2)
  t.ok(process.cpuUsage().user - startedAt < 5_000_000, 'without looking at all of them each time')
  first.release()
})
