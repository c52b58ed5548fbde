// JWTs that fail the verification are limited by the address of their sender, and so are their log lines.
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { send } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { skipTime } from '../helpers/skip-time.ts'

const forwardedFor = (address: string) => ({ 'x-forwarded-for': address })

/** Starts a service and sends JWTs that fail the verification, as many as one address may send in a minute. */
async function exhaust (t: Test, env: Record<string, string>, headers: Record<string, string>) {
  const issuer = await startIssuer(t)
  const service = await startService(t, { env: { ...issuer.env, ...env } })
  const list = (jwt: string, more: Record<string, string> = {}) =>
    send(`${service.url}/companies/101/trades`, { method: 'GET', headers: { ...bearerHeader(jwt), ...more } })
  const known = await issuer.sign({}, { expiresIn: 86_400 })
  t.equal((await list(known, headers)).status, 200)
  const expired = await issuer.sign({}, { expiresIn: -60 })
  for (let index = 0; index < limits.jwt.failuresPerMinute; index++) await list(expired, headers)
  return { ...service, issuer, list, known, expired }
}

const tooMany = { status: 429, json: { code: 'too_many_requests' }, headers: { 'retry-after': /^\d+$/ } }

t.test('after too many failures of a direct peer', async t => {
  const skip = skipTime(t)
  const { list, known, expired, issuer, lines } = await exhaust(t, {}, {})
  await t.test('another failure is refused without a verification', async t => {
    t.match(await list(expired), tooMany)
    t.match(lines.some(({ authFailure }) => JSON.stringify(authFailure)?.includes('expired')), true)
  })
  await t.test('a JWT that was not verified before is refused', async t => {
    t.match(await list(await issuer.sign({ jti: 'new' })), tooMany)
  })
  await t.test('a JWT that was verified before is accepted, even if it must be verified again', async t => {
    t.equal((await list(known)).status, 200)
    issuer.isDown = true
    skip(limits.jwt.cacheTtlMs - 1)
    for (let index = 0; index < limits.jwt.failuresPerMinute; index++) await list(expired)
    skip(2)
    t.match(await list(expired), tooMany)
    t.equal((await list(known)).status, 200)
  })
  await t.test('a new JWT is accepted after a minute', async t => {
    skip(60_000)
    t.equal((await list(await issuer.sign({ jti: 'later' }))).status, 200)
  })
  await t.test('the lines are limited in number, and each omitted one is counted in a later line', async t => {
    skip(limits.log.unauthenticatedIntervalMs)
    await list(expired)
    const failures = lines.filter(({ authFailure }) => authFailure !== undefined)
    const omittedCount = failures.reduce((sum, line) => sum + Number(line['omittedCount'] ?? 0), 0)
    t.equal(failures.length + omittedCount, 2 * limits.jwt.failuresPerMinute + 4)
    t.ok(omittedCount > 0)
  })
})

t.test('behind a trusted proxy, the failures of one address do not affect another', async t => {
  const { list, expired, issuer } = await exhaust(t, { TRUSTED_PROXIES: '127.0.0.1' }, forwardedFor('192.0.2.1'))
  t.match(await list(expired, forwardedFor('192.0.2.1:4711')), tooMany)
  t.equal((await list(await issuer.sign({ jti: 'a' }), forwardedFor('192.0.2.2'))).status, 200)
  t.match(await list(await issuer.sign({ jti: 'b' }), forwardedFor('192.0.2.1')), tooMany)
})

t.test('behind a proxy that is not trusted, failures are not limited, because addresses are not known', async t => {
  const { list, issuer } = await exhaust(t, {}, forwardedFor('192.0.2.1'))
  t.equal((await list(await issuer.sign({ jti: 'a' }), forwardedFor('192.0.2.1'))).status, 200)
})
