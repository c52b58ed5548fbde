// Authentication of callers by JWT (CALLER_AUTH=jwt), and the requests to the issuer that it causes.
import { createHmac } from 'node:crypto'
import { mock } from 'node:test'
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { skipTime } from '../helpers/skip-time.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

for (const algorithm of ['RS256', 'RS512', 'PS256', 'PS384', 'ES256', 'ES384', 'ES512', 'EdDSA']) {
  t.test(`a JWT signed with ${algorithm} is accepted`, async t => {
    const issuer = await startIssuer(t, algorithm)
    const { usersUrl } = await startService(t, { env: issuer.env })
    t.equal((await sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign()))).status, 201)
  })
}

t.test('a request without a valid JWT of this issuer for this service is rejected', async t => {
  const issuer = await startIssuer(t)
  const otherIssuer = await startIssuer(t)
  const { usersUrl, emulator } = await startService(t, { env: issuer.env })
  const validJwt = await issuer.sign()
  const [header = '', payload = '', signature = ''] = validJwt.split('.')
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = {
    sub: 'caller',
    iss: issuer.env['JWT_ISSUER'],
    aud: issuer.env['JWT_AUDIENCE'],
    exp: 4_000_000_000,
  }
  const unsignedHmacJwt = `${encode({ alg: 'HS256', kid: 'key-0' })}.${encode(claims)}`
  const hmacSignature = createHmac('sha256', 'key').update(unsignedHmacJwt).digest('base64url')
  const criticalHeader = encode({ alg: 'ES256', kid: 'key-0', crit: ['x'], x: 1 })
  const signWithSubject = async (subject: unknown) => issuer.sign(Object.fromEntries([['sub', subject]]))
  const invalidJwts: Record<string, string> = {
    'an expired JWT': await issuer.sign({}, { expiresIn: -60 }),
    'a JWT that is not valid yet': await issuer.sign({}, { notBeforeIn: 60 }),
    'another issuer': await issuer.sign({}, { issuer: 'https://evil.example.com/' }),
    'another audience': await issuer.sign({}, { audience: 'another' }),
    'the key of another issuer': await otherIssuer.sign(),
    'an empty subject': await issuer.sign({ sub: '' }),
    'a subject that is too long': await issuer.sign({ sub: 'x'.repeat(limits.jwt.subjectMaxLength + 1) }),
    'null as subject': await signWithSubject(null),
    'a number as subject': await signWithSubject(42),
    'a boolean as subject': await signWithSubject(true),
    'a list as subject': await signWithSubject(['x']),
    'an object as subject': await signWithSubject({ a: 1 }),
    'a space as subject': await signWithSubject(' '),
    'no expiry': `${header}.${encode({ ...claims, exp: undefined })}.${signature}`,
    'a changed payload': `${header}.${encode({ ...claims, sub: 'admin' })}.${signature}`,
    'no signature': `${header}.${payload}.`,
    'the algorithm none': `${encode({ alg: 'none' })}.${payload}.`,
    'a symmetric algorithm': `${unsignedHmacJwt}.${hmacSignature}`,
    'an unknown critical header': `${criticalHeader}.${payload}.${signature}`,
    'a string that is not a JWT': 'abc',
    'two JWTs separated by a space': `${validJwt} ${validJwt}`,
    'two JWTs separated by a comma': `${validJwt},${validJwt}`,
  }
  for (const [name, jwt] of Object.entries(invalidJwts)) {
    await t.test(`${name}: invalid_token`, async t => {
      const response = await sendJson(usersUrl, { user: jane }, bearerHeader(jwt))
      t.match(response, {
        status: 401,
        json: { code: 'unauthenticated', detail: 'The bearer token is not valid.' },
      })
      t.equal(response.headers['www-authenticate'], 'Bearer error="invalid_token"')
    })
  }
  const headersWithoutJwt: Array<{ name: string, headers: Record<string, string> }> = [
    { name: 'no Authorization header', headers: {} },
    { name: 'Basic authentication', headers: { authorization: 'Basic YTpi' } },
    { name: 'an unknown scheme', headers: { authorization: 'bearerx abc' } },
  ]
  for (const { name, headers } of headersWithoutJwt) {
    await t.test(`${name}: a challenge without an error code (RFC 6750 §3.1)`, async t => {
      const response = await sendJson(usersUrl, { user: jane }, headers)
      t.equal(response.status, 401)
      t.equal(response.headers['www-authenticate'], 'Bearer')
    })
  }
  t.equal(emulator.apiRequests.length, 0)
  await t.test('the scheme is case-insensitive, and white space is accepted', async t => {
    const headers = { authorization: `bEaReR   ${validJwt} ` }
    t.equal((await sendJson(usersUrl, { user: jane }, headers)).status, 201)
  })
})

t.test('routes outside the proxy need no authentication', async t => {
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  const documents = ['/openapi.json', '/openapi.yaml', '/openapi/client.json', '/openapi/client.yaml']
  for (const path of ['/livez', '/readyz', ...documents]) {
    await t.test(path, async t => {
      t.equal((await send(`${url}${path}`, { method: 'GET' })).status, 200)
    })
  }
})

t.test('the clock of the issuer may differ by a few seconds', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl } = await startService(t, { env: issuer.env })
  const early = bearerHeader(await issuer.sign({}, { notBeforeIn: 3 }))
  t.equal((await sendJson(usersUrl, { user: jane }, early)).status, 201)
  const late = bearerHeader(await issuer.sign({}, { expiresIn: -2 }))
  t.equal((await sendJson(usersUrl.replace('/101/', '/102/'), { user: jane }, late)).status, 201)
})

t.test('concurrent requests share one fetch of the keys; an unknown key is fetched only after a cooldown', async t => {
  const skip = skipTime(t)
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  const create = (jwt: string, company: number) =>
    sendJson(`${url}/companies/${company}/users`, { user: jane }, bearerHeader(jwt))
  const jwt = await issuer.sign()
  const responses = await Promise.all(Array.from({ length: 20 }, (_, index) => create(jwt, index + 1)))
  t.ok(responses.every(({ status }) => status === 201))
  t.equal(issuer.requestCount, 1)

  await issuer.rotate()
  const rotatedJwt = await issuer.sign()
  t.equal((await create(rotatedJwt, 30)).status, 401, 'during the cooldown')
  skip(limits.jwks.cooldownMs)
  t.equal((await create(rotatedJwt, 31)).status, 201)
  t.equal(issuer.requestCount, 2)

  const otherIssuer = await startIssuer(t)
  for (let index = 0; index < 5; index++) await otherIssuer.rotate()
  for (let index = 0; index < 5; index++) {
    t.equal((await create(await otherIssuer.sign({ jti: String(index) }), 32)).status, 401)
  }
  t.equal(issuer.requestCount, 2)
})

t.test('keys stay in use while the issuer is down; without keys, callers receive identity_unavailable', async t => {
  const skip = skipTime(t)
  const issuer = await startIssuer(t)
  const { usersUrl, url } = await startService(t, { env: issuer.env })
  issuer.isDown = true
  const early = await sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign()))
  t.match(early, { status: 503, json: { code: 'identity_unavailable' }, headers: { 'retry-after': '10' } })
  const readiness = await send(`${url}/readyz`, { method: 'GET' })
  t.match(readiness.json, { dependencies: { identity: { state: 'down' } } })
  for (let index = 0; index < 5; index++) {
    await sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign({ jti: String(index) })))
  }
  t.equal(issuer.requestCount, 1, 'one fetch, not one for each request')

  issuer.isDown = false
  skip(limits.jwks.cooldownMs)
  t.equal((await sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign()))).status, 201)
  issuer.isDown = true
  skip(limits.jwks.renewMs + limits.jwks.timeoutMs + 1)
  const later = bearerHeader(await issuer.sign({}, { expiresIn: 200_000 }))
  t.equal((await sendJson(usersUrl.replace('/101/', '/102/'), { user: jane }, later)).status, 201)
  t.equal(issuer.requestCount, 3, 'the renewal is overdue, so the request waits for a fetch')

  skip(limits.jwks.cooldownMs)
  t.equal((await sendJson(usersUrl.replace('/101/', '/103/'), { user: jane }, later)).status, 201)
  t.equal(issuer.requestCount, 3, 'no request waits for an issuer that is down')

  await issuer.rotate()
  const rotatedJwt = await issuer.sign({}, { expiresIn: 86_400 })
  const response = await sendJson(usersUrl, { user: jane }, bearerHeader(rotatedJwt))
  t.match(response.json, { code: 'identity_unavailable' }, 'the JWT may be signed with a new key')

  skip(limits.jwks.maxAgeMs)
  t.match(await sendJson(usersUrl.replace('/101/', '/104/'), { user: jane }, later), {
    status: 503, json: { code: 'identity_unavailable' },
  }, 'keys older than a day')
})

t.test('the keys are renewed at intervals, and a failed fetch is repeated after each cooldown', async t => {
  const issuer = await startIssuer(t)
  const { url, app, lines } = await startService(t, { env: issuer.env })
  const failureCount = () => lines.filter(({ msg }) => msg === 'cannot fetch the keys that verify callers').length
  const getReadiness = async () => (await send(`${url}/readyz`, { method: 'GET' })).json
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  issuer.isDown = true
  app.jwks?.fetchInBackground()
  for (const attempts of [1, 2, 3]) {
    await waitUntil(() => failureCount() === attempts)
    t.match(await getReadiness(), { dependencies: { identity: { state: 'down' } } })
    mock.timers.tick(limits.jwks.cooldownMs - 1)
    t.equal(issuer.requestCount, attempts, 'no fetch before the cooldown ends')
    if (attempts === 3) issuer.isDown = false
    mock.timers.tick(1)
  }
  await waitUntil(() => app.jwks?.status.isUp === true)
  t.match(await getReadiness(), { dependencies: { identity: { state: 'up' } } })
  mock.timers.tick(limits.jwks.renewMs - 1)
  t.equal(issuer.requestCount, 4, 'no fetch before the renewal')
  mock.timers.tick(1)
  await waitUntil(() => issuer.requestCount === 5)
})

t.test('a verified JWT is cached for five minutes, but not beyond its expiry', async t => {
  const skip = skipTime(t)
  const issuer = await startIssuer(t)
  const { url, app } = await startService(t, { env: issuer.env })
  const { jwks } = app
  if (jwks === undefined) throw new Error('CALLER_AUTH=jwt did not create a JWKS cache')
  let verificationCount = 0
  const findKeys = jwks.findKeys.bind(jwks)
  const countingFindKeys: typeof findKeys = kid => {
    verificationCount++
    return findKeys(kid)
  }
  Object.assign(jwks, { findKeys: countingFindKeys })
  const create = async (jwt: string, company: number) => {
    const response = await sendJson(`${url}/companies/${company}/users`, { user: jane }, bearerHeader(jwt))
    return response.status
  }
  const longJwt = await issuer.sign({}, { expiresIn: 86_400 })
  const shortJwt = await issuer.sign({}, { expiresIn: 60 })
  t.equal(await create(longJwt, 1), 201)
  t.equal(await create(shortJwt, 2), 201)
  t.equal(verificationCount, 2)
  t.equal(await create(longJwt, 3), 201)
  t.equal(verificationCount, 2)
  skip(61_000 + limits.jwt.clockToleranceMs)
  t.equal(await create(longJwt, 4), 201)
  t.equal(await create(shortJwt, 5), 401)
  t.equal(verificationCount, 3, 'only the expired one')
  skip(limits.jwt.cacheTtlMs)
  t.equal(await create(longJwt, 6), 201)
  t.equal(verificationCount, 4)
})
