// Tests how the service obtains, renews and drops the access token that all requests share.
import t from 'tap'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { limits } from '../../src/config/limits.ts'
import { Problem } from '../../src/server/problem.ts'
import { AccessTokenProvider } from '../../src/procore/auth/token-provider.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import { png } from '../helpers/images.ts'
import {
  multipartBody, jane, janeParts, send, sendMultipart, sendJson, type TestResponse,
} from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { moveWallClock, skipTime } from '../helpers/skip-time.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const noop = () => {}
const silentLogger: Logger = { debug: noop, info: noop, warn: noop, error: noop }
const createBody = (index: number) => ({ user: { ...jane, email_address: `jane${index}@example.com` } })

t.test('many requests without an access token cause one request to the login host', async t => {
  const { usersUrl, emulator } = await startService(t, { ready: false })
  const creates = Array.from({ length: 50 }, (_, index) => sendJson(usersUrl, createBody(index)))
  const responses = await Promise.all(creates)
  t.ok(responses.every(({ status }) => status === 201))
  t.equal(emulator.tokenRequests.length, 1)
  const [tokenRequest] = emulator.tokenRequests
  t.match(tokenRequest?.headers['content-type'], /^application\/x-www-form-urlencoded/)
  t.equal(tokenRequest?.headers.authorization, undefined)
  const parameters = String(tokenRequest?.body.toString().split('&').sort().join('&'))
  t.equal(parameters, 'client_id=demo-client&client_secret=demo-secret&grant_type=client_credentials')
})

t.test('an access token revoked before many requests is renewed once, and every request succeeds', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.api.revokeAccessTokens()
  const creates = Array.from({ length: 500 }, (_, index) => sendJson(usersUrl, createBody(index)))
  const responses = await Promise.all(creates)
  t.ok(responses.every(({ status }) => status === 201))
  t.equal(emulator.tokenRequests.length, 2)
  t.equal(emulator.api.directory.users.size, 500, 'no user is created twice')
})

t.test('a buffered form is sent again after a 401, and a streamed one is answered with Retry-After', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.api.revokeAccessTokens()
  const smallForm = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png() }, ...janeParts])
  t.equal((await sendMultipart(usersUrl, smallForm)).status, 201)
  emulator.api.directory.users.clear()
  emulator.api.revokeAccessTokens()
  const largeForm = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(1_000_000) }, ...janeParts])
  const refused = await sendMultipart(usersUrl, largeForm)
  t.match(refused.json, { status: 503, code: 'procore_unavailable', outcome: 'rejected' })
  t.equal(refused.headers['retry-after'], '1')
  t.equal((await sendMultipart(usersUrl, largeForm)).status, 201)
})

t.test('a persistent 401 is procore_unauthorized after one retry, with few requests to the login host', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 401, body: '{"errors":"Invalid Token"}', rate: 1 })
  for (let index = 0; index < 30; index++) {
    const { json } = await sendJson(usersUrl, { user: jane })
    t.match(json, { status: 502, code: 'procore_unauthorized', outcome: 'rejected' })
  }
  t.ok(emulator.tokenRequests.length <= 1 + limits.accessToken.invalidationBurst)
  const apiRequestsMax = 30 + limits.accessToken.invalidationBurst
  t.ok(emulator.apiRequests.length <= apiRequestsMax, 'the same access token is not sent again')
})

t.test('a company whose every access token is refused does not affect the other companies', async t => {
  const { url, usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 401, body: '', rate: 1, path: '/companies/666/' })
  for (let index = 0; index < 20; index++) {
    const refused = await sendJson(`${url}/companies/666/users`, { user: jane })
    t.match(refused.json, { status: 502, code: 'procore_unauthorized' })
    t.equal((await sendJson(usersUrl, createBody(index))).status, 201)
  }
})

t.test('a request succeeds although the first access token is refused once', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 401, body: '' })
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  t.equal(emulator.tokenRequests.length, 2)
})

t.test('credentials that the login host refuses', async t => {
  for (const invalidClientStatus of [400, 401] as const) {
    await t.test(`with status ${invalidClientStatus} are procore_unauthorized and not in response or log`, async t => {
      const { usersUrl, emulator, url, lines } = await startService(t, {
        env: { PROCORE_CLIENT_SECRET: 'wrong-secret' }, emulator: { invalidClientStatus }, ready: false
      })
      const response = await sendJson(usersUrl, { user: jane })
      t.match(response.json, { status: 502, code: 'procore_unauthorized', outcome: 'not_sent' })
      t.notMatch(response.text, /wrong-secret|demo-client|unknown client/)
      t.equal((await send(`${url}/readyz`, { method: 'GET' })).status, 503)
      t.equal(emulator.apiRequests.length, 0)
      t.notMatch(JSON.stringify(lines), /wrong-secret/)
    })
  }
})

t.test('credentials refused with a challenge beside the error, as Doorkeeper does, are unauthorized', async t => {
  const { usersUrl, emulator } = await startService(t, { ready: false })
  const headers = { 'www-authenticate': 'Bearer realm="Doorkeeper", error="invalid_client"' }
  const body = '{"error":"invalid_client"}'
  emulator.faults.add({ kind: 'status', status: 401, body, headers, on: 'token', rate: 1 })
  const { json } = await sendJson(usersUrl, { user: jane })
  t.match(json, { status: 502, code: 'procore_unauthorized', outcome: 'not_sent' })
})

t.test('an access token that has expired on arrival causes at most two requests to the login host', async t => {
  const { usersUrl, emulator } = await startService(t, { ready: false })
  const body = '{"access_token":"a","token_type":"bearer","expires_in":0}'
  emulator.faults.add({ kind: 'status', status: 200, body, on: 'token', rate: 1 })
  for (let index = 0; index < 5; index++) {
    const { json } = await sendJson(usersUrl, { user: jane })
    t.match(json, { status: 503, code: 'procore_unavailable' })
  }
  t.ok(emulator.tokenRequests.length <= 2)
})

t.test('a failing login host is procore_unavailable, and one request is sent to it', async t => {
  const failures: Array<{ name: string, fault: InjectedFault }> = [
    { name: '503', fault: { kind: 'status', status: 503, body: '' } },
    { name: 'JSON without an access token', fault: { kind: 'status', status: 200, body: '{}' } },
    { name: 'HTML', fault: { kind: 'status', status: 200, body: '<html>' } },
    { name: 'a reset connection', fault: { kind: 'reset-before-body' } },
    { name: 'bytes that are not HTTP', fault: { kind: 'garbage' } },
    {
      name: 'a redirect',
      fault: { kind: 'status', status: 302, body: '', headers: { location: 'http://127.0.0.1:1/' } },
    },
  ]
  for (const { name, fault } of failures) {
    await t.test(`the login host responds with ${name}`, async t => {
      const { usersUrl, emulator } = await startService(t, { ready: false })
      emulator.faults.add({ ...fault, on: 'token', rate: 1 })
      const responses = await Promise.all(Array.from({ length: 20 }, () => sendJson(usersUrl, { user: jane })))
      for (const { json } of responses) t.match(json, { status: 503, code: 'procore_unavailable', outcome: 'not_sent' })
      const duringPause = await sendJson(usersUrl, { user: jane })
      t.match(duringPause.json, { status: 503, code: 'procore_unavailable' })
      t.equal(duringPause.headers['retry-after'], '1')
      t.equal(emulator.tokenRequests.length, 1)
    })
  }
})

t.test('a wait that the login host asks for', async t => {
  const inTwoMinutes = () => new Date(Date.now() + 120_000).toUTCString()
  const rows = [
    { name: 'in seconds is reported and respected', status: 429, retryAfter: () => '120', seconds: 120 },
    { name: 'as a date is reported and respected', status: 503, retryAfter: inTwoMinutes, seconds: 120 },
    { name: 'of years is an hour', status: 429, retryAfter: () => '999999999999', seconds: 3600 },
    { name: 'with refused credentials is respected', status: 401, retryAfter: () => '120', seconds: 120 },
  ]
  for (const { name, status, retryAfter, seconds } of rows) {
    await t.test(`${name}, and then one request probes`, async t => {
      const skip = skipTime(t)
      const { usersUrl, emulator, app } = await startService(t, { ready: false })
      const body = '{"error":"invalid_client"}'
      emulator.faults.add({ kind: 'status', status, body, headers: { 'retry-after': retryAfter() }, on: 'token' })
      const isReported = ({ json, headers }: TestResponse) => {
        t.match(json, { code: status === 401 ? 'procore_unauthorized' : 'procore_unavailable', outcome: 'not_sent' })
        const reported = Number(headers['retry-after'])
        t.ok(reported >= seconds - 1 && reported <= seconds, `${reported} s`)
      }
      isReported(await sendJson(usersUrl, { user: jane }))
      isReported(await sendJson(usersUrl, { user: jane }))
      app.procore.accessTokens.start()
      t.equal(emulator.tokenRequests.length, 1, 'nothing but the end of the wait starts a request')
      skip(seconds * 1000)
      t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
      t.equal(emulator.tokenRequests.length, 2)
    })
  }
})

t.test('a wait that the login host asks for is respected when the API refuses the access token', async t => {
  const { usersUrl, emulator, app } = await startService(t)
  const headers = { 'retry-after': '120' }
  emulator.faults.add({ kind: 'status', status: 429, body: '', headers, on: 'token', rate: 1 })
  app.procore.accessTokens.start()
  await waitUntil(() => emulator.tokenRequests.length === 2)
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201, 'the access token stays in use')
  emulator.api.revokeAccessTokens()
  for (let index = 1; index < 4; index++) {
    const { json } = await sendJson(usersUrl, createBody(index))
    t.match(json, { status: 503, code: 'procore_unavailable', outcome: 'not_sent' })
  }
  t.equal(emulator.tokenRequests.length, 2)
})

t.test('a wall clock that is set back', async t => {
  await t.test('does not extend the lifetime of an access token', async t => {
    const moveClock = moveWallClock(t)
    const { emulator, app } = await startService(t, { emulator: { expiresInSeconds: 1 } })
    const first = app.procore.accessTokens.current()
    moveClock(-3_600_000)
    await waitUntil(() => emulator.tokenRequests.length === 2)
    await waitUntil(() => app.procore.accessTokens.current() !== first)
  })
  await t.test('does not extend the pause after a failure of the login host', async t => {
    const moveClock = moveWallClock(t)
    const { usersUrl, emulator } = await startService(t, { ready: false })
    emulator.faults.add({ kind: 'status', status: 503, body: '', on: 'token' })
    t.equal((await sendJson(usersUrl, { user: jane })).status, 503)
    moveClock(-3_600_000)
    const { headers } = await sendJson(usersUrl, { user: jane })
    t.equal(headers['retry-after'], '1')
  })
})

t.test('refused credentials are logged once a minute, not at every fetch or request', async t => {
  let now = 1_000_000
  t.intercept(performance, 'now', { value: () => now })
  const lines: string[] = []
  const log = { ...silentLogger, warn: (_fields: unknown, message?: unknown) => { lines.push(String(message)) } }
  const accessTokens = new AccessTokenProvider(async () => {
    throw new Problem('procore_unauthorized', 'refused', { outcome: 'not_sent', cause: new Error('invalid_client') })
  }, log)
  for (let attempt = 0; attempt < 12; attempt++) {
    await t.rejects(accessTokens.get(), { code: 'procore_unauthorized', cause: undefined })
    now += 10_000
  }
  t.equal(lines.length, 2)
  accessTokens.stop()
})

t.test('an access token is renewed before it expires', async t => {
  const { emulator, app } = await startService(t, { emulator: { expiresInSeconds: 1 } })
  const first = app.procore.accessTokens.current()
  while (emulator.tokenRequests.length < 3) await new Promise(resolve => setTimeout(resolve, 50))
  t.not(app.procore.accessTokens.current(), first)
})

t.test('an access token stays in use while its renewal fails, and is not used after it has expired', async t => {
  let now = 1_000_000
  t.intercept(performance, 'now', { value: () => now })
  let fetches = 0
  const accessTokens = new AccessTokenProvider(async () => {
    if (fetches++ > 0) throw new Problem('procore_unavailable', 'down', { outcome: 'not_sent' })
    return { value: 'first', issuedAtMs: now, lifetimeMs: 1000 }
  }, silentLogger)
  t.equal(await accessTokens.get(), 'first')
  now += 900
  accessTokens.start()
  await new Promise(resolve => setImmediate(resolve))
  t.equal(fetches, 2)
  t.equal(await accessTokens.get(), 'first')
  now += 100
  await t.rejects(accessTokens.get(), { code: 'procore_unavailable', extras: { headers: { 'retry-after': '1' } } })
  t.equal(fetches, 2)
  accessTokens.stop()
})

t.test('a late 401 for a previous access token does not drop the current one', async t => {
  let fetches = 0
  const fetchAccessToken = async () => {
    return { value: `token-${++fetches}`, issuedAtMs: performance.now(), lifetimeMs: 60_000 }
  }
  const accessTokens = new AccessTokenProvider(fetchAccessToken, silentLogger)
  t.equal(await accessTokens.get(), 'token-1')
  accessTokens.invalidate('token-1')
  accessTokens.invalidate('token-1')
  t.equal(await accessTokens.get(), 'token-2')
  accessTokens.invalidate('token-1')
  t.equal(await accessTokens.get(), 'token-2')
  t.equal(fetches, 2)
  accessTokens.stop()
})
