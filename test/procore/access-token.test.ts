// The token: one for all, renewed ahead by one attempt at a time, kept to its end, dropped on a 401, and never asked for by a crowd.
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { Problem } from '../../src/server/problem.ts'
import { AccessTokenProvider } from '../../src/procore/auth/token-provider.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, jane, janeParts, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const noop = () => {}
const silentLogger: Logger = { debug: noop, info: noop, warn: noop, error: noop }
const create = (index: number) => ({ user: { ...jane, email_address: `jane${index}@example.com` } })

t.test('a crowd without a token costs one request to the login host', async t => {
  const { usersUrl, emulator } = await startService(t, { ready: false })
  const replies = await Promise.all(Array.from({ length: 50 }, (_, index) => sendJson(usersUrl, create(index))))
  t.ok(replies.every(({ status }) => status === 201))
  t.equal(emulator.tokenRequests.length, 1)
  t.match(emulator.tokenRequests[0]?.headers['content-type'], /^application\/x-www-form-urlencoded/)
  t.equal(emulator.tokenRequests[0]?.headers.authorization, undefined)
  t.equal(String(emulator.tokenRequests[0]?.body.toString().split('&').sort().join('&')), 'client_id=demo-client&client_secret=demo-secret&grant_type=client_credentials')
})

t.test('a token that was revoked under a crowd costs one renewal, and every request ends well', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.api.revokeAccessTokens()
  const replies = await Promise.all(Array.from({ length: 500 }, (_, index) => sendJson(usersUrl, create(index))))
  t.ok(replies.every(({ status }) => status === 201))
  t.equal(emulator.tokenRequests.length, 2)
  t.equal(emulator.api.directory.users.size, 500, 'none twice')
})

t.test('a held form is repeated after a 401, a streamed one is told to come again', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.api.revokeAccessTokens()
  t.equal((await sendMultipart(usersUrl, multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png() }, ...janeParts]))).status, 201)
  emulator.api.directory.users.clear()
  emulator.api.revokeAccessTokens()
  const big = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(1_000_000) }, ...janeParts])
  const refused = await sendMultipart(usersUrl, big)
  t.match(refused.json, { status: 503, code: 'procore_unavailable', outcome: 'rejected' })
  t.equal(refused.headers['retry-after'], '1')
  t.equal((await sendMultipart(usersUrl, big)).status, 201)
})

t.test('a 401 that stays is procore_unauthorized after one repeat, and makes no storm at the login host', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 401, body: '{"errors":"Invalid Token"}', rate: 1 })
  for (let index = 0; index < 30; index++) t.match((await sendJson(usersUrl, { user: jane })).json, { status: 502, code: 'procore_unauthorized', outcome: 'rejected' })
  t.ok(emulator.tokenRequests.length <= 1 + limits.accessToken.invalidationBurst)
  t.ok(emulator.apiRequests.length <= 30 + limits.accessToken.invalidationBurst, 'the same token is not tried again')
})

t.test('a company that is refused whatever the token does not keep the others from theirs', async t => {
  const { url, usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 401, body: '', rate: 1, path: '/companies/666/' })
  for (let index = 0; index < 20; index++) {
    t.match((await sendJson(`${url}/companies/666/users`, { user: jane })).json, { status: 502, code: 'procore_unauthorized' })
    t.equal((await sendJson(usersUrl, create(index))).status, 201)
  }
})

t.test('the very first token may be refused once, and the request still ends well', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 401, body: '' })
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  t.equal(emulator.tokenRequests.length, 2)
})

t.test('credentials that are refused', async t => {
  for (const invalidClientStatus of [400, 401] as const) {
    const { usersUrl, emulator, url, lines } = await startService(t, { env: { PROCORE_CLIENT_SECRET: 'wrong-secret' }, emulator: { invalidClientStatus }, ready: false })
    const reply = await sendJson(usersUrl, { user: jane })
    t.match(reply.json, { status: 502, code: 'procore_unauthorized', outcome: 'not_sent' })
    t.notMatch(reply.text, /wrong-secret|demo-client|unknown client/)
    t.equal((await send(`${url}/readyz`, { method: 'GET' })).status, 503)
    t.equal(emulator.apiRequests.length, 0)
    t.notMatch(JSON.stringify(lines), /wrong-secret/)
  }
})

t.test('credentials that are refused with a challenge beside the error, as Doorkeeper does', async t => {
  const { usersUrl, emulator } = await startService(t, { ready: false })
  emulator.faults.add({ kind: 'status', status: 401, body: '{"error":"invalid_client"}', headers: { 'www-authenticate': 'Bearer realm="Doorkeeper", error="invalid_client"' }, on: 'token', rate: 1 })
  t.match((await sendJson(usersUrl, { user: jane })).json, { status: 502, code: 'procore_unauthorized', outcome: 'not_sent' })
})

t.test('a token that is over when it comes makes no storm', async t => {
  const { usersUrl, emulator } = await startService(t, { ready: false })
  emulator.faults.add({ kind: 'status', status: 200, body: '{"access_token":"a","token_type":"bearer","expires_in":0}', on: 'token', rate: 1 })
  for (let index = 0; index < 5; index++) t.match((await sendJson(usersUrl, { user: jane })).json, { status: 503, code: 'procore_unavailable' })
  t.ok(emulator.tokenRequests.length <= 2)
})

t.test('a login host that is away or talks nonsense is procore_unavailable, and not asked by every request', async t => {
  const faults = [{ kind: 'status', status: 503, body: '' }, { kind: 'status', status: 200, body: '{}' }, { kind: 'status', status: 200, body: '<html>' }, { kind: 'reset-before-body' }, { kind: 'garbage' }, { kind: 'status', status: 302, body: '', headers: { location: 'http://127.0.0.1:1/' } }] as const
  for (const fault of faults) {
    const { usersUrl, emulator } = await startService(t, { ready: false })
    emulator.faults.add({ ...fault, on: 'token', rate: 1 })
    const replies = await Promise.all(Array.from({ length: 20 }, () => sendJson(usersUrl, { user: jane })))
    for (const { json } of replies) t.match(json, { status: 503, code: 'procore_unavailable', outcome: 'not_sent' })
    const paused = await sendJson(usersUrl, { user: jane })
    t.match(paused.json, { status: 503, code: 'procore_unavailable' })
    t.equal(paused.headers['retry-after'], '1')
    t.equal(emulator.tokenRequests.length, 1, fault.kind)
  }
})

t.test('refused credentials are in the log once a minute, not at every attempt or request', async t => {
  let now = 1_000_000
  t.intercept(Date, 'now', { value: () => now })
  const lines: string[] = []
  const tokens = new AccessTokenProvider(async () => { throw new Problem('procore_unauthorized', 'refused', { outcome: 'not_sent', cause: new Error('invalid_client') }) }, { ...silentLogger, warn: (_fields: unknown, message?: unknown) => { lines.push(String(message)) } })
  for (let attempt = 0; attempt < 12; attempt++) {
    await t.rejects(tokens.get(), { code: 'procore_unauthorized', cause: undefined })
    now += 10_000
  }
  t.equal(lines.length, 2)
  tokens.stop()
})

t.test('renewed ahead of its end', async t => {
  const { emulator, app } = await startService(t, { emulator: { expiresInSeconds: 1 } })
  const first = app.procore.accessTokens.current()
  while (emulator.tokenRequests.length < 3) await new Promise(resolve => setTimeout(resolve, 50))
  t.not(app.procore.accessTokens.current(), first)
})

t.test('kept in use while a renewal ahead fails, and never used beyond its end', async t => {
  let now = 1_000_000
  t.intercept(Date, 'now', { value: () => now })
  let asked = 0
  const tokens = new AccessTokenProvider(async () => {
    if (asked++ > 0) throw new Problem('procore_unavailable', 'away', { outcome: 'not_sent' })
    return { value: 'first', issuedAtMs: now, lifetimeMs: 1000 }
  }, silentLogger)
  t.equal(await tokens.get(), 'first')
  now += 900
  tokens.start()
  await new Promise(resolve => setImmediate(resolve))
  t.equal(asked, 2)
  t.equal(await tokens.get(), 'first')
  now += 100
  await t.rejects(tokens.get(), { code: 'procore_unavailable', extras: { headers: { 'retry-after': '1' } } })
  t.equal(asked, 2)
  tokens.stop()
})

t.test('a token of yesterday that is refused late does not drop the one of today', async t => {
  let asked = 0
  const tokens = new AccessTokenProvider(async () => ({ value: `token-${++asked}`, issuedAtMs: Date.now(), lifetimeMs: 60_000 }), silentLogger)
  t.equal(await tokens.get(), 'token-1')
  tokens.invalidate('token-1')
  tokens.invalidate('token-1')
  t.equal(await tokens.get(), 'token-2')
  tokens.invalidate('token-1')
  t.equal(await tokens.get(), 'token-2')
  t.equal(asked, 2)
  tokens.stop()
})
