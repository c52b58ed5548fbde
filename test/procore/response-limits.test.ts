// Tests bodies of Procore and its login host that are larger, deeper or more compressed than any honest one.
import { createServer } from 'node:http'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { startRedis } from '../helpers/redis.ts'
import { get } from '../helpers/request-builders.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { listen } from '../helpers/listen.ts'
import { startService } from '../helpers/service.ts'
import { skipWithoutRedis as skip } from '../helpers/skip-without-redis.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
const { rejectionMaxBytes, rejectionLevelsMax, parsedMaxBytes } = limits.upstream
const withKey = { 'idempotency-key': 'a' }

/** Returns JSON of exactly so many bytes. */
function errorOfSize (bytes: number): string {
  const empty = '{"errors":[],"padding":""}'
  return empty.replace('""}', `"${'x'.repeat(bytes - empty.length)}"}`)
}

t.test('a rejection by Procore', async t => {
  const rows = [
    { name: 'with 200,000 nested levels', body: nested(200_000), isReported: false },
    { name: 'with the deepest reported nesting', body: nested(rejectionLevelsMax), isReported: true },
    { name: 'with one nested level more', body: nested(rejectionLevelsMax + 1), isReported: false },
    { name: 'with deep objects', body: `${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}`, isReported: false },
    { name: 'of the largest reported size', body: errorOfSize(rejectionMaxBytes), isReported: true },
    { name: 'of one byte more', body: errorOfSize(rejectionMaxBytes + 1), isReported: false },
  ]
  for (const { name, body, isReported } of rows) {
    await t.test(`${name} is a 422 with the outcome rejected, also when it is replayed`, async t => {
      const { usersUrl, emulator } = await startService(t)
      emulator.faults.add({ kind: 'status', status: 422, body })
      for (let index = 0; index < 2; index++) {
        const { json, headers } = await sendJson(usersUrl, { user: jane }, withKey)
        t.match(json, { status: 422, code: 'procore_rejected', outcome: 'rejected', procore: { status: 422 } })
        t.equal('body' in Object(json['procore']), isReported)
        t.equal(headers['idempotency-replayed'], index === 0 ? undefined : 'true')
      }
      t.equal(emulator.apiRequests.length, 1)
    })
  }
})

t.test('a rejection that Redis stores', { skip }, async t => {
  const rows = [
    { name: 'of the largest reported size', body: errorOfSize(rejectionMaxBytes), isReported: true },
    { name: 'that grows when it is stored', body: `[${'1e20,'.repeat(10_000)}1]`, isReported: false },
  ]
  for (const { name, body, isReported } of rows) {
    await t.test(`${name} is replayed by another replica as a 422`, async t => {
      const redis = await startRedis(t)
      const env = { REDIS_URL: redis.url }
      const { usersUrl, emulator } = await startService(t, { env })
      const replica = await startService(t, { env, procoreUrl: emulator.url })
      emulator.faults.add({ kind: 'status', status: 422, body })
      t.equal((await sendJson(usersUrl, { user: jane }, withKey)).status, 422)
      const { json, headers } = await sendJson(replica.usersUrl, { user: jane }, withKey)
      t.match(json, { status: 422, code: 'procore_rejected', outcome: 'rejected' })
      t.equal('body' in Object(json['procore']), isReported)
      t.equal(headers['idempotency-replayed'], 'true')
      t.equal(emulator.apiRequests.length, 1)
    })
  }
})

t.test('a list that is too large to be parsed', async t => {
  const padding = `"${'x'.repeat(parsedMaxBytes)}"`
  const rows = [
    { name: 'is relayed', body: `[${padding}]\n`, status: 200 },
    { name: 'is a bad response if it does not end', body: `[${padding},`, status: 502 },
    { name: 'is a bad response if it is not JSON', body: `<p>${padding}</p>`, status: 502 },
  ]
  for (const { name, body, status } of rows) {
    await t.test(name, async t => {
      const { url, emulator } = await startService(t)
      emulator.faults.add({ kind: 'status', status: 200, body, headers: { 'content-type': 'application/json' } })
      const response = await get(`${url}/companies/101/trades`)
      t.equal(response.status, status)
      if (status === 200) t.ok(response.text === body)
      else t.match(response.json, { code: 'procore_bad_response' })
    })
  }
})

t.test('the login host', async t => {
  const tokenResponse = '{"access_token":"tok","token_type":"bearer","expires_in":5400}'
  const padded = (bytes: number) => tokenResponse + ' '.repeat(bytes - tokenResponse.length)
  const { responseMaxBytes } = limits.accessToken
  const gzip = { 'content-encoding': 'gzip' }
  const rows = [
    { name: 'that sends the largest accepted body', body: padded(responseMaxBytes), headers: {}, isReady: true },
    { name: 'that sends one byte more', body: padded(responseMaxBytes + 1), headers: {}, isReady: false },
    { name: 'that compresses its response', body: gzipSync(tokenResponse), headers: gzip, isReady: true },
    { name: 'that sends 64 MB as 64 KB', body: gzipSync(Buffer.alloc(67_108_864, ' ')), headers: gzip, isReady: false },
  ]
  for (const { name, body, headers, isReady } of rows) {
    await t.test(`${name} is ${isReady ? 'usable' : 'not usable'}, and is asked for no compression`, async t => {
      const codings: unknown[] = []
      const server = createServer((request, response) => {
        codings.push(request.headers['accept-encoding'])
        response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body)
      })
      const procoreUrl = `http://127.0.0.1:${await listen(t, server)}`
      const { app, lines } = await startService(t, { procoreUrl, ready: false })
      app.procore.accessTokens.start()
      const isLogged = (text: string) => lines.some(line => JSON.stringify(line).includes(text))
      await waitUntil(() => isLogged(isReady ? 'access token renewed' : `more than ${responseMaxBytes} bytes`))
      t.equal(app.procore.accessTokens.isReady, isReady)
      t.equal(codings[0], 'identity')
    })
  }
  const unusual = [
    { name: 'null members', body: '{"access_token":"tok","token_type":"bearer","expires_in":5400,"scope":null}' },
    {
      name: 'a refresh token and a lifetime that are null',
      body: '{"access_token":"tok","token_type":"Bearer",' +
      '"refresh_token":null,"expires_in":null,"id_token":null}'
    },
    { name: 'no token_type', body: '{"access_token":"tok","expires_in":5400}' },
    { name: 'a token_type that is null', body: '{"access_token":"tok","token_type":null,"expires_in":5400}' },
  ]
  for (const { name, body } of unusual) {
    await t.test(`that responds with ${name} is usable`, async t => {
      const { app, emulator } = await startService(t, { ready: false })
      emulator.faults.add({ kind: 'status', status: 200, body, on: 'token' })
      t.equal(await app.procore.accessTokens.get(), 'tok')
    })
  }
})
