// What supervisors ask: /livez while the process is up, /readyz once it is able to serve, and the image's health check.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { root, run } from '../helpers/process.ts'
import { send } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { until } from '../helpers/until.ts'

const get = (url: string) => send(url, { method: 'GET' })

t.test('ready from the first token on, and still when the token is gone', async t => {
  const { url, app, emulator } = await startService(t, { ready: false })
  emulator.faults.add({ kind: 'status', on: 'token', status: 503, body: '' })
  t.match(await get(`${url}/readyz`), { status: 503, json: { status: 'starting', dependencies: { login: { state: 'down' } } } })
  t.match(await get(`${url}/livez`), { status: 200, json: { status: 'live' }, headers: { 'cache-control': 'no-store' } })
  await t.rejects(app.procore.tokens.get())
  t.equal((await get(`${url}/readyz`)).status, 503)
  await until(() => app.procore.tokens.ready)
  t.match(await get(`${url}/readyz`), { status: 200, json: { status: 'ready', dependencies: { login: { state: 'up' } } } })
  emulator.faults.add({ kind: 'status', on: 'token', status: 503, body: '', rate: 1 })
  const token = app.procore.tokens.current()
  app.procore.tokens.reject(token ?? '')
  t.match(await get(`${url}/readyz`), { status: 200, json: { status: 'ready', dependencies: { login: { state: 'down' } } } })
})

t.test('not ready while stopping', async t => {
  const { url, app } = await startService(t)
  app.lifecycle.beginStop()
  t.match(await get(`${url}/readyz`), { status: 503, json: { status: 'stopping' } })
  t.equal((await get(`${url}/livez`)).status, 200)
})

t.test('the health check of the image', async t => {
  const check = async (port: string) => {
    const [code] = await once(spawn(process.execPath, ['src/observe/healthcheck.ts'], { cwd: root, env: { HOST: '0.0.0.0', PORT: port } }), 'exit')
    return code
  }
  const service = run(t, 'src/main.ts', { HOST: '0.0.0.0', PORT: '0', CALLER_AUTH: 'none', PROCORE_CLIENT_ID: 'a', PROCORE_CLIENT_SECRET: 'b', PROCORE_API_URL: 'http://127.0.0.1:1', PROCORE_LOGIN_URL: 'http://127.0.0.1:1' })
  const { port } = new URL(await service.listening)
  t.equal(await check(port), 0, 'alive, although the login host is away')
  service.child.kill('SIGTERM')
  await service.exit
  t.equal(await check(port), 1)
})
