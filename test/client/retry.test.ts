// Tests when the client retries a call, and that retries and pauses have limits.
import t, { type Test } from 'tap'
import { createClient, NetworkError, ProblemError, type Retry } from '../../client/client.ts'
import { limits } from '../../client/limits.ts'
import { Backoff } from '../../client/retry.ts'
import type { Outcome, ProblemCode } from '../../src/server/problem.ts'
import { jane } from '../helpers/requests.ts'
import {
  createdResponse,
  problemResponse,
  startScriptedServer,
  type ScriptedResponse
} from '../helpers/scripted-server.ts'

// Most of the time is spent in pauses, during which the other tests can run.
t.jobs = 8

const withoutKey = { path: { company_id: 101 }, body: { user: jane } }

const catchError = (call: Promise<unknown>): Promise<unknown> =>
  call.then(() => undefined, (error: unknown) => error)

const retriedProblems: Array<{ code: ProblemCode, outcome?: Outcome, retryAfter?: string }> = [
  { code: 'procore_unavailable', outcome: 'not_sent', retryAfter: '0' },
  { code: 'procore_unavailable', outcome: 'rejected', retryAfter: '0' },
  { code: 'procore_rate_limited', outcome: 'not_sent', retryAfter: '0' },
  { code: 'procore_rate_limited', outcome: 'rejected', retryAfter: '0' },
  { code: 'procore_unreachable', outcome: 'not_sent' },
  { code: 'procore_unreachable', outcome: 'unknown' },
  { code: 'procore_timeout', outcome: 'unknown' },
  { code: 'procore_bad_response', outcome: 'unknown' },
  { code: 'too_many_requests', retryAfter: '0' },
  { code: 'overloaded', retryAfter: '0' },
  { code: 'stopping' },
  { code: 'identity_unavailable', retryAfter: '0' },
  { code: 'idempotency_in_progress' },
]

for (const { code, outcome, retryAfter } of retriedProblems) {
  const outcomeText = outcome === undefined ? 'without an outcome' : `with the outcome ${outcome}`
  t.test(`${code} ${outcomeText} is retried with the same idempotency key`, async t => {
    const problem = problemResponse(code, outcome, retryAfter)
    const { url, requests } = await startScriptedServer(t, [problem, createdResponse])
    const retries: Retry[] = []
    const response = await createClient({ baseUrl: url }).createUser(101, jane, {
      onRetry: retry => retries.push(retry),
    })
    t.match(response, { attempts: 2, data: { id: 7 } })
    const [first, second] = requests.map(({ headers }) => headers['idempotency-key'])
    t.ok(first !== undefined && first === second)
    t.match(retries, [{ attempt: 2, idempotencyKey: first, failure: { code, outcome } }])
    t.ok((retries[0]?.delayMs ?? -1) >= 0 && (retries[0]?.delayMs ?? Infinity) <= limits.backoffMs)
  })
}

const permanentCodes: ProblemCode[] = [
  'validation_failed',
  'procore_rejected',
  'idempotency_key_reused',
  'unauthenticated',
  'company_not_allowed',
  'avatar_type',
  'internal',
  'procore_unauthorized',
  'malformed_json',
]

for (const code of permanentCodes) {
  t.test(`${code} is not retried`, async t => {
    const problem = problemResponse(code, code === 'internal' ? 'unknown' : undefined)
    const { url, requests } = await startScriptedServer(t, [problem, createdResponse])
    const call = createClient({ baseUrl: url }).createUser(101, jane)
    await t.rejects(call, { name: 'ProblemError', code, attempts: 1 })
    t.equal(requests.length, 1)
  })
}

t.test('a rejection by Procore without Retry-After is not retried', async t => {
  const problem = problemResponse('procore_bad_response', 'rejected')
  const { url, requests } = await startScriptedServer(t, [problem, createdResponse])
  const call = createClient({ baseUrl: url }).createUser(101, jane)
  await t.rejects(call, { code: 'procore_bad_response', outcome: 'rejected' })
  t.equal(requests.length, 1)
})

const unknownOutcomes = [
  { name: 'a problem', response: problemResponse('procore_timeout', 'unknown'), errorName: 'ProblemError' },
  { name: 'a lost connection', response: 'reset', errorName: 'NetworkError' },
] as const

for (const { code, outcome } of [
  { code: 'procore_unreachable', outcome: 'unknown' },
  { code: 'procore_timeout', outcome: 'unknown' },
  { code: 'procore_bad_response', outcome: 'unknown' },
  { code: 'procore_unavailable', outcome: 'unknown' },
  { code: 'procore_unauthorized', outcome: 'unknown' },
  { code: 'internal', outcome: 'unknown' },
  { code: 'overloaded', outcome: undefined },
] as const) {
  t.test(`a create that fails with ${code} without an outcome has the outcome ${outcome}`, async t => {
    const { url } = await startScriptedServer(t, [problemResponse(code)])
    const { send } = createClient({ baseUrl: url })
    const error = await catchError(send('post', '/companies/{company_id}/users', withoutKey))
    t.ok(error instanceof ProblemError)
    t.equal(error instanceof ProblemError ? error.outcome : 'none', outcome)
  })
}

t.test('an invitation that the gateway lost without an outcome is not sent again without a key', async t => {
  const { url, requests } = await startScriptedServer(t, [problemResponse('procore_unreachable')])
  const { send } = createClient({ baseUrl: url })
  const path = { company_id: 101, id: 1 }
  const call = send('patch', '/companies/{company_id}/users/{id}/invite', { path })
  await t.rejects(call, { code: 'procore_unreachable', outcome: 'unknown' })
  t.equal(requests.length, 1)
})

for (const { name, response, errorName } of unknownOutcomes) {
  t.test(`an unknown outcome because of ${name} is not retried without an idempotency key`, async t => {
    const { url, requests } = await startScriptedServer(t, [response, createdResponse])
    const { send } = createClient({ baseUrl: url })
    await t.rejects(send('post', '/companies/{company_id}/users', withoutKey), {
      name: errorName,
      outcome: 'unknown',
      attempts: 1,
      idempotencyKey: undefined,
    })
    t.equal(requests.length, 1)
    t.equal(requests[0]?.headers['idempotency-key'], undefined)
  })
}

t.test('the outcome not_sent is retried without an idempotency key', async t => {
  const { url } = await startScriptedServer(t, [problemResponse('procore_unreachable', 'not_sent'), createdResponse])
  const { send } = createClient({ baseUrl: url })
  t.match(await send('post', '/companies/{company_id}/users', withoutKey), { attempts: 2 })
})

for (const status of [402, 403, 404, 409, 410, 412, 423]) {
  t.test(`a reactivation that is rejected with ${status} after a lost response stays unknown`, async t => {
    const rejection = { ...problemResponse('procore_rejected', 'rejected'), status }
    const body = rejection.body.replace(/"status":\d+/, `"status":${status}`)
    const { url, requests } = await startScriptedServer(t, ['reset', { ...rejection, body }])
    const call = createClient({ baseUrl: url }).reactivateUser(101, 7)
    await t.rejects(call, { name: 'NetworkError', outcome: 'unknown', attempts: 2 })
    t.equal(requests.length, 2)
  })
}

const inconclusiveProblems: Array<{ code: ProblemCode, outcome?: Outcome, isAboutChangeOnly?: true }> = [
  { code: 'unauthenticated' },
  { code: 'operation_not_allowed' },
  { code: 'stopping' },
  { code: 'overloaded', outcome: 'not_sent' },
  { code: 'procore_unavailable', outcome: 'not_sent' },
  { code: 'procore_unauthorized', outcome: 'rejected', isAboutChangeOnly: true },
]
for (const { code, outcome, isAboutChangeOnly } of inconclusiveProblems) {
  const rest = `${code} ${outcome === undefined ? 'without an outcome' : `with the outcome ${outcome}`}`
  const script: Array<ScriptedResponse | 'reset'> = ['reset', problemResponse(code, outcome)]
  t.test(`an update that met ${rest} after a lost response stays unknown`, async t => {
    const { url } = await startScriptedServer(t, script)
    const call = createClient({ baseUrl: url }).updateUser(101, 7, { job_title: 'QA' })
    await t.rejects(call, { name: 'NetworkError', outcome: 'unknown', idempotencyKey: undefined })
  })
  if (isAboutChangeOnly === true) continue
  t.test(`a create that met ${rest} after a lost response stays unknown`, async t => {
    const { url, requests } = await startScriptedServer(t, script)
    const call = createClient({ baseUrl: url }).createUser(101, jane, { idempotencyKey: 'a' })
    await t.rejects(call, { name: 'NetworkError', outcome: 'unknown', idempotencyKey: 'a' })
    t.ok(requests.length >= 2)
  })
}

t.test('a create that is rejected after a lost response is rejected, because its key had no other result', async t => {
  const { url } = await startScriptedServer(t, ['reset', problemResponse('procore_rejected', 'rejected')])
  const call = createClient({ baseUrl: url }).createUser(101, jane)
  await t.rejects(call, { name: 'ProblemError', outcome: 'rejected', attempts: 2 })
})

t.test('of two failures whose outcome is unknown the later one is thrown', async t => {
  const problem = problemResponse('procore_timeout', 'unknown')
  const { url } = await startScriptedServer(t, ['reset', problem])
  const call = createClient({ baseUrl: url }).createUser(101, jane)
  await t.rejects(call, { name: 'ProblemError', code: 'procore_timeout', outcome: 'unknown' })
})

t.test('an update that is rejected for its values after a lost response is rejected', async t => {
  const rejection = { ...problemResponse('procore_rejected', 'rejected'), status: 422 }
  const { url } = await startScriptedServer(t, ['reset', rejection])
  const call = createClient({ baseUrl: url }).updateUser(101, 7, { job_title: 'QA' })
  await t.rejects(call, { name: 'ProblemError', outcome: 'rejected', attempts: 2 })
})

t.test('a request that changes nothing is retried after a lost connection without an idempotency key', async t => {
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

t.test('the number of attempts is limited', async t => {
  const { url, requests } = await startScriptedServer(t, [problemResponse('overloaded', 'not_sent', '0')])
  const error = await catchError(createClient({ baseUrl: url }).createUser(101, jane))
  t.ok(error instanceof ProblemError)
  t.match(error, {
    code: 'overloaded',
    outcome: 'not_sent',
    retryAfterMs: 0,
    attempts: limits.attemptsMax,
  })
  t.equal(requests.length, limits.attemptsMax)
})

t.test('waiting for a request with the same key does not count as an attempt, and is limited', async t => {
  const backoff = new Backoff()
  const delaysMs: number[] = []
  const problem = { type: 'about:blank', title: '', status: 409, detail: '', request_id: '' }
  const inProgress = new ProblemError({ ...problem, code: 'idempotency_in_progress' }, 0)
  for (let ms = backoff.nextDelayMs(inProgress); ms !== undefined; ms = backoff.nextDelayMs(inProgress)) {
    delaysMs.push(ms)
  }
  t.ok(delaysMs.length > limits.attemptsMax && delaysMs.every(ms => ms <= limits.backoffMaxMs))
  const totalMs = delaysMs.reduce((sum, ms) => sum + ms)
  t.ok(totalMs <= limits.inProgressDelayTotalMaxMs && totalMs > limits.inProgressDelayTotalMaxMs - limits.backoffMaxMs)
})

t.test('Retry-After in seconds is respected', async t => {
  t.equal(await getRetryDelayMs(t, '1'), 1000)
})

t.test('Retry-After as a date is respected', async t => {
  const delayMs = await getRetryDelayMs(t, new Date(Date.now() + 2000).toUTCString())
  t.ok(delayMs !== undefined && delayMs > 0 && delayMs <= 2000)
})

/** Returns the pause before the retry of a problem that has this Retry-After. */
async function getRetryDelayMs (t: Test, retryAfter: string): Promise<number | undefined> {
  const delaysMs: number[] = []
  const problem = problemResponse('procore_rate_limited', 'not_sent', retryAfter)
  const { url } = await startScriptedServer(t, [problem, createdResponse])
  await createClient({ baseUrl: url }).createUser(101, jane, { onRetry: ({ delayMs }) => delaysMs.push(delayMs) })
  t.equal(delaysMs.length, 1)
  return delaysMs[0]
}

t.test('a Retry-After that is too long is thrown at once', async t => {
  const problem = problemResponse('procore_rate_limited', 'not_sent', '3600')
  const { url, requests } = await startScriptedServer(t, [problem, createdResponse])
  await t.rejects(createClient({ baseUrl: url }).createUser(101, jane), {
    code: 'procore_rate_limited',
    retryAfterMs: 3_600_000,
    attempts: 1,
  })
  t.equal(requests.length, 1)
})

t.test('a pause ends when the call is aborted', async t => {
  const problem = problemResponse('procore_unavailable', 'not_sent', '30')
  const { url, requests } = await startScriptedServer(t, [problem, createdResponse])
  const controller = new AbortController()
  const reason = new Error('changed my mind')
  const call = createClient({ baseUrl: url }).createUser(101, jane, {
    signal: controller.signal,
    onRetry: () => setImmediate(() => controller.abort(reason)),
  })
  t.equal(await catchError(call), reason)
  t.equal(requests.length, 1)
})

t.test('a call whose signal is already aborted sends nothing', async t => {
  const { url, requests } = await startScriptedServer(t, [createdResponse])
  const reason = new Error('too late')
  const call = createClient({ baseUrl: url }).createUser(101, jane, { signal: AbortSignal.abort(reason) })
  t.equal(await catchError(call), reason)
  t.equal(requests.length, 0)
})

t.test('a call that waits for its access token can be aborted', async t => {
  const { url, requests } = await startScriptedServer(t, [createdResponse])
  const controller = new AbortController()
  const reason = new Error('signed out')
  const accessToken = () => {
    setImmediate(() => controller.abort(reason))
    return new Promise<string>(() => {})
  }
  const call = createClient({ baseUrl: url, accessToken }).createUser(101, jane, { signal: controller.signal })
  t.equal(await catchError(call), reason)
  t.equal(requests.length, 0)
})

const htmlResponse = (status: number): ScriptedResponse =>
  ({ status, headers: { 'content-type': 'text/html' }, body: '<h1>Bad Gateway</h1>' })

t.test('an error page of a gateway is retried, and a problem that is not JSON is a NetworkError', async t => {
  const { url } = await startScriptedServer(t, [htmlResponse(502), { ...problemResponse('internal'), body: '{' }])
  await t.rejects(createClient({ baseUrl: url }).createUser(101, jane), {
    name: 'NetworkError',
    reason: 'response',
    status: 500,
    outcome: 'unknown',
    attempts: 2,
  })
})

const invalidProblems = [
  '{"status":400,"code":"bad_request"}',
  '{"status":422,"code":"validation_failed","detail":"","errors":{"city":["is wrong"]}}',
  '[]',
  'null',
]

for (const body of invalidProblems) {
  t.test(`a problem with the invalid body ${body} is a NetworkError`, async t => {
    const { url } = await startScriptedServer(t, [{ ...problemResponse('bad_request'), body }])
    const call = createClient({ baseUrl: url }).createUser(101, jane)
    await t.rejects(call, { name: 'NetworkError', reason: 'response' })
  })
}

t.test('a successful response that is not JSON is a NetworkError', async t => {
  const { url } = await startScriptedServer(t, [htmlResponse(200), createdResponse])
  await t.rejects(createClient({ baseUrl: url }).createUser(101, jane), {
    name: 'NetworkError',
    reason: 'response',
    status: 200,
    attempts: 1,
  })
})

t.test('a redirect is not followed, because it would disclose the access token', async t => {
  const target = await startScriptedServer(t, [createdResponse])
  const { url } = await startScriptedServer(t, [{ status: 307, headers: { location: target.url }, body: '' }])
  const { send } = createClient({ baseUrl: url, accessToken: 'a-token' })
  await t.rejects(send('post', '/companies/{company_id}/users', withoutKey), {
    name: 'NetworkError',
    reason: 'connection',
  })
  t.equal(target.requests.length, 0)
})

t.test('a refused connection is retried and thrown as a NetworkError', async t => {
  const call = createClient({ baseUrl: 'http://127.0.0.1:1' }).createUser(101, jane)
  await t.rejects(call, {
    name: 'NetworkError',
    reason: 'connection',
    attempts: limits.attemptsMax,
    cause: Error,
  })
})

// Not in parallel with other tests, which would get the intercepted timeout.
t.test('a call without a response times out and is not retried', { buffered: false }, async t => {
  const { url, requests } = await startScriptedServer(t, ['silence'])
  const timeout = AbortSignal.timeout.bind(AbortSignal)
  const timeoutsMs: number[] = []
  t.intercept(AbortSignal, 'timeout', {
    value: (ms: number) => {
      timeoutsMs.push(ms)
      return timeout(200)
    },
  })
  const error = await catchError(createClient({ baseUrl: url }).createUser(101, jane))
  t.ok(error instanceof NetworkError)
  t.match(error, { reason: 'timeout', outcome: 'unknown', attempts: 1, idempotencyKey: String })
  t.strictSame(timeoutsMs, [limits.callTimeoutMs])
  t.equal(requests.length, 1)
})

t.test('every attempt gets a new access token and uses the custom fetch', async t => {
  const { url, requests } = await startScriptedServer(t, [problemResponse('stopping'), createdResponse])
  let tokenCount = 0
  let fetchCount = 0
  const countingFetch: typeof fetch = (...args) => {
    fetchCount++
    return fetch(...args)
  }
  const accessToken = async () => `token-${++tokenCount}`
  await createClient({ baseUrl: url, accessToken, fetch: countingFetch }).createUser(101, jane)
  t.strictSame(requests.map(({ headers }) => headers.authorization), ['Bearer token-1', 'Bearer token-2'])
  t.equal(fetchCount, 2)
})
