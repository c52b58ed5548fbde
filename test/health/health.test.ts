// Health: /livez, /readyz and the health check of the container image.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { skipTime } from '../helpers/skip-time.ts'
import { root, spawnProgram } from '../helpers/spawn-program.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const get = (url: string) => send(url, { method: 'GET' })

const DependenciesSchema = Type.Record(Type.String(), Type.Object({ state: Type.String(), since: Type.String() }))

async function getDependency (url: string, name: string): Promise<{ state: string, since: string }> {
  const { json } = await get(`${url}/readyz`)
  const dependency = assertSchema(DependenciesSchema, json['dependencies'])[name]
  if (dependency === undefined) throw new Error(`/readyz does not have ${name}`)
  return dependency
}

t.test('the service is ready after its first access token, and stays ready without one', async t => {
  const { url, app, emulator } = await startService(t, { ready: false })
  emulator.faults.add({ kind: 'status', on: 'token', status: 503, body: '' })
  t.match(await get(`${url}/readyz`), {
    status: 503,
    json: { status: 'starting', dependencies: { login: { state: 'down' } } },
  })
  t.match(await get(`${url}/livez`), {
    status: 200,
    json: { status: 'live' },
    headers: { 'cache-control': 'no-store' },
  })
  await t.rejects(app.procore.accessTokens.get())
  t.equal((await get(`${url}/readyz`)).status, 503)
  await waitUntil(() => app.procore.accessTokens.isReady)
  t.match(await get(`${url}/readyz`), {
    status: 200,
    json: { status: 'ready', dependencies: { login: { state: 'up' } } },
  })
  emulator.faults.add({ kind: 'status', on: 'token', status: 503, body: '', rate: 1 })
  app.procore.accessTokens.invalidate(app.procore.accessTokens.current() ?? '')
  await waitUntil(() => !app.procore.accessTokens.status.isUp)
  t.match(await get(`${url}/readyz`), {
    status: 200,
    json: { status: 'ready', dependencies: { login: { state: 'down' } } },
  })
})

t.test('/readyz shows since when a dependency has been up or down', async t => {
  const advanceTime = skipTime(t)
  const service = await startService(t)
  const first = await getDependency(service.url, 'login')
  t.match(first, { state: 'up', since: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ })
  advanceTime(60_000)
  service.app.procore.accessTokens.start()
  await waitUntil(() => service.app.procore.accessTokens.counts.renewed === 2)
  t.strictSame(await getDependency(service.url, 'login'), first, 'unchanged')
  service.emulator.faults.add({ kind: 'reset-before-body', rate: 1 })
  for (let index = 0; index < limits.breaker.failures; index++) {
    await sendJson(service.usersUrl, { user: jane })
  }
  const down = await getDependency(service.url, 'api')
  t.equal(down.state, 'down')
  t.ok(Date.parse(down.since) >= Date.parse(first.since) + 60_000)
})

t.test('the login host is down if it issues no token, but not if the API refuses a token', async t => {
  const { url, usersUrl, app, emulator } = await startService(t)
  const { accessTokens } = app.procore
  const loginState = async () => (await getDependency(url, 'login')).state
  emulator.faults.add({ kind: 'status', on: 'token', status: 503, body: '', rate: 1 })
  accessTokens.start()
  await waitUntil(() => accessTokens.counts.failed === 1)
  t.equal(await loginState(), 'down')
  t.match(await get(`${url}/metrics`), { text: /^procore_bff_token_valid 1$/m })
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201, 'the old token is still valid')
  emulator.faults.clear()
  await waitUntil(() => accessTokens.status.isUp)
  emulator.faults.add({ kind: 'delay', delayMs: 700, on: 'token' })
  emulator.api.revokeAccessTokens()
  const pendingCreate = sendJson(usersUrl, { user: { ...jane, email_address: 'b@example.com' } })
  await waitUntil(() => accessTokens.counts.refused === 1)
  t.equal(await loginState(), 'up')
  t.match(await get(`${url}/metrics`), { text: /^procore_bff_token_valid 0$/m })
  t.equal((await pendingCreate).status, 201)
})

t.test('the service is not ready while it stops, but live', async t => {
  const { url, app } = await startService(t)
  app.inFlight.startDraining()
  t.match(await get(`${url}/readyz`), { status: 503, json: { status: 'stopping' } })
  t.equal((await get(`${url}/livez`)).status, 200)
})

t.test('the health check of the image exits with 0 only while the service runs', async t => {
  const check = async (port: string) => {
    const env = { HOST: '0.0.0.0', PORT: port }
    const child = spawn(process.execPath, ['src/health/container-check.ts'], { cwd: root, env })
    await once(child, 'exit')
    return child.exitCode
  }
  const service = spawnProgram(t, 'src/main.js', {
    HOST: '0.0.0.0',
    PORT: '0',
    CALLER_AUTH: 'none',
    PROCORE_CLIENT_ID: 'a',
    PROCORE_CLIENT_SECRET: 'b',
    PROCORE_API_URL: 'http://127.0.0.1:1',
    PROCORE_LOGIN_URL: 'http://127.0.0.1:1',
  })
  const { port } = new URL(await service.listening)
  t.equal(await check(port), 0, 'live, although the login host is down')
  service.child.kill('SIGTERM')
  await service.exit
  t.equal(await check(port), 1)
})
