/**
 * The smallest Procore there can be, written on sockets so that it costs little beside what is measured: a token, and 201 to everything
 * else once its body has come. It counts the bytes of bodies and tells when the first of one came.
 */
import { createServer, type Socket } from 'node:net'
import { getPort } from '../test/helpers/listen.ts'

const accessTokenBody = JSON.stringify({ access_token: 'token', token_type: 'bearer', expires_in: 5400 })
const userBody = JSON.stringify({ id: 381006, name: 'Jane Doe', email_address: 'jane.doe@example.com', created_at: '2016-10-23T21:39:40Z', notes: 'n'.repeat(300) })
const resetAt = Math.ceil(Date.now() / 3_600_000 + 1) * 3600
const buildResponse = (status: string, body: string) => Buffer.from(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nx-rate-limit-limit: 100000000\r\nx-rate-limit-remaining: 99999999\r\nx-rate-limit-reset: ${resetAt}\r\n\r\n${body}`)
const responses = { accessToken: buildResponse('200 OK', accessTokenBody), user: buildResponse('201 Created', userBody) }
const headEnd = Buffer.from('\r\n\r\n')
const lastChunk = Buffer.from('0\r\n\r\n')

/** One request after the other on one connection; of a chunked body only its end is looked for, which comes at the end of a segment. */
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
        const text = head.toString('latin1', 0, end)
        remainingBytes = /\r\ntransfer-encoding: *chunked/i.test(text) ? 'chunked' : Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0)
        response = text.startsWith('POST /oauth/token') ? responses.accessToken : responses.user
        rest = head.subarray(end + 4)
        head = Buffer.alloc(0)
        tail = Buffer.alloc(0)
        if (remainingBytes === 'chunked' || remainingBytes > 100_000) process.stdout.write('{"msg":"body"}\n')
      }
      if (remainingBytes === 'chunked') {
        tail = rest.length >= lastChunk.length ? rest.subarray(-lastChunk.length) : Buffer.concat([tail, rest]).subarray(-lastChunk.length)
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

const server = createServer({ allowHalfOpen: false }, serve).listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${getPort(server)}` })}\n`)
})
