// An answer that is given while the caller still uploads is read by the caller, whoever gave it and however the caller is built; its
// connection is then reusable or properly closed. Callers and Procore are other processes, as they are in life.
import { execFile } from 'node:child_process'
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import t from 'tap'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { spawnProgram } from '../helpers/spawn-program.ts'
import { jane, RawConnection, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const bytes = 20_000_000
const tries = 25

/** Programs that upload 20 MB, of which only the first bytes are looked at, and print the statuses that they read. */
const callers: Record<string, string> = {
  fetch: `
    const form = new FormData()
    form.append('user[avatar]', new Blob([png]), 'a.png')
    const response = await fetch(url, { method: 'POST', body: form })
    await response.text()
    done(response.status)`,
  'node:http, keep-alive': `
    const call = request(url, { method: 'POST', agent, headers: { 'content-type': type, 'content-length': body.length } })
    call.on('response', response => response.resume().on('end', () => done(response.statusCode))).on('error', error => done(error.code))
    call.end(body)`,
  'node:http, connection: close': `
    const call = request(url, { method: 'POST', agent: false, headers: { 'content-type': type, 'content-length': body.length, connection: 'close' } })
    call.on('response', response => response.resume().on('end', () => done(response.statusCode))).on('error', error => done(error.code))
    call.end(body)`,
  'one that writes all before it reads': `
    const { hostname, port, pathname } = new URL(url)
    const socket = connect(port, hostname).pause()
    socket.on('error', error => done(error.code))
    socket.write('POST ' + pathname + ' HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\ncontent-type: ' + type + '\\r\\ncontent-length: ' + body.length + '\\r\\n\\r\\n')
    socket.write(body, () => { let text = ''; socket.on('data', chunk => { text += chunk }).on('end', () => done(text.slice(9, 12))).resume() })`,
}

const program = (attempt: string) => `
  import { request, Agent } from 'node:http'
  import { connect } from 'node:net'
  const [url] = process.argv.slice(1)
  const agent = new Agent({ keepAlive: true })
  const png = Buffer.alloc(${bytes})
  png.write('\\x89PNG\\r\\n\\x1a\\n', 'latin1')
  const type = 'multipart/form-data; boundary=b'
  const body = Buffer.concat([Buffer.from('--b\\r\\nContent-Disposition: form-data; name="user[avatar]"; filename="a.png"\\r\\n\\r\\n'), png, Buffer.from('\\r\\n--b--\\r\\n')])
  const attempt = async done => {${attempt}}
  const seen = []
  for (let index = 0; index < ${tries}; index++) seen.push(String(await new Promise((resolve, reject) => { attempt(resolve).catch(error => resolve(error.cause?.code ?? error.message)) })))
  console.log(JSON.stringify(seen))
  process.exit()
`

async function statuses (attempt: string, url: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program(attempt), url])
  return JSON.parse(stdout)
}

t.test('answers of ours', async t => {
  const { url, usersUrl } = await startService(t, { env: { AVATAR_MAX_BYTES: '1000000' } })
  for (const [name, attempt] of Object.entries(callers)) {
    t.strictSame(await statuses(attempt, usersUrl), Array(tries).fill('413'), name)
  }
  t.equal((await send(`${url}/livez`, { method: 'GET' })).status, 200)
})

const procoreFaults: Record<string, InjectedFault> = {
  'Procore lingers': { kind: 'early', status: 422, body: '{}', lingerMs: 2000, rate: 1 },
  'Procore closes, and so resets': { kind: 'early', status: 422, body: '{}', rate: 1 },
}

for (const [name, fault] of Object.entries(procoreFaults)) {
  t.test(`answers of Procore's: ${name}`, async t => {
    const emulator = spawnProgram(t, 'tools/emulator/main.ts', { EMULATOR_PORT: '0' })
    const upstream = await emulator.listening
    await send(`${upstream}/__emulator/faults`, { body: JSON.stringify(fault) })
    const { usersUrl } = await startService(t, { procoreUrl: upstream, env: { AVATAR_MAX_BYTES: '30000000' } })
    for (const [caller, attempt] of Object.entries(callers)) t.strictSame(await statuses(attempt, usersUrl), Array(tries).fill('422'), caller)
  })
}

t.test('the connection is reusable once the rest of the body was thrown away', async t => {
  const { port } = await startService(t)
  const caller = new RawConnection(port)
  const body = JSON.stringify({ user: jane })
  caller.write('POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n\r\n').write(Buffer.alloc(2_000_000))
  await caller.readUntil('"code":"not_found"')
  caller.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  t.match(await caller.readUntil('201 Created'), /^HTTP\/1\.1 404 /)
  caller.socket.destroy()
})

t.test('refusals in a row on one connection leave no listeners on it', async t => {
  const { app, port } = await startService(t)
  const counts: number[] = []
  app.fastify.server.on('request', ({ socket }: IncomingMessage) => { counts.push(socket.listenerCount('close')) })
  const caller = new RawConnection(port)
  for (let index = 0; index < 5; index++) {
    caller.received = ''
    caller.write('POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n')
    await caller.readUntil('"code":"not_found"')
    caller.write(Buffer.alloc(1000))
  }
  await waitUntil(() => counts.length === 5)
  t.equal(counts.at(-1), counts[0])
  caller.socket.destroy()
})

t.test('what is thrown away has an end: a caller who never stops is cut off', async t => {
  const { port, usersUrl } = await startService(t)
  const caller = new RawConnection(port)
  caller.write('POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  await caller.readUntil('"code":"not_found"')
  const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(0x100000), Buffer.from('\r\n')])
  while (!caller.socket.closed) {
    caller.write(chunk)
    await waitUntil(() => caller.socket.closed || caller.socket.writableLength < 4_000_000)
  }
  t.ok(caller.socket.bytesWritten < 200_000_000)
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
})
