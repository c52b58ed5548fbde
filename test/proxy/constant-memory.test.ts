// A form flows at the pace of the slower side: what Procore does not take is not read from the caller, so memory does not grow with the body.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { listen } from '../helpers/listen.ts'
import { spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { boundary, multipartBody, multipartPart, janeParts, RawConnection, sendMultipart } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

/** What sockets of the two sides, their kernels and our own queues may hold of a body that nobody takes. */
const allowanceBytes = 24_000_000

async function * endlessForm (avatarBytes: number): AsyncGenerator<Buffer> {
  const piece = randomBytes(65_536)
  yield multipartPart({ name: 'user[avatar]', filename: 'a.png', data: Buffer.from('\x89PNG\r\n\x1a\n', 'latin1') }).subarray(0, -2)
  for (let bytes = 0; bytes < avatarBytes; bytes += piece.length) yield piece
  yield Buffer.concat([Buffer.from('\r\n'), multipartBody(janeParts)])
}

t.test('when Procore stops reading, so do we', async t => {
  const upstream: Socket[] = []
  const server = createServer(socket => {
    upstream.push(socket)
    // Takes the headers and then nothing more.
    socket.on('error', () => {}).once('data', () => socket.pause())
  })
  const { port } = await startService(t, { env: { PROCORE_API_URL: `http://127.0.0.1:${await listen(t, server)}`, AVATAR_MAX_BYTES: '300000000' } })
  const caller = new RawConnection(port)
  caller.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=${boundary}\r\ntransfer-encoding: chunked\r\n\r\n`)
  let taken = 0
  let stalled = false
  const pour = async () => {
    for await (const piece of endlessForm(200_000_000)) {
      caller.write(`${piece.length.toString(16)}\r\n`).write(piece).write('\r\n')
      taken = caller.socket.bytesWritten - caller.socket.writableLength
      if (caller.socket.writableLength > 1_000_000) {
        stalled = await Promise.race([new Promise<boolean>(resolve => caller.socket.once('drain', () => resolve(false))), new Promise<boolean>(resolve => setTimeout(() => resolve(true), 1500))])
        if (stalled) return
      }
    }
  }
  await pour()
  t.ok(stalled, 'the caller was made to wait')
  t.ok(taken < allowanceBytes, `${taken} bytes were taken`)
  caller.socket.destroy()
  const closed = upstream.map(socket => once(socket, 'close'))
  for (const socket of upstream) socket.resume()
  await Promise.all(closed)
})

t.test('the largest body takes no more memory than a small one', async t => {
  const server = createServer(socket => {
    socket.on('error', () => {}).on('data', chunk => {
      if (chunk.includes('grant_type')) socket.write(answer('200 OK', '{"access_token":"a","token_type":"bearer","expires_in":5400}'))
      else if (chunk.includes('\r\n0\r\n\r\n')) socket.write(answer('201 Created', '{"id":1}'))
    })
  })
  const service = spawnProgram(t, 'src/main.ts', {
    ...serviceEnvironment({ url: `http://127.0.0.1:${await listen(t, server)}`, settings: { clientId: 'a', clientSecret: 'b' } }),
    AVATAR_MAX_BYTES: '700000000',
  })
  const users = `${await service.listening}/companies/101/users`
  const peakAfter = async (avatarBytes: number) => {
    t.equal((await sendMultipart(users, endlessForm(avatarBytes))).status, 201)
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${service.child.pid}/status`, 'utf8'))?.[1]) * 1024
  }
  const small = await peakAfter(20_000_000)
  const large = await peakAfter(600_000_000)
  t.ok(large - small < 150_000_000, `${small} bytes at most with 20 MB, ${large} with 600 MB`)
})

const answer = (status: string, body: string) => `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
