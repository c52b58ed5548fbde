/**
 * A minimal Procore, written on sockets so that it costs little compared with the measured program. It issues an access
 * token and responds 201 to every other request after its body. It logs the start of each long body and each TLS
 * handshake.
 *
 * `TLS_KEY_FILE`, `TLS_CERTIFICATE_FILE`: it then listens with TLS.
 */
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { getPort } from '../test/helpers/listen.ts'
import { formatHeaders } from './helpers.ts'

const accessTokenBody = JSON.stringify({ access_token: 'token', token_type: 'bearer', expires_in: 5400 })
const userBody = JSON.stringify({
  id: 381006,
  name: 'Jane Doe',
  email_address: 'jane.doe@example.com',
  created_at: '2016-10-23T21:39:40Z',
  notes: 'n'.repeat(300),
})
const resetAt = Math.ceil(Date.now() / 3_600_000 + 1) * 3600
const responses = {
  accessToken: buildResponse('200 OK', accessTokenBody),
  user: buildResponse('201 Created', userBody),
}
const headEnd = Buffer.from('\r\n\r\n')
const lastChunk = Buffer.from('0\r\n\r\n')
/** Bodies that are longer, and all chunked ones, are logged when they begin. */
const shortBodyMaxBytes = 100_000

function buildResponse (status: string, body: string): Buffer {
  const headers = formatHeaders({
    'content-type': 'application/json',
    'content-length': String(body.length),
    'x-rate-limit-limit': '100000000',
    'x-rate-limit-remaining': '99999999',
    'x-rate-limit-reset': String(resetAt),
  })
  return Buffer.from(`HTTP/1.1 ${status}\r\n${headers}\r\n${body}`)
}

/**
 * Serves the requests of a connection one after another. It does not parse chunked bodies, but looks for the last chunk
 * at the end of each segment, where the senders of these benchmarks put it.
 */
function serve (socket: Socket): void {
  let head: Buffer = Buffer.alloc(0)
  let remainingBytes: number | 'chunked' | undefined
  let response = responses.user
  let tail: Buffer = Buffer.alloc(0)
  socket.setNoDelay(true)
  socket.on('error', () => {})
  socket.on('data', (data: Buffer) => {
    let rest = data
    for (;;) {
      if (remainingBytes === undefined) {
        head = head.length === 0 ? rest : Buffer.concat([head, rest])
        const end = head.indexOf(headEnd)
        if (end < 0) return
        const headText = head.toString('latin1', 0, end)
        remainingBytes = parseBodyLength(headText)
        response = headText.startsWith('POST /oauth/token') ? responses.accessToken : responses.user
        rest = head.subarray(end + headEnd.length)
        head = Buffer.alloc(0)
        tail = Buffer.alloc(0)
        if (remainingBytes === 'chunked' || remainingBytes > shortBodyMaxBytes) logBodyStart()
      }
      if (remainingBytes === 'chunked') {
        const received = rest.length >= lastChunk.length ? rest : Buffer.concat([tail, rest])
        tail = received.subarray(-lastChunk.length)
        if (!tail.equals(lastChunk)) return
        rest = Buffer.alloc(0)
      } else {
        const consumed = Math.min(remainingBytes, rest.length)
        remainingBytes -= consumed
        rest = rest.subarray(consumed)
        if (remainingBytes > 0) return
      }
      remainingBytes = undefined
      socket.write(response)
      if (rest.length === 0) return
    }
  })
}

function parseBodyLength (head: string): number | 'chunked' {
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return 'chunked'
  return Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
}

function logBodyStart (): void {
  process.stdout.write('{"msg":"body"}\n')
}

const { TLS_KEY_FILE: keyFile = '', TLS_CERTIFICATE_FILE: certificateFile } = process.env
const scheme = certificateFile === undefined ? 'http' : 'https'
const server = certificateFile === undefined
  ? createServer({ allowHalfOpen: false }, serve)
  : createTlsServer({ key: readFileSync(keyFile), cert: readFileSync(certificateFile) }, socket => {
    process.stdout.write(`${JSON.stringify({ msg: 'handshake', resumed: socket.isSessionReused() })}\n`)
    serve(socket)
  })
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url: `${scheme}://127.0.0.1:${getPort(server)}` })}\n`)
})
