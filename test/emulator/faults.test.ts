// Checks each injected fault as a client sees it, how often it applies, and the emulator's control routes.
import t from 'tap'
import { startEmulator } from '../../tools/emulator/emulator.ts'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { spawnProgram } from '../helpers/spawn-program.ts'
import { jane, send } from '../helpers/requests.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const create = (url: string) => send(`${url}/rest/v1.3/companies/101/users`, {
  headers: { authorization: 'Bearer x', 'user-agent': 'test', 'content-type': 'application/json' },
  body: JSON.stringify({ user: jane }),
})

t.test('an injected fault', async t => {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())

  const brokenConnections: InjectedFault[] = [
    { kind: 'reset-before-body' },
    { kind: 'reset-in-body' },
    { kind: 'reset-after-body' },
    { kind: 'garbage' },
    { kind: 'raw', raw: 'HTTP/1.1' },
    { kind: 'truncate' },
  ]
  for (const fault of brokenConnections) {
    await t.test(`${fault.kind} breaks one response, and the next request is served`, async t => {
      emulator.faults.add(fault)
      await t.rejects(create(emulator.url))
      t.equal((await create(emulator.url)).status, 401)
    })
  }

  const unavailable = { status: 503, body: 'x', headers: { 'retry-after': '3' } }
  for (const fault of [{ kind: 'status', ...unavailable }, { kind: 'early', ...unavailable, lingerMs: 50 }] as const) {
    await t.test(`${fault.kind} responds with the given status, headers and body`, async t => {
      emulator.faults.add(fault)
      t.match(await create(emulator.url), { status: 503, text: 'x', headers: { 'retry-after': '3' } })
    })
  }

  await t.test('status records what was received', async t => {
    emulator.faults.add({ kind: 'status', ...unavailable })
    await create(emulator.url)
    t.strictSame(emulator.apiRequests.at(-1)?.json, { user: jane })
  })

  for (const kind of ['delay', 'slow'] as const) {
    await t.test(`${kind} serves the request late`, async t => {
      emulator.faults.add({ kind, delayMs: 1 })
      t.equal((await create(emulator.url)).status, 401)
    })
  }

  for (const kind of ['silence', 'stall'] as const) {
    await t.test(`${kind} never responds`, async t => {
      emulator.faults.add({ kind })
      const options = { method: 'POST', body: 'x', signal: AbortSignal.timeout(100) }
      await t.rejects(fetch(`${emulator.url}/rest/v1.3/companies/101/users`, options))
    })
  }
})

t.test('a fault applies as often as `times` or `rate` says, and only to matching requests', async t => {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const statuses = async (count: number) => {
    const seen: number[] = []
    for (let index = 0; index < count; index++) seen.push((await create(emulator.url)).status)
    return seen
  }
  emulator.faults.add({ kind: 'status', status: 500, times: 2 })
  t.strictSame(await statuses(3), [500, 500, 401])
  emulator.faults.add({ kind: 'status', status: 500, rate: 1 })
  t.strictSame(await statuses(3), [500, 500, 500])
  emulator.faults.clear()
  emulator.faults.add({ kind: 'status', status: 500, rate: 0 })
  t.strictSame(await statuses(2), [401, 401])
  emulator.faults.add({ kind: 'status', status: 500, on: 'token' })
  emulator.faults.add({ kind: 'status', status: 500, path: '/companies/102/' })
  emulator.faults.add({ kind: 'status', status: 500, method: 'GET' })
  t.strictSame(await statuses(2), [401, 401])
})

t.test('a delay ends when the faults are cleared', async t => {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  emulator.faults.add({ kind: 'delay', delayMs: 3_600_000 })
  const delayed = create(emulator.url)
  await waitUntil(() => emulator.apiRequests[0]?.complete === true)
  emulator.faults.clear()
  t.equal((await delayed).status, 401)
})

t.test('the emulator runs as a program that its control routes configure', async t => {
  const environment = { EMULATOR_PORT: '0', EMULATOR_SETTINGS: '{"clientId":"me"}' }
  const program = spawnProgram(t, 'tools/emulator/main.ts', environment)
  const url = await program.listening
  const control = (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body = '') => {
    return send(`${url}/__emulator${path}`, { method, body })
  }
  t.match(await control('GET', '/settings'), { status: 200, json: { clientId: 'me', rateLimit: 3600 } })
  t.match(await control('PATCH', '/settings', '{"rateLimit":5}'), { status: 200, json: { rateLimit: 5 } })
  t.equal((await control('PATCH', '/settings', '{"rateLimit":"x"}')).status, 422)
  t.equal((await control('PATCH', '/settings', '{"colour":"red"}')).status, 422)
  t.equal((await control('POST', '/faults', '{"kind":"status","status":503}')).status, 201)
  t.equal((await control('POST', '/faults', '{"kind":"earthquake"}')).status, 422)
  t.equal((await create(url)).status, 503)
  t.equal((await control('POST', '/faults', '{"kind":"status","status":503,"rate":1}')).status, 201)
  t.equal((await control('DELETE', '/faults')).status, 200)
  t.equal((await create(url)).status, 401)
  const requests = await control('GET', '/requests')
  t.match(JSON.parse(requests.text), [
    {
      method: 'POST',
      path: '/rest/v1.3/companies/101/users',
      complete: true,
      status: 503,
      bodyBytes: Number,
      bodySha256: /^[0-9a-f]{64}$/,
    },
    { status: 401 },
  ])
  t.equal((await control('DELETE', '/requests')).status, 200)
  t.strictSame(JSON.parse((await control('GET', '/requests')).text), [])
  t.strictSame(JSON.parse((await control('GET', '/users')).text), [])
  t.equal((await control('POST', '/tokens/revoke')).status, 200)
  t.equal((await control('GET', '/nothing')).status, 404)
  program.child.kill('SIGTERM')
  t.equal((await program.exit).code, 0)
})

for (const settings of ['{', '{"rateLimit":0}', '{"colour":"red"}']) {
  t.test(`the program refuses the settings ${settings}`, async t => {
    const program = spawnProgram(t, 'tools/emulator/main.ts', { EMULATOR_PORT: '0', EMULATOR_SETTINGS: settings })
    t.equal((await program.exit).code, 1)
    t.match(program.stderr(), /^EMULATOR_SETTINGS/)
  })
}

t.test('the emulator says which setting chooses another port if its port', async t => {
  const { port } = new URL(await spawnProgram(t, 'tools/emulator/main.ts', { EMULATOR_PORT: '0' }).listening)
  const rows: Record<string, [port: string, message: RegExp]> = {
    'is in use': [port, /^EMULATOR_HOST, EMULATOR_PORT: port \d+ of 127\.0\.0\.1 is in use [^\n]+ set EMULATOR_PORT [^\n]+\n$/],
    'is not a number': ['x', /^EMULATOR_HOST, EMULATOR_PORT: cannot listen on port x of 127\.0\.0\.1 [^\n]+\n$/],
  }
  for (const [condition, [wrongPort, message]] of Object.entries(rows)) {
    await t.test(condition, async t => {
      const program = spawnProgram(t, 'tools/emulator/main.ts', { EMULATOR_PORT: wrongPort })
      t.equal((await program.exit).code, 1)
      t.match(program.stderr(), message)
    })
  }
})
