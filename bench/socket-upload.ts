/** One form with an avatar, written on a socket from one piece of memory, at the pace of whoever reads it. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'

/** Where the form goes, with which headers beside its own, and how long its avatar is. */
export interface RawUpload {
  url: string
  headers: Record<string, string>
  avatarBytes: number
}

const boundary = 'bench-9f2c41d07b'
const png = Buffer.from('89504e470d0a1a0a0000000d494844520000001000000010080600000000000000', 'hex')
/** What is compressed looks like noise. */
const filler = randomBytes(262_144)
const buildPartHeaders = (name: string, parameters = '') => `--${boundary}\r\nContent-Disposition: form-data; name="user[${name}]"${parameters}\r\n\r\n`
const head = Buffer.concat([
  Buffer.from(`${buildPartHeaders('last_name')}Doe\r\n${buildPartHeaders('email_address')}jane.doe@example.com\r\n--${boundary}\r\nContent-Disposition: form-data; name="user[avatar]"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n`),
  png,
])
const tail = Buffer.from(`\r\n--${boundary}--\r\n`)

/** Resolves with the milliseconds from the first byte to the end of the answer. @throws if it is not 201 */
export async function rawUpload ({ url, headers, avatarBytes }: RawUpload): Promise<number> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  const lines = Object.entries({ host: 'bench', 'content-type': `multipart/form-data; boundary=${boundary}`, 'content-length': String(head.length + avatarBytes + tail.length), connection: 'close', ...headers })
  const startedAt = performance.now()
  const responseReceived = readResponse(socket)
  socket.write(`POST /companies/101/users HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
  socket.write(head)
  for (let left = avatarBytes; left > 0 && socket.writable; left -= filler.length) {
    if (!socket.write(left < filler.length ? filler.subarray(0, left) : filler)) await Promise.race([once(socket, 'drain'), responseReceived])
  }
  socket.write(tail)
  await responseReceived
  return performance.now() - startedAt
}

async function readResponse (socket: ReturnType<typeof connect>): Promise<void> {
  let text = ''
  for await (const data of socket.setEncoding('latin1')) {
    text += data
    if (text.includes('\r\n\r\n') && text.includes('"id"')) break
  }
  if (!text.startsWith('HTTP/1.1 201')) throw new Error(`not created: ${text}`)
}
