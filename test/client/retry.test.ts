// When the client sends a call again and when it does not, and that neither repeats nor pauses go on without end.
import t from 'tap'
import { createClient, NetworkError, ProblemError, type Retry } from '../../client/client.ts'
import { limits } from '../../client/limits.ts'
import { Backoff } from '../../client/retry.ts'
import type { Outcome, ProblemCode } from '../../src/server/problem.ts'
import { jane } from '../helpers/requests.ts'
import { createdResponse, problemResponse, startScriptedServer, type ScriptedResponse } from '../helpers/scripted-server.ts'

// Most of the time is pauses, in which the others can go on.
t.jobs = 8

const withoutKey = { path: { company_id: 101 }, body: { user: jane } }

t.test('sent again: what passes, under the one key that it had from the start', async t => {
  const script: Array<[ProblemCode, Outcome | undefined, string | undefined]> = [
    ['procore_unavailable', 'not_sent', '0'], ['procore_unavailable', 'rejected', '0'], ['procore_rate_limited', 'not_sent', '0'], ['procore_rate_limited', 'rejected', '0'],
    ['procore_unreachable', 'not_sent', undefined], ['procore_unreachable', 'unknown', undefined], ['procore_timeout', 'unknown', undefined], ['procore_bad_response', 'unknown', undefined],
    ['too_many_requests', undefined, '0'], ['overloaded', undefined, '0'], ['stopping', undefined, undefined], ['identity_unavailable', undefined, '0'], ['idempotency_in_progress', undefined, undefined],
  ]
  await Promise.all(script.map(async ([code, outcome, retryAfter]) => {
    const { url, requests } = await startScriptedServer(t, [problemResponse(code, outcome, retryAfter), createdResponse])
    const repeats: Retry[] = []
    const answer = await createClient({ baseUrl: url }).createUser(101, jane, { onRetry: repeat => repeats.push(repeat) })
    t.match(answer, { attempts: 2, data: { id: 7 } }, code)
    const [first, second] = requests.map(({ headers }) => headers['idempotency-key'])
    t.ok(first !== undefined && first === second)
    t.match(repeats, [{ attempt: 2, idempotencyKey: first, failure: { code, outcome } }])
    t.ok((repeats[0]?.delayMs ?? -1) >= 0 && (repeats[0]?.delayMs ?? Infinity) <= limits.backoffMs)
  }))
})

t.test('not sent again: what more of the same would not mend', async t => {
  const codes: ProblemCode[] = ['validation_failed', 'procore_rejected', 'idempotency_key_reused', 'unauthenticated', 'company_not_allowed', 'avatar_type', 'internal', 'procore_unauthorized', 'malformed_json']
  for (const code of codes) {
    const { url, requests } = await startScriptedServer(t, [problemResponse(code, code === 'internal' ? 'unknown' : undefined), createdResponse])
    await t.rejects(createClient({ baseUrl: url }).createUser(101, jane), { name: 'ProblemError', code, attempts: 1 })
    t.equal(requests.length, 1, code)
  }
})

t.test('refused by Procore without a word on when to come back', async t => {
  const { url, requests } = await startScriptedServer(t, [problemResponse('procore_bad_response', 'rejected'), createdResponse])
  await t.rejects(createClient({ baseUrl: url }).createUser(101, jane), { code: 'procore_bad_response', outcome: 'rejected' })
  t.equal(requests.length, 1)
})

t.test('an unknown outcome is never sent again without a key', async t => {
  for (const answer of [problemResponse('procore_timeout', 'unknown'), 'reset' as const]) {
    const { url, requests } = await startScriptedServer(t, [answer, createdResponse])
    const { send } = createClient({ baseUrl: url })
    await t.rejects(send('post', '/companies/{company_id}/users', withoutKey), { name: answer === 'reset' ? 'NetworkError' : 'ProblemError', outcome: 'unknown', attempts: 1, idempotencyKey: undefined })
    t.equal(requests.length, 1)
    t.equal(requests[0]?.headers['idempotency-key'], undefined)
  }
  const { url } = await startScriptedServer(t, [problemResponse('procore_unreachable', 'not_sent'), createdResponse])
  t.match(await createClient({ baseUrl: url }).send('post', '/companies/{company_id}/users', withoutKey), { attempts: 2 }, 'what was not sent is')
})

t.test('what changes nothing is sent again after a loss, without any key', async t => {
  const { url, requests } = await startScriptedServer(t, ['reset', createdResponse])
  const client = createClient({ baseUrl: url })
  t.match(await client.validateUser(101, jane, { runConfigurableValidations: true }), { attempts: 2 })
  t.match(await client.vendors(101, { 'filters[search]': 'SID & Co', page: 2 }), { attempts: 1 })
  t.match(requests.map(({ method, url, headers }) => [method, url, headers['idempotency-key']]), [
    ['POST', '/companies/101/users/validate?run_configurable_validations=true', undefined],
    ['POST', '/companies/101/users/validate?run_configurable_validations=true', undefined],
    ['GET', '/companies/101/vendors?filters%5Bsearch%5D=SID+%26+Co&page=2', undefined],
  ])
})

t.test('at most a few times', async t => {
  const { url, requests } = await startScriptedServer(t, [problemResponse('overloaded', 'not_sent', '0')])
  const error = await createClient({ baseUrl: url }).createUser(101, jane).catch((error: unknown) => error)
  t.ok(error instanceof ProblemError)
  t.match(error, { code: 'overloaded', outcome: 'not_sent', retryAfterMs: 0, attempts: limits.attemptsMax })
  t.equal(requests.length, limits.attemptsMax)
})

t.test('waiting for a request that runs under the same key is no attempt, and has an end too', async t => {
  const pauses = new Backoff()
  const waits: number[] = []
  const running = new ProblemError({ type: 'about:blank', title: '', status: 409, detail: '', code: 'idempotency_in_progress', request_id: '' }, 0)
  for (let ms = pauses.nextDelayMs(running); ms !== undefined; ms = pauses.nextDelayMs(running)) waits.push(ms)
  t.ok(waits.length > limits.attemptsMax && waits.every(ms => ms <= limits.backoffMaxMs))
  t.ok(waits.reduce((sum, ms) => sum + ms) <= limits.retryDelayTotalMaxMs)
})

t.test('Retry-After is heeded, in seconds and as a date; one that is too long is told at once', async t => {
  const times: number[] = []
  for (const value of ['1', new Date(Date.now() + 2000).toUTCString()]) {
    const { url } = await startScriptedServer(t, [problemResponse('procore_rate_limited', 'not_sent', value), createdResponse])
    await createClient({ baseUrl: url }).createUser(101, jane, { onRetry: ({ delayMs }) => times.push(delayMs) })
  }
  t.equal(times[0], 1000)
  t.ok(times[1] !== undefined && times[1] > 0 && times[1] <= 2000)
  const { url, requests } = await startScriptedServer(t, [problemResponse('procore_rate_limited', 'not_sent', '3600'), createdResponse])
  await t.rejects(createClient({ baseUrl: url }).createUser(101, jane), { code: 'procore_rate_limited', retryAfterMs: 3_600_000, attempts: 1 })
  t.equal(requests.length, 1)
})

t.test('a pause ends when the call is aborted', async t => {
  const { url, requests } = await startScriptedServer(t, [problemResponse('procore_unavailable', 'not_sent', '30'), createdResponse])
  const leaving = new AbortController()
  const reason = new Error('changed my mind')
  const call = createClient({ baseUrl: url }).createUser(101, jane, { signal: leaving.signal, onRetry: () => setImmediate(() => leaving.abort(reason)) })
  t.equal(await call.catch((error: unknown) => error), reason)
  t.equal(requests.length, 1)
})

t.test('a call that was aborted before it began sends nothing', async t => {
  const { url, requests } = await startScriptedServer(t, [createdResponse])
  const reason = new Error('too late')
  t.equal(await createClient({ baseUrl: url }).createUser(101, jane, { signal: AbortSignal.abort(reason) }).catch((error: unknown) => error), reason)
  t.equal(requests.length, 0)
})

t.test('a token that is waited for in vain ends with the call', async t => {
  const { url, requests } = await startScriptedServer(t, [createdResponse])
  const leaving = new AbortController()
  const reason = new Error('signed out')
  const call = createClient({ baseUrl: url, accessToken: () => { setImmediate(() => leaving.abort(reason)); return new Promise<string>(() => {}) } }).createUser(101, jane, { signal: leaving.signal })
  t.equal(await call.catch((error: unknown) => error), reason)
  t.equal(requests.length, 0)
})

t.test('answers that are not of the service', async t => {
  const html = (status: number): ScriptedResponse => ({ status, headers: { 'content-type': 'text/html' }, body: '<h1>Bad Gateway</h1>' })
  const gateway = await startScriptedServer(t, [html(502), { ...problemResponse('internal'), body: '{' }])
  await t.rejects(createClient({ baseUrl: gateway.url }).createUser(101, jane), { name: 'NetworkError', reason: 'response', status: 500, outcome: 'unknown', attempts: 2 })
  for (const body of ['{"status":400,"code":"bad_request"}', '{"status":422,"code":"validation_failed","detail":"","errors":{"city":["is wrong"]}}', '[]', 'null']) {
    const other = await startScriptedServer(t, [{ ...problemResponse('bad_request'), body }])
    await t.rejects(createClient({ baseUrl: other.url }).createUser(101, jane), { name: 'NetworkError', reason: 'response' }, body)
  }
  const page = await startScriptedServer(t, [html(200), createdResponse])
  await t.rejects(createClient({ baseUrl: page.url }).createUser(101, jane), { name: 'NetworkError', reason: 'response', status: 200, attempts: 1 })
})

t.test('a redirect is not followed: the token is for the service alone', async t => {
  const elsewhere = await startScriptedServer(t, [createdResponse])
  const { url } = await startScriptedServer(t, [{ status: 307, headers: { location: elsewhere.url }, body: '' }])
  await t.rejects(createClient({ baseUrl: url, accessToken: 'a-token' }).send('post', '/companies/{company_id}/users', withoutKey), { name: 'NetworkError', reason: 'connection' })
  t.equal(elsewhere.requests.length, 0)
})

t.test('nobody there', async t => {
  const call = createClient({ baseUrl: 'http://127.0.0.1:1' }).createUser(101, jane)
  await t.rejects(call, { name: 'NetworkError', reason: 'connection', attempts: limits.attemptsMax, cause: Error })
})

// The others must not be given its clock.
t.test('no answer ends by the time for one call, and is not sent again', { buffered: false }, async t => {
  const { url, requests } = await startScriptedServer(t, ['silence'])
  const timeout = AbortSignal.timeout.bind(AbortSignal)
  const wanted: number[] = []
  t.intercept(AbortSignal, 'timeout', {
    value: (ms: number) => {
      wanted.push(ms)
      return timeout(200)
    }
  })
  const error = await createClient({ baseUrl: url }).createUser(101, jane).catch((error: unknown) => error)
  t.ok(error instanceof NetworkError)
  t.match(error, { reason: 'timeout', outcome: 'unknown', attempts: 1, idempotencyKey: String })
  t.strictSame(wanted, [limits.callTimeoutMs])
  t.equal(requests.length, 1)
})

t.test('the token is asked for before every attempt; a fetch of one\'s own is used', async t => {
  const { url, requests } = await startScriptedServer(t, [problemResponse('stopping'), createdResponse])
  let tokens = 0
  let fetches = 0
  const own: typeof fetch = (...args) => {
    fetches++
    return fetch(...args)
  }
  await createClient({ baseUrl: url, accessToken: async () => `token-${++tokens}`, fetch: own }).createUser(101, jane)
  t.strictSame(requests.map(({ headers }) => headers.authorization), ['Bearer token-1', 'Bearer token-2'])
  t.equal(fetches, 2)
})
