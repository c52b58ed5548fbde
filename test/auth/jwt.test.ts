// CALLER_AUTH=jwt: who gets in, who does not, what they are told, and what it takes of the issuer.
import { createHmac } from 'node:crypto'
import { mock } from 'node:test'
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { skipTime } from '../helpers/skip-time.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

t.test('every asymmetric algorithm is taken', async t => {
  for (const algorithm of ['RS256', 'RS512', 'PS256', 'PS384', 'ES256', 'ES384', 'ES512', 'EdDSA']) {
    const issuer = await startIssuer(t, algorithm)
    const { usersUrl } = await startService(t, { env: issuer.env })
    t.equal((await sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign()))).status, 201, algorithm)
  }
})

t.test('what is not a valid token of this issuer for this service is refused before anything is read or asked', async t => {
  const issuer = await startIssuer(t)
  const stranger = await startIssuer(t)
  const { usersUrl, emulator } = await startService(t, { env: issuer.env })
  const good = await issuer.sign()
  const [head = '', payload = '', signature = ''] = good.split('.')
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { sub: 'caller', iss: issuer.env['JWT_ISSUER'], aud: issuer.env['JWT_AUDIENCE'], exp: 4_000_000_000 }
  const symmetric = `${encode({ alg: 'HS256', kid: 'key-0' })}.${encode(claims)}`
  const bad: Record<string, string> = {
    expired: await issuer.sign({}, { expiresIn: -60 }),
    'not valid yet': await issuer.sign({}, { notBeforeIn: 60 }),
    'another issuer': await issuer.sign({}, { issuer: 'https://evil.example.com/' }),
    'another audience': await issuer.sign({}, { audience: 'another' }),
    'another key': await stranger.sign(),
    'no subject': await issuer.sign({ sub: '' }),
    'a subject that is too long': await issuer.sign({ sub: 'x'.repeat(limits.jwt.subjectMaxLength + 1) }),
    ...Object.fromEntries(await Promise.all(['null', '42', 'true', '["x"]', '{"a":1}', '" "'].map(async sub => [`sub ${sub}`, await issuer.sign(JSON.parse(`{"sub":${sub}}`))]))),
    'no expiry': `${head}.${encode({ ...claims, exp: undefined })}.${signature}`,
    'a changed payload': `${head}.${encode({ ...claims, sub: 'admin' })}.${signature}`,
    'no signature': `${head}.${payload}.`,
    'alg none': `${encode({ alg: 'none' })}.${payload}.`,
    symmetric: `${symmetric}.${createHmac('sha256', 'key').update(symmetric).digest('base64url')}`,
    'a critical header': `${encode({ alg: 'ES256', kid: 'key-0', crit: ['x'], x: 1 })}.${payload}.${signature}`,
    'not a token': 'abc',
    'two tokens': `${good} ${good}`,
    'a token with a comma': `${good},${good}`,
  }
  for (const [name, token] of Object.entries(bad)) {
    const reply = await sendJson(usersUrl, { user: jane }, bearerHeader(token))
    t.match(reply, { status: 401, json: { code: 'unauthenticated', detail: 'The bearer token is not valid.' } }, name)
    t.equal(reply.headers['www-authenticate'], 'Bearer error="invalid_token"', name)
  }
  for (const headers of [{}, { authorization: 'Basic YTpi' }, { authorization: 'bearerx abc' }]) {
    const reply = await sendJson(usersUrl, { user: jane }, headers)
    t.equal(reply.status, 401)
    t.equal(reply.headers['www-authenticate'], 'Bearer', 'no error code without a token (RFC 6750 §3.1)')
  }
  t.equal(emulator.apiRequests.length, 0)
  t.equal((await sendJson(usersUrl, { user: jane }, { authorization: `bEaReR   ${good} ` })).status, 201)
})

t.test('the other routes are open', async t => {
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  for (const path of ['/livez', '/readyz', '/openapi.json']) t.equal((await send(`${url}${path}`, { method: 'GET' })).status, 200, path)
})

t.test('the clock of the issuer may differ by some seconds', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl } = await startService(t, { env: issuer.env })
  t.equal((await sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign({}, { notBeforeIn: 3 })))).status, 201)
  t.equal((await sendJson(usersUrl.replace('101', '102'), { user: jane }, bearerHeader(await issuer.sign({}, { expiresIn: -2 })))).status, 201)
})

t.test('keys: a crowd costs one request, a new key is found, an unknown one is looked for once in a while', async t => {
  const skip = skipTime(t)
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  const create = (token: string, company: number) => sendJson(`${url}/companies/${company}/users`, { user: jane }, bearerHeader(token))
  const token = await issuer.sign()
  const replies = await Promise.all(Array.from({ length: 20 }, (_, index) => create(token, index + 1)))
  t.ok(replies.every(({ status }) => status === 201))
  t.equal(issuer.requestCount, 1)

  await issuer.rotate()
  const rotated = await issuer.sign()
  t.equal((await create(rotated, 30)).status, 401, 'in the pause after the last attempt')
  skip(limits.jwks.cooldownMs)
  t.equal((await create(rotated, 31)).status, 201)
  t.equal(issuer.requestCount, 2)

  const stranger = await startIssuer(t)
  for (let index = 0; index < 5; index++) await stranger.rotate()
  for (let index = 0; index < 5; index++) t.equal((await create(await stranger.sign({ jti: String(index) }), 32)).status, 401)
  t.equal(issuer.requestCount, 2)
})

t.test('keys stay in use while the issuer is away; without any, callers are told so', async t => {
  const skip = skipTime(t)
  const issuer = await startIssuer(t)
  const { usersUrl, url } = await startService(t, { env: issuer.env })
  issuer.isDown = true
  const early = await sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign()))
  t.match(early, { status: 503, json: { code: 'identity_unavailable' }, headers: { 'retry-after': '10' } })
  t.match((await send(`${url}/readyz`, { method: 'GET' })).json, { dependencies: { identity: { state: 'down' } } })
  for (let index = 0; index < 5; index++) await sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign({ jti: String(index) })))
  t.equal(issuer.requestCount, 1, 'not asked by every request')

  issuer.isDown = false
  skip(limits.jwks.cooldownMs)
  t.equal((await sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign()))).status, 201)
  issuer.isDown = true
  skip(limits.jwks.maxAgeMs)
  const later = await issuer.sign({}, { expiresIn: 86_400 })
  t.equal((await sendJson(usersUrl.replace('101', '102'), { user: jane }, bearerHeader(later))).status, 201)
  await waitUntil(() => issuer.requestCount === 3)

  await issuer.rotate()
  skip(limits.jwks.cooldownMs)
  t.match((await sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign({}, { expiresIn: 86_400 })))).json, { code: 'identity_unavailable' }, 'its key may be a new one')
})

t.test('an attempt that failed is repeated by itself until it succeeds, although nobody calls', async t => {
  const issuer = await startIssuer(t)
  const { url, app, lines } = await startService(t, { env: issuer.env })
  const failures = () => lines.filter(({ msg }) => msg === 'cannot fetch the keys that verify callers').length
  const identity = async () => Object((await send(`${url}/readyz`, { method: 'GET' })).json['dependencies']).identity.state
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  issuer.isDown = true
  app.auth.jwks?.fetchInBackground()
  for (const attempts of [1, 2, 3]) {
    await waitUntil(() => failures() === attempts)
    t.equal(await identity(), 'down')
    mock.timers.tick(limits.jwks.cooldownMs - 1)
    t.equal(issuer.requestCount, attempts, 'not before the pause is over')
    if (attempts === 3) issuer.isDown = false
    mock.timers.tick(1)
  }
  await waitUntil(() => app.auth.jwks?.status.isUp === true)
  t.equal(await identity(), 'up')
  mock.timers.tick(limits.jwks.maxAgeMs)
  t.equal(issuer.requestCount, 4, 'and then no more')
})

t.test('a verified token is not verified again for five minutes, and never past its expiry', async t => {
  const skip = skipTime(t)
  const issuer = await startIssuer(t)
  const { url, app } = await startService(t, { env: issuer.env })
  const { jwks } = app.auth
  let verified = 0
  if (jwks === undefined) throw new Error('no keys')
  const find = jwks.getKey
  Object.assign(jwks, { getKey: (...input: Parameters<typeof find>) => { verified++; return find(...input) } })
  const create = async (token: string, company: number) => (await sendJson(`${url}/companies/${company}/users`, { user: jane }, bearerHeader(token))).status
  const long = await issuer.sign({}, { expiresIn: 86_400 })
  const short = await issuer.sign({}, { expiresIn: 60 })
  t.equal(await create(long, 1), 201)
  t.equal(await create(short, 2), 201)
  t.equal(verified, 2)
  t.equal(await create(long, 3), 201)
  t.equal(verified, 2)
  skip(61_000 + limits.jwt.clockToleranceMs)
  t.equal(await create(long, 4), 201)
  t.equal(await create(short, 5), 401)
  t.equal(verified, 3, 'the one that is over')
  skip(limits.jwt.cacheTtlMs)
  t.equal(await create(long, 6), 201)
  t.equal(verified, 4)
})
