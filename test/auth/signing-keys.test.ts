// The issuer's signing keys: revocation, rotation, key ids that are missing or not unique, and the size of the key set.
import { mock } from 'node:test'
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startService, startTestEmulator } from '../helpers/service.ts'
import { moveWallClock, skipTime } from '../helpers/skip-time.ts'
import { serviceEnvironment, spawnProgram } from '../helpers/spawn-program.ts'
import { waitUntil } from '../helpers/wait-until.ts'

/** Lists trades, which needs an authenticated caller and changes nothing. */
const list = async (url: string, jwt: string) =>
  send(`${url}/companies/101/trades`, { method: 'GET', headers: bearerHeader(jwt) })

/** Repeats the request until it has this status: the service is still reading the keys, or gets its access token. */
async function untilStatus (url: string, jwt: string, status: number): Promise<void> {
  while ((await list(url, jwt)).status !== status);
}

t.test('a JWT that was verified is rejected once its key is gone from the renewed keys', async t => {
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const jwt = await issuer.sign()
  t.equal((await list(url, jwt)).status, 200)
  await issuer.rotate()
  const newJwt = await issuer.sign()
  issuer.publicKeys.shift()
  t.equal((await list(url, jwt)).status, 200, 'until the renewal')
  mock.timers.tick(limits.jwks.renewMs)
  await waitUntil(() => issuer.requestCount === 2)
  await untilStatus(url, jwt, 401)
  t.equal((await list(url, newJwt)).status, 200)
})

t.test('a JWT whose key is still published stays verified after a renewal', async t => {
  const issuer = await startIssuer(t)
  const { url, app } = await startService(t, { env: issuer.env })
  const jwt = await issuer.sign()
  t.equal((await list(url, jwt)).status, 200)
  await issuer.rotate()
  app.jwks?.fetchInBackground()
  await waitUntil(() => issuer.requestCount === 2 && app.jwks?.status.isUp === true)
  issuer.isDown = true
  issuer.publicKeys.length = 0
  t.equal((await list(url, jwt)).status, 200)
})

t.test('after a pause of the machine, a request waits for the keys to be renewed', async t => {
  const skip = skipTime(t)
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  const jwt = await issuer.sign({}, { expiresIn: 86_400 })
  t.equal((await list(url, jwt)).status, 200)
  await issuer.rotate()
  issuer.publicKeys.shift()
  skip(limits.jwks.renewMs + limits.jwks.timeoutMs + 1)
  t.equal((await list(url, jwt)).status, 401)
})

t.test('a step of the wall clock does not make the keys too old', async t => {
  const move = moveWallClock(t)
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  t.equal((await list(url, await issuer.sign())).status, 200)
  issuer.isDown = true
  move(2 * limits.jwks.maxAgeMs)
  t.equal((await list(url, await issuer.sign())).status, 200)
  t.equal(issuer.requestCount, 1)
})

t.test('SIGHUP renews the keys at once', async t => {
  const issuer = await startIssuer(t)
  const emulator = await startTestEmulator(t)
  const program = spawnProgram(t, 'src/main.js', { ...serviceEnvironment(emulator), ...issuer.env })
  const url = await program.listening
  const jwt = await issuer.sign()
  await untilStatus(url, jwt, 200)
  await issuer.rotate()
  issuer.publicKeys.shift()
  program.child.kill('SIGHUP')
  await waitUntil(() => issuer.requestCount === 2)
  await untilStatus(url, jwt, 401)
})

t.test('during a rotation, every key that matches a JWT is tried', async t => {
  const rows: Array<{ name: string, omitKid?: boolean, oldKid?: string, newKid?: string, publishKid: boolean }> = [
    { name: 'keys without kid, and a JWT with one', publishKid: false },
    { name: 'keys without kid, and a JWT without one', publishKid: false, omitKid: true },
    { name: 'keys with kid, and a JWT without one', publishKid: true, omitKid: true },
    { name: 'two keys with the same kid', publishKid: true, newKid: 'key-0' },
  ]
  for (const { name, omitKid = false, newKid, publishKid } of rows) {
    const issuer = await startIssuer(t)
    const jwts = [await issuer.sign({ jti: 'old' }, { omitKid })]
    await issuer.rotate('ES256', newKid)
    jwts.push(await issuer.sign({ jti: 'new' }, { omitKid }))
    await issuer.rotate('RS256', newKid)
    jwts.push(await issuer.sign({ jti: 'another algorithm' }, { omitKid }))
    if (!publishKid) for (const key of issuer.publicKeys) delete key.kid
    const { url } = await startService(t, { env: issuer.env })
    for (const [index, jwt] of jwts.entries()) {
      await t.test(`${name}: the JWT of key ${index} is accepted`, async t => {
        t.equal((await list(url, jwt)).status, 200)
      })
    }
    await t.test(`${name}: the JWT of a key that is not published is rejected`, async t => {
      const otherIssuer = await startIssuer(t)
      t.equal((await list(url, await otherIssuer.sign({}, { omitKid }))).status, 401)
    })
  }
})

t.test('a new key under the same kid is fetched after the cooldown', async t => {
  const skip = skipTime(t)
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  t.equal((await list(url, await issuer.sign())).status, 200)
  await issuer.rotate('ES256', 'key-0')
  issuer.publicKeys.shift()
  const jwt = await issuer.sign()
  t.equal((await list(url, jwt)).status, 401)
  skip(limits.jwks.cooldownMs)
  t.equal((await list(url, jwt)).status, 200)
  t.equal(issuer.requestCount, 2)
})

t.test('a key set', async t => {
  const rows = [
    { name: 'of the largest size is accepted', bytes: limits.jwks.maxBytes, status: 201 },
    { name: 'that is larger is not read', bytes: limits.jwks.maxBytes + 1, status: 503 },
  ]
  for (const { name, bytes, status } of rows) {
    await t.test(name, async t => {
      const issuer = await startIssuer(t)
      issuer.body = JSON.stringify({ keys: issuer.publicKeys }).padEnd(bytes)
      const { usersUrl } = await startService(t, { env: issuer.env })
      t.equal((await sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign()))).status, status)
      t.equal(issuer.requestHeaders['accept-encoding'], 'identity')
    })
  }
  const unusable = ['[]', '{}', '{"keys":{}}', 'null', '{"keys":']
  for (const body of unusable) {
    await t.test(`${body} is not accepted, and the keys before it stay in use`, async t => {
      const issuer = await startIssuer(t)
      const { url, app } = await startService(t, { env: issuer.env })
      t.equal((await list(url, await issuer.sign())).status, 200)
      issuer.body = body
      app.jwks?.fetchInBackground()
      await waitUntil(() => app.jwks?.status.isUp === false)
      t.equal((await list(url, await issuer.sign({ jti: 'b' }))).status, 200)
    })
  }
  await t.test('with keys that are not understood is accepted', async t => {
    const issuer = await startIssuer(t)
    issuer.body = JSON.stringify({ keys: [null, 1, {}, { kty: 'unknown' }, ...issuer.publicKeys] })
    const { url } = await startService(t, { env: issuer.env })
    t.equal((await list(url, await issuer.sign())).status, 200)
  })
})
