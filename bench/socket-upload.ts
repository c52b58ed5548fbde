/** Writes one upload with an avatar on a socket, from one block of memory, at the pace of the reader. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { formatHeaders } from './helpers.ts'

export interface RawUpload {
  url: string
  /** Request headers besides those of the body. */
  headers: Record<string, string>
  /** Size of the avatar after its first bytes, which identify it as JPEG. */
  avatarBytes: number
}

/** A browser's boundary has this length, which parsers use to skip bytes. */
const boundary = '----WebKitFormBoundary7MA4YWxkTrZu0gWq'
/** A JPEG of 16 × 16 grey pixels up to its scan. The end of the image is left out, as decoders allow. */
const jpegHead = Buffer.from('ffd8ffc0000b080010001001011100ffda0008010100003f00', 'hex')
/**
 * Random, because the content of a real image is compressed and looks like noise. In a scan, 0xff is followed by zero
 * (ITU T.81 §F.1.2.3), and a reader that looks for the end of the scan finds one in every 256 bytes.
 */
const filler = Buffer.from(randomBytes(262_144).toString('latin1').replaceAll('\xff', '\xff\0'), 'latin1')
const bodyHead = Buffer.concat([
  Buffer.from([
    buildPartHead('last_name'),
    'Doe\r\n',
    buildPartHead('email_address'),
    'jane.doe@example.com\r\n',
    buildPartHead('avatar', '; filename="a.jpg"\r\nContent-Type: image/jpeg'),
  ].join('')),
  jpegHead,
])
const bodyTail = Buffer.from(`\r\n--${boundary}--\r\n`)

/** Resolves with the milliseconds from the first byte to the end of the response. @throws if it is not 201 */
export async function rawUpload ({ url, headers, avatarBytes }: RawUpload): Promise<number> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  const allHeaders = {
    host: 'bench',
    'content-type': `multipart/form-data; boundary=${boundary}`,
    'content-length': String(bodyHead.length + avatarBytes + bodyTail.length),
    connection: 'close',
    ...headers,
  }
  const startedAt = performance.now()
  const responseReceived = readResponse(socket)
  socket.write(`POST /companies/101/users HTTP/1.1\r\n${formatHeaders(allHeaders)}\r\n`)
  socket.write(bodyHead)
  for (let remaining = avatarBytes; remaining > 0 && socket.writable; remaining -= filler.length) {
    const chunk = remaining < filler.length ? filler.subarray(0, remaining) : filler
    if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), responseReceived])
  }
  socket.write(bodyTail)
  await responseReceived
  return performance.now() - startedAt
}

function buildPartHead (name: string, parameters = ''): string {
  return `--${boundary}\r\nContent-Disposition: form-data; name="user[${name}]"${parameters}\r\n\r\n`
}

async function readResponse (socket: Socket): Promise<void> {
  let text = ''
  for await (const data of socket.setEncoding('latin1')) {
    text += String(data)
    if (text.includes('\r\n\r\n') && text.includes('"id"')) break
  }
  if (!text.startsWith('HTTP/1.1 201')) throw new Error(`The response to an upload is not 201: ${text}`)
}
