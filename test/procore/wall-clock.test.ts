// Tests that setting the wall clock back by an hour, as a time server does, extends no wait and no age.
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { get } from '../helpers/request-builders.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { createdResponse, startScriptedServer } from '../helpers/scripted-server.ts'
import { startService } from '../helpers/service.ts'
import { moveWallClock, skipTime } from '../helpers/skip-time.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const headers = { 'content-type': 'application/json' }
const tokenResponse = { status: 200, headers, body: '{"access_token":"tok","token_type":"bearer","expires_in":5400}' }
const unavailableResponse = { status: 503, headers, body: '{}' }
const anHourBack = -3_600_000

t.test('an open circuit breaker probes the API host at its interval after the clock was set back', async t => {
  const moveClock = moveWallClock(t)
  const failures = Array.from({ length: limits.breaker.failures }, () => unavailableResponse)
  const { url } = await startScriptedServer(t, [tokenResponse, ...failures, createdResponse])
  const { usersUrl, lines } = await startService(t, { procoreUrl: url })
  for (let index = 0; index < failures.length; index++) await sendJson(usersUrl, { user: jane })
  t.match((await sendJson(usersUrl, { user: jane })).json, { code: 'procore_unavailable', outcome: 'not_sent' })
  moveClock(anHourBack)
  t.ok(Number((await sendJson(usersUrl, { user: jane })).headers['retry-after']) <= 2)
  await waitUntil(() => lines.some(({ msg }) => msg === 'the API host has recovered'))
})

t.test('a request that waits for the rate limit is sent at the reset after the clock was set back', async t => {
  const moveClock = moveWallClock(t)
  const exhausted = {
    ...createdResponse,
    headers: {
      ...createdResponse.headers,
      'x-rate-limit-limit': '10',
      'x-rate-limit-remaining': '0',
      'x-rate-limit-reset': String(Math.ceil(Date.now() / 1000) + 1),
      date: new Date().toUTCString(),
    },
  }
  const server = await startScriptedServer(t, [tokenResponse, exhausted, createdResponse])
  const { usersUrl, app } = await startService(t, { procoreUrl: server.url, env: { RATE_LIMIT_MAX_WAIT_MS: '60000' } })
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  const waiting = sendJson(usersUrl, { user: jane })
  await waitUntil(() => app.procore.rateLimiter.waitingCount === 1)
  moveClock(anHourBack)
  t.equal((await waiting).status, 201)
})

t.test('a cached list is fetched again at the end of its lifetime after the clock was set back', async t => {
  const skip = skipTime(t)
  const moveClock = moveWallClock(t)
  const server = await startScriptedServer(t, [tokenResponse, { status: 200, headers, body: '[]' }])
  const { url } = await startService(t, { procoreUrl: server.url })
  await get(`${url}/companies/101/trades`)
  moveClock(anHourBack)
  t.equal((await get(`${url}/companies/101/trades`)).headers['age'], '0')
  t.equal(server.requests.length, 2)
  skip(60_000)
  t.equal((await get(`${url}/companies/101/trades`)).status, 200)
  t.equal(server.requests.length, 3)
})
