// Tests a response that begins before the form has ended: no complete request may be sent afterwards and contradict it.
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { boundary, multipartBody, janeParts, RawConnection } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const form = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(900_000) }, ...janeParts])

const tokenResponse = '{"access_token":"tok","token_type":"bearer","expires_in":5400}'

interface EarlyUpstream {
  url: string
  hasResponded: () => boolean
  /** Number of forms that arrived completely. */
  completeForms: () => number
  endResponse: () => void
}

/** Starts a server that sends this head when a form begins, reads on, and ends its response on request. */
async function startUpstream (t: Test, head: string): Promise<EarlyUpstream> {
  let apiSocket: Socket | undefined
  let completeForms = 0
  const server = createServer(socket => {
    let tail = ''
    socket.setEncoding('latin1').on('error', () => {}).on('data', chunk => {
      if (chunk.includes('grant_type')) {
        const tokenHead = `content-type: application/json\r\ncontent-length: ${tokenResponse.length}`
        return socket.write(`HTTP/1.1 200 OK\r\n${tokenHead}\r\n\r\n${tokenResponse}`)
      }
      if (apiSocket !== socket) socket.write(head)
      apiSocket = socket
      tail = `${tail}${chunk}`.slice(-100)
      if (tail.endsWith('\r\n0\r\n\r\n')) completeForms++
    })
  })
  return {
    url: `http://127.0.0.1:${await listen(t, server)}`,
    hasResponded: () => apiSocket !== undefined,
    completeForms: () => completeForms,
    endResponse: () => apiSocket?.write('}'),
  }
}

t.test('a 500 that begins before the form has ended and ends after it is not_sent', async t => {
  const head = 'HTTP/1.1 500 Oops\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{'
  const upstream = await startUpstream(t, head)
  const { port } = await startService(t, { procoreUrl: upstream.url })
  const caller = new RawConnection(port)
  const requestHead = [
    'POST /companies/101/users HTTP/1.1',
    'host: x',
    'idempotency-key: k',
    `content-type: multipart/form-data; boundary=${boundary}`,
    `content-length: ${form.length}`,
  ].join('\r\n')
  caller.write(`${requestHead}\r\n\r\n`).write(form.subarray(0, 800_000))
  await waitUntil(upstream.hasResponded)
  // The head of the response must arrive before the rest of the form is sent.
  await new Promise(resolve => setTimeout(resolve, 50))
  caller.write(form.subarray(800_000))
  await new Promise(resolve => setTimeout(resolve, 50))
  upstream.endResponse()
  t.match(await caller.readUntil('\r\n\r\n{'), /^HTTP\/1\.1 502 [^]*"outcome":"not_sent"/)
  t.equal(upstream.completeForms(), 0)
  caller.socket.destroy()
})
