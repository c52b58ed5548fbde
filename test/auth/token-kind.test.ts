// Only bearer access tokens of the accepted types are accepted, and each failure has its reason in the log.
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { bearerHeader, startIssuer, type SignOptions } from '../helpers/issuer.ts'
import { parseSamples } from '../helpers/prometheus-samples.ts'
import { send } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const list = async (url: string, headers: Record<string, string>) =>
  send(`${url}/companies/101/trades`, { method: 'GET', headers })

const isRequestLine = ({ msg }: Record<string, unknown>) => msg === 'request'

t.test('a JWT whose header typ', async t => {
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  const { url: strictUrl } = await startService(t, { env: { ...issuer.env, JWT_TYPES: 'application/AT+JWT' } })
  const rows: Array<{ type: string | undefined, accepted: boolean, acceptedStrictly: boolean }> = [
    { type: undefined, accepted: true, acceptedStrictly: false },
    { type: 'JWT', accepted: true, acceptedStrictly: false },
    { type: 'jwt', accepted: true, acceptedStrictly: false },
    { type: 'at+jwt', accepted: true, acceptedStrictly: true },
    { type: 'application/at+JWT', accepted: true, acceptedStrictly: true },
    { type: 'dpop+jwt', accepted: false, acceptedStrictly: false },
    { type: 'logout+jwt', accepted: false, acceptedStrictly: false },
    { type: 'secevent+jwt', accepted: false, acceptedStrictly: false },
    { type: '', accepted: false, acceptedStrictly: false },
  ]
  for (const { type, accepted, acceptedStrictly } of rows) {
    const jwt = await issuer.sign({}, type === undefined ? {} : { type })
    await t.test(`is ${type ?? 'absent'} is ${accepted ? 'accepted' : 'rejected'} by default`, async t => {
      t.equal((await list(url, bearerHeader(jwt))).status, accepted ? 200 : 401)
    })
    await t.test(`is ${type ?? 'absent'} is ${acceptedStrictly ? 'accepted' : 'rejected'} by at+jwt`, async t => {
      t.equal((await list(strictUrl, bearerHeader(jwt))).status, acceptedStrictly ? 200 : 401)
    })
  }
})

t.test('a JWT with', async t => {
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  const rows: Array<{ name: string, claims: Record<string, unknown>, accepted: boolean }> = [
    { name: 'at_hash (ID token)', claims: { at_hash: 'x', scope: 'a' }, accepted: false },
    { name: 'c_hash (ID token)', claims: { c_hash: 'x', scope: 'a' }, accepted: false },
    { name: 'events (logout token)', claims: { events: {}, scope: 'a' }, accepted: false },
    { name: 'cnf (bound by DPoP)', claims: { cnf: { jkt: 'x' } }, accepted: false },
    { name: 'cnf (bound by mTLS)', claims: { cnf: { 'x5t#S256': 'x' } }, accepted: false },
    { name: 'cnf: null', claims: { cnf: null }, accepted: false },
    { name: 'token_use: id (Cognito)', claims: { token_use: 'id', scope: 'a' }, accepted: false },
    { name: 'token_use: access (Cognito)', claims: { token_use: 'access' }, accepted: true },
    { name: 'typ: ID (Keycloak)', claims: { typ: 'ID', scope: 'a' }, accepted: false },
    { name: 'typ: Refresh (Keycloak)', claims: { typ: 'Refresh', scope: 'a' }, accepted: false },
    { name: 'typ: Logout (Keycloak)', claims: { typ: 'Logout', scope: 'a' }, accepted: false },
    { name: 'typ: Bearer (Keycloak)', claims: { typ: 'Bearer' }, accepted: true },
    { name: 'a nonce and no scope', claims: { nonce: 'x' }, accepted: false },
    { name: 'a nonce and a scope (Keycloak)', claims: { nonce: 'x', scope: 'openid' }, accepted: true },
    { name: 'a nonce and scp', claims: { nonce: 'x', scp: ['a'] }, accepted: true },
  ]
  for (const { name, claims, accepted } of rows) {
    await t.test(`${name} is ${accepted ? 'accepted' : 'rejected'}`, async t => {
      t.equal((await list(url, bearerHeader(await issuer.sign(claims)))).status, accepted ? 200 : 401)
    })
  }
})

t.test('JWT_AUDIENCE_CLAIM names the claim that holds the audience', async t => {
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: { ...issuer.env, JWT_AUDIENCE_CLAIM: 'client_id' } })
  const rows = [
    { name: 'the audience', claims: { client_id: 'procore-bff' }, accepted: true },
    { name: 'a list with the audience', claims: { client_id: ['a', 'procore-bff'] }, accepted: true },
    { name: 'another audience', claims: { client_id: 'another' }, accepted: false },
    { name: 'no such claim', claims: {}, accepted: false },
    { name: 'a part of the audience', claims: { client_id: 'procore' }, accepted: false },
  ]
  for (const { name, claims, accepted } of rows) {
    await t.test(`${name} is ${accepted ? 'accepted' : 'rejected'}`, async t => {
      const jwt = await issuer.sign({ ...claims }, { audience: 'procore-bff' })
      t.equal((await list(url, bearerHeader(jwt))).status, accepted ? 200 : 401)
    })
  }
})

t.test('with JWT_MAX_AGE_SECONDS, a JWT', async t => {
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: { ...issuer.env, JWT_MAX_AGE_SECONDS: '60' } })
  const now = Math.floor(Date.now() / 1000)
  const tooOld = now - 60 - limits.jwt.clockToleranceMs / 1000 - 2
  const rows = [
    { name: 'that was issued just now is accepted', claims: { iat: now }, status: 200 },
    { name: 'that is older is rejected', claims: { iat: tooOld }, status: 401 },
    { name: 'that does not say when it was issued is rejected', claims: {}, status: 401 },
    { name: 'that was issued in the future is rejected', claims: { iat: now + 60 }, status: 401 },
  ]
  for (const { name, claims, status } of rows) {
    await t.test(name, async t => {
      t.equal((await list(url, bearerHeader(await issuer.sign({ ...claims })))).status, status)
    })
  }
})

t.test('scopes are read from scope, else from scp', async t => {
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: { ...issuer.env, JWT_SCOPE_PREFIX: 'procore:' } })
  const rows = [
    { name: 'scp as a string is accepted', claims: { scp: 'a procore:list-trades' }, status: 200 },
    { name: 'scp as a list is accepted', claims: { scp: ['procore:list-trades'] }, status: 200 },
    { name: 'scp beside scope is ignored', claims: { scope: 'a', scp: 'procore:list-trades' }, status: 403 },
    { name: 'scp beside an empty scope is ignored', claims: { scope: '', scp: 'procore:list-trades' }, status: 403 },
  ]
  for (const { name, claims, status } of rows) {
    await t.test(name, async t => {
      t.equal((await list(url, bearerHeader(await issuer.sign({ ...claims })))).status, status)
    })
  }
})

t.test('the log and the metrics say which check failed, and the caller learns nothing new', async t => {
  const issuer = await startIssuer(t)
  const otherIssuer = await startIssuer(t)
  const { url, lines } = await startService(t, { env: { ...issuer.env, JWT_MAX_AGE_SECONDS: '600' } })
  const iat = Math.floor(Date.now() / 1000)
  const sign = (claims: Record<string, unknown>, options?: SignOptions) => issuer.sign({ iat, ...claims }, options)
  const kid = 'key-0'
  const signedByOther = await otherIssuer.sign({ iat })
  await otherIssuer.rotate('ES256', 'other-key')
  const [, payload = ''] = signedByOther.split('.')
  const unsigned = Buffer.from('{"alg":"none"}').toString('base64url')
  const rows = [
    { name: 'text that is not a JWT', jwt: 'abc', failure: { reason: 'malformed' } },
    { name: 'alg none', jwt: `${unsigned}.${payload}.`, failure: { reason: 'algorithm' } },
    {
      name: 'another typ',
      jwt: await sign({}, { type: 'dpop+jwt' }),
      failure: { reason: 'type', kid, expected: 'at+jwt, jwt' },
    },
    {
      name: 'an ID token',
      jwt: await sign({ at_hash: 'x' }),
      failure: { reason: 'type', kid, expected: 'a bearer access token' },
    },
    { name: 'another signature', jwt: signedByOther, failure: { reason: 'signature', kid } },
    {
      name: 'an unknown key',
      jwt: await otherIssuer.sign({ iat }),
      failure: { reason: 'unknown_key', kid: 'other-key' },
    },
    {
      name: 'another issuer',
      jwt: await sign({}, { issuer: 'https://evil.example.com/' }),
      failure: { reason: 'issuer', kid, expected: 'https://issuer.example.com/' },
    },
    {
      name: 'another audience',
      jwt: await sign({}, { audience: 'x' }),
      failure: { reason: 'audience', kid, expected: 'procore-bff' },
    },
    { name: 'a past expiry', jwt: await sign({}, { expiresIn: -60 }), failure: { reason: 'expired', kid } },
    { name: 'a future nbf', jwt: await sign({}, { notBeforeIn: 60 }), failure: { reason: 'not_yet_valid', kid } },
    { name: 'an old iat', jwt: await sign({ iat: iat - 700 }), failure: { reason: 'too_old', kid } },
    { name: 'an empty subject', jwt: await sign({ sub: '' }), failure: { reason: 'subject', kid } },
  ]
  for (const { name, jwt, failure } of rows) {
    await t.test(`${name}: ${failure.reason}`, async t => {
      const lineCount = lines.length
      const response = await list(url, bearerHeader(jwt))
      t.match(response, { status: 401, json: { detail: 'The bearer token is not valid.' } })
      t.equal(response.headers['www-authenticate'], 'Bearer error="invalid_token"')
      const requestLines = lines.slice(lineCount).filter(({ msg }) => msg === 'request')
      t.strictSame(requestLines.map(({ authFailure }) => authFailure), [failure])
      t.notMatch(JSON.stringify(requestLines), jwt.split('.')[2] || 'abc')
    })
  }
  await t.test('no token: missing', async t => {
    t.equal((await list(url, {})).status, 401)
    t.match(lines.findLast(isRequestLine), { authFailure: { reason: 'missing' } })
  })
  await t.test('a kid that is no plain text is not logged', async t => {
    const header = Buffer.from('{"alg":"ES256","kid":"a\\nb"}').toString('base64url')
    await list(url, bearerHeader(`${header}.${payload}.AAAA`))
    t.strictSame(lines.findLast(isRequestLine)?.['authFailure'], { reason: 'unknown_key' })
  })
  const { text } = await send(`${url}/metrics`, { method: 'GET' })
  const counts = new Map(parseSamples(text)
    .filter(({ name }) => name === 'procore_bff_authentication_failures_total')
    .map(({ labels, value }) => [labels['reason'], value]))
  t.equal(counts.get('type'), 2)
  t.equal(counts.get('unknown_key'), 2)
  t.equal(counts.get('expired'), 1)
  t.equal(counts.get('too_many_failures'), 0)
  t.equal([...counts.values()].reduce((sum, value) => sum + value, 0), rows.length + 2)
})
