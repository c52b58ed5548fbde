// Every caller can read a response that is sent while it still uploads, whether the service or Procore sent it.
// Its connection is then reusable or properly closed. Callers and Procore run in processes of their own.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import t from 'tap'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { createUserJson } from '../helpers/request-builders.ts'
import { spawnProgram } from '../helpers/spawn-program.ts'
import { jane, RawConnection, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const avatarBytes = 20_000_000
const tries = 25

interface UploadingCaller {
  name: string
  /** The body of a function that uploads the form and passes the status it reads to `done`. */
  upload: string
}

const sendByNodeHttp = `
    call.on('response', response => response.resume().on('end', () => done(response.statusCode)))
    call.on('error', error => done(error.code))
    call.end(body)`

const callers: UploadingCaller[] = [
  {
    name: 'fetch',
    upload: `
    const form = new FormData()
    form.append('user[avatar]', new Blob([png]), 'a.png')
    const response = await fetch(url, { method: 'POST', body: form })
    await response.text()
    done(response.status)`,
  },
  {
    name: 'node:http with keep-alive',
    upload: `
    const headers = { 'content-type': type, 'content-length': body.length }
    const call = request(url, { method: 'POST', agent, headers })
    ${sendByNodeHttp}`,
  },
  {
    name: 'node:http with Connection: close',
    upload: `
    const headers = { 'content-type': type, 'content-length': body.length, connection: 'close' }
    const call = request(url, { method: 'POST', agent: false, headers })
    ${sendByNodeHttp}`,
  },
  {
    name: 'a caller that writes the whole body before it reads',
    upload: `
    const { hostname, port, pathname } = new URL(url)
    const socket = connect(port, hostname).pause()
    socket.on('error', error => done(error.code))
    socket.write([
      'POST ' + pathname + ' HTTP/1.1', 'host: x', 'connection: close', 'content-type: ' + type,
      'content-length: ' + body.length, '\\r\\n'
    ].join('\\r\\n'))
    socket.write(body, () => {
      let text = ''
      socket.on('data', chunk => { text += chunk }).on('end', () => done(text.slice(9, 12))).resume()
    })`,
  },
]

/** Returns a program that uploads a large form several times, and prints the statuses that it reads. */
const buildProgram = (upload: string) => `
  import { request, Agent } from 'node:http'
  import { connect } from 'node:net'
  const [url] = process.argv.slice(1)
  const agent = new Agent({ keepAlive: true })
  const png = Buffer.alloc(${avatarBytes})
  png.write('\\x89PNG\\r\\n\\x1a\\n\\x7f\\xff\\xff\\xffIDAT', 'latin1')
  const type = 'multipart/form-data; boundary=b'
  const disposition = 'Content-Disposition: form-data; name="user[avatar]"; filename="a.png"'
  const head = Buffer.from('--b\\r\\n' + disposition + '\\r\\n\\r\\n')
  const body = Buffer.concat([head, png, Buffer.from('\\r\\n--b--\\r\\n')])
  const upload = async done => {${upload}}
  const statuses = []
  for (let index = 0; index < ${tries}; index++) {
    const status = await new Promise(resolve => {
      upload(resolve).catch(error => resolve(error.cause?.code ?? error.message))
      setTimeout(resolve, 60_000, 'no response').unref()
    })
    statuses.push(String(status))
  }
  console.log(JSON.stringify(statuses))
  process.exit()
`

/** Resolves with the statuses that a caller in a process of its own read. */
async function uploadRepeatedly ({ upload }: UploadingCaller, url: string): Promise<unknown> {
  const program = ['--input-type=module', '-e', buildProgram(upload), url]
  const { stdout } = await promisify(execFile)(process.execPath, program)
  return JSON.parse(stdout)
}

t.test('a rejection by the service during the upload is read by every caller', async t => {
  const { url, usersUrl } = await startService(t, { env: { AVATAR_MAX_BYTES: '1000000' } })
  for (const caller of callers) {
    await t.test(`${caller.name} reads 413`, async t => {
      t.strictSame(await uploadRepeatedly(caller, usersUrl), Array(tries).fill('413'))
    })
  }
  t.equal((await send(`${url}/livez`, { method: 'GET' })).status, 200)
})

const procoreFaults: Array<{ name: string, fault: InjectedFault }> = [
  { name: 'Procore lingers', fault: { kind: 'early', status: 422, body: '{}', lingerMs: 2000, rate: 1 } },
  {
    name: 'Procore closes and thereby resets the connection',
    fault: { kind: 'early', status: 422, body: '{}', rate: 1 },
  },
]

for (const { name, fault } of procoreFaults) {
  t.test(`a rejection by Procore during the upload is read by every caller when ${name}`, async t => {
    const emulator = spawnProgram(t, 'tools/emulator/main.ts', { EMULATOR_PORT: '0' })
    const procoreUrl = await emulator.listening
    await send(`${procoreUrl}/__emulator/faults`, { body: JSON.stringify(fault) })
    const { usersUrl } = await startService(t, { procoreUrl, env: { AVATAR_MAX_BYTES: '30000000' } })
    for (const caller of callers) {
      await t.test(`${caller.name} reads 422`, async t => {
        t.strictSame(await uploadRepeatedly(caller, usersUrl), Array(tries).fill('422'))
      })
    }
  })
}

t.test('a connection is reusable once the service discarded the rest of the body', async t => {
  const { port } = await startService(t)
  const caller = new RawConnection(port)
  caller.write('POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n\r\n').write(Buffer.alloc(2_000_000))
  await caller.readUntil('"code":"not_found"')
  caller.write(createUserJson(JSON.stringify({ user: jane })))
  t.match(await caller.readUntil('201 Created'), /^HTTP\/1\.1 404 /)
  caller.socket.destroy()
})

t.test('several rejections on one connection leave no listeners on its socket', async t => {
  const { app, port } = await startService(t)
  const listenerCounts: number[] = []
  const ends: Array<Promise<unknown>> = []
  app.fastify.server.on('request', (request: IncomingMessage) => {
    listenerCounts.push(request.socket.listenerCount('close'))
    ends.push(once(request, 'end'))
  })
  const caller = new RawConnection(port)
  for (let index = 0; index < 5; index++) {
    caller.received = ''
    caller.write('POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n')
    await caller.readUntil('"code":"not_found"')
    caller.write(Buffer.alloc(1000))
    // If the next head arrives in the same chunk, Node emits its request before the end of this one.
    await ends[index]
  }
  t.equal(listenerCounts.length, 5)
  t.equal(listenerCounts.at(-1), listenerCounts[0])
  caller.socket.destroy()
})

t.test('a caller who never stops sending is disconnected, because the discarded bytes are limited', async t => {
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
