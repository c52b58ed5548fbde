// An answer that begins before the form has ended: whatever is told of it, no complete request may leave afterwards that makes it untrue.
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { boundary, multipartBody, janeParts, RawConnection } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const body = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(900_000) }, ...janeParts])

const token = '{"access_token":"tok","token_type":"bearer","expires_in":5400}'

/** A Procore that answers with this head as soon as a form begins, reads on, and ends its answer when it is told to. */
async function startUpstream (t: Test, head: string): Promise<{ url: string, begun: () => boolean, complete: () => number, finish: () => void }> {
  let api: Socket | undefined
  let complete = 0
  const server = createServer(socket => {
    let tail = ''
    socket.setEncoding('latin1').on('error', () => {}).on('data', chunk => {
      if (chunk.includes('grant_type')) return socket.write(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${token.length}\r\n\r\n${token}`)
      if (api !== socket) socket.write(head)
      api = socket
      tail = `${tail}${chunk}`.slice(-100)
      if (tail.endsWith('\r\n0\r\n\r\n')) complete++
    })
  })
  return { url: `http://127.0.0.1:${await listen(t, server)}`, begun: () => api !== undefined, complete: () => complete, finish: () => api?.write('}') }
}

t.test('a 500 whose end comes after the last byte of the form was read', async t => {
  const upstream = await startUpstream(t, 'HTTP/1.1 500 Oops\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{')
  const { port } = await startService(t, { procoreUrl: upstream.url })
  const caller = new RawConnection(port)
  caller.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\nidempotency-key: k\r\ncontent-type: multipart/form-data; boundary=${boundary}\r\ncontent-length: ${body.length}\r\n\r\n`).write(body.subarray(0, 800_000))
  await waitUntil(upstream.begun)
  // The head of the answer has to arrive before the rest of the form is sent.
  await new Promise(resolve => setTimeout(resolve, 50))
  caller.write(body.subarray(800_000))
  await new Promise(resolve => setTimeout(resolve, 50))
  upstream.finish()
  t.match(await caller.readUntil('\r\n\r\n{'), /^HTTP\/1\.1 502 [^]*"outcome":"not_sent"/)
  t.equal(upstream.complete(), 0)
  caller.socket.destroy()
})
