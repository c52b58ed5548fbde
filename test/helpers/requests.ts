/** What tests send and read: JSON, forms by bytes, and whatever can be put on a socket. */
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

/** A POST unless another method is named; what is iterated goes out chunked. */
export async function send (url: string, { method = 'POST', headers = {}, body = '' }: { method?: Dispatcher.HttpMethod, headers?: Record<string, string>, body?: Body }): Promise<TestResponse> {
  const response = await request(url, { method, headers, body: typeof body === 'string' || Buffer.isBuffer(body) ? body : Readable.from(body, { objectMode: false }) })
  return assertNoCredentials(url, toTestResponse(response.statusCode, response.headers, await response.body.text()))
}

/** The secrets and tokens of tests: the emulator's and those of an issuer of JWTs. */
export const credentialPattern = /demo-secret|second-secret|hunter2|eyJ\.|eyJhbGciOi/

/** No answer of the service may ever hold a credential, whatever a test looks at. */
function assertNoCredentials (url: string, response: TestResponse): TestResponse {
  if (!/\/(__emulator|oauth)\//.test(url) && credentialPattern.test(JSON.stringify([response.headers, response.text]))) throw new Error(`a credential in the answer of ${url}`)
  return response
}

export function sendJson (url: string, body: unknown, headers: Record<string, string> = {}): Promise<TestResponse> {
  return send(url, { body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } })
}

export function sendMultipart (url: string, body: Body, headers: Record<string, string> = {}): Promise<TestResponse> {
  return send(url, { body, headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, ...headers } })
}

/** A body in pieces. */
export async function * streamChunks (...parts: Array<string | Buffer>): AsyncGenerator<Buffer> {
  for (const part of parts) yield Buffer.from(part)
}

function toTestResponse (status: number, headers: TestResponse['headers'], text: string): TestResponse {
  return { status, headers, text, json: parseJson(text) }
}

function parseJson (text: string): TestResponse['json'] {
  try {
    return JSON.parse(text)
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
  /** Instead of all others: the header block as it is. */
  rawHeaders?: string
}

/** The bytes of a form. */
export function multipartBody (parts: MultipartPart[], partBoundary = boundary): Buffer {
  return Buffer.concat([...parts.map(part => multipartPart(part, partBoundary)), Buffer.from(`--${partBoundary}--\r\n`)])
}

export function multipartPart ({ name, filename, type, data, rawHeaders }: MultipartPart, partBoundary = boundary): Buffer {
  const file = filename === undefined ? '' : `; filename="${filename}"`
  const headers = rawHeaders ?? `Content-Disposition: form-data; name="${name}"${file}${type === undefined ? '' : `\r\nContent-Type: ${type}`}`
  return Buffer.concat([Buffer.from(`--${partBoundary}\r\n${headers}\r\n\r\n`), Buffer.from(data), Buffer.from('\r\n')])
}

export const janeParts: MultipartPart[] = [
  { name: 'user[last_name]', data: 'Doe' },
  { name: 'user[email_address]', data: 'jane.doe@example.com' },
]

/** A connection on which a test writes bytes itself. */
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

  /** Everything that came until the other side closed. */
  async readToEnd (): Promise<string> {
    if (!this.socket.closed) await once(this.socket, 'close')
    return this.received
  }

  /** What came once it holds this text so many times. */
  async readUntil (text: string, times = 1): Promise<string> {
    while (this.received.split(text).length <= times) await Promise.race([once(this.socket, 'data'), once(this.socket, 'close').then(() => { throw new Error(`closed before ${text}: ${this.received}`) })])
    return this.received
  }
}

/** The pairs of pointer and rule, for comparing lists of faults at a glance. */
export function summarizeErrors ({ json }: TestResponse): string[] {
  return (json.errors ?? []).map(({ in: part, pointer, rule }) => `${part} ${pointer} ${rule}`)
}
