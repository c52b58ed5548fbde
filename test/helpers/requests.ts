/** Sends JSON, multipart forms and raw bytes, and reads the responses. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { request, type Dispatcher } from 'undici'

export interface TestResponse {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** The body as JSON. */
  json: Record<string, unknown> & { errors?: Array<Record<string, string>> }
}

export const jane = { last_name: 'Doe', email_address: 'jane.doe@example.com' }

export type Body = string | Buffer | AsyncIterable<Buffer>

interface RequestOptions { method?: Dispatcher.HttpMethod, headers?: Record<string, string>, body?: Body }

/** Sends a POST by default. An iterable body is sent chunked. */
export async function send (url: string, options: RequestOptions): Promise<TestResponse> {
  const { method = 'POST', headers = {}, body = '' } = options
  const isBuffered = typeof body === 'string' || Buffer.isBuffer(body)
  const response = await request(url, {
    method, headers, body: isBuffered ? body : Readable.from(body, { objectMode: false }),
  })
  return assertNoCredentials(url, toTestResponse(response.statusCode, response.headers, await response.body.text()))
}

/** Matches the secrets and tokens of the tests: those of the emulator and JWTs. */
export const credentialPattern = /demo-secret|second-secret|hunter2|eyJ\.|eyJhbGciOi/

/** No response of the service may contain a credential. This checks the traffic of all tests. */
function assertNoCredentials (url: string, response: TestResponse): TestResponse {
  const isEmulator = /\/(__emulator|oauth)\//.test(url)
  if (!isEmulator && credentialPattern.test(JSON.stringify([response.headers, response.text]))) {
    throw new Error(`The response of ${url} contains a credential.`)
  }
  return response
}

export function sendJson (url: string, body: unknown, headers: Record<string, string> = {}): Promise<TestResponse> {
  const isRaw = typeof body === 'string' || Buffer.isBuffer(body)
  return send(url, {
    body: isRaw ? body : JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers },
  })
}

export function sendMultipart (url: string, body: Body, headers: Record<string, string> = {}): Promise<TestResponse> {
  return send(url, { body, headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, ...headers } })
}

export async function * streamChunks (...parts: Array<string | Buffer>): AsyncGenerator<Buffer> {
  for (const part of parts) yield Buffer.from(part)
}

function toTestResponse (status: number, headers: TestResponse['headers'], text: string): TestResponse {
  return { status, headers, text, json: parseJson(text) }
}

const parseTestJson: (text: string) => TestResponse['json'] = JSON.parse

/** Returns an empty object for a body that is not JSON. Tests compare the members that they expect. */
function parseJson (text: string): TestResponse['json'] {
  try {
    return parseTestJson(text)
  } catch {
    return {}
  }
}

export const boundary = 'test-boundary'

export interface MultipartPart {
  name?: string
  filename?: string
  type?: string
  data: string | Buffer
  /** Header block that replaces the one built from the other members. */
  rawHeaders?: string
}

export function multipartBody (parts: MultipartPart[], partBoundary = boundary): Buffer {
  const closeDelimiter = Buffer.from(`--${partBoundary}--\r\n`)
  return Buffer.concat([...parts.map(part => multipartPart(part, partBoundary)), closeDelimiter])
}

export function multipartPart (part: MultipartPart, partBoundary = boundary): Buffer {
  const { name, filename, type, data, rawHeaders } = part
  const file = filename === undefined ? '' : `; filename="${filename}"`
  const contentType = type === undefined ? '' : `\r\nContent-Type: ${type}`
  const headers = rawHeaders ?? `Content-Disposition: form-data; name="${name}"${file}${contentType}`
  return Buffer.concat([Buffer.from(`--${partBoundary}\r\n${headers}\r\n\r\n`), Buffer.from(data), Buffer.from('\r\n')])
}

export const janeParts: MultipartPart[] = [
  { name: 'user[last_name]', data: 'Doe' },
  { name: 'user[email_address]', data: 'jane.doe@example.com' },
]

/** Writes raw bytes to a connection. */
export class RawConnection {
  readonly socket: Socket
  received = ''

  constructor (port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.setEncoding('latin1').on('data', (chunk: string) => { this.received += chunk }).on('error', () => {})
  }

  write (data: string | Buffer): this {
    this.socket.write(data)
    return this
  }

  /** Returns everything received until the other side closed. */
  async readToEnd (): Promise<string> {
    if (!this.socket.closed) await once(this.socket, 'close')
    return this.received
  }

  /** Returns everything received as soon as it contains the text so many times. */
  async readUntil (text: string, times = 1): Promise<string> {
    const failOnClose = async () => {
      await once(this.socket, 'close')
      throw new Error(`closed before ${text}: ${this.received}`)
    }
    while (this.received.split(text).length <= times) await Promise.race([once(this.socket, 'data'), failOnClose()])
    return this.received
  }
}

/** Returns part, pointer and rule of each error as one text. */
export function summarizeErrors ({ json }: TestResponse): string[] {
  return (json.errors ?? []).map(({ in: part, pointer, rule }) => `${part} ${pointer} ${rule}`)
}
