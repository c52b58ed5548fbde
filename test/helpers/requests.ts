/** What tests send and read: JSON, forms by bytes, and whatever can be put on a socket. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { request, type Dispatcher } from 'undici'

export interface Reply {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** The body as JSON. */
  json: Record<string, unknown> & { errors?: Array<Record<string, string>> }
}

export const jane = { last_name: 'Doe', email_address: 'jane.doe@example.com' }

export type Body = string | Buffer | AsyncIterable<Buffer>

/** A POST unless another method is named; what is iterated goes out chunked. */
export async function send (url: string, { method = 'POST', headers = {}, body = '' }: { method?: Dispatcher.HttpMethod, headers?: Record<string, string>, body?: Body }): Promise<Reply> {
  const answer = await request(url, { method, headers, body: typeof body === 'string' || Buffer.isBuffer(body) ? body : Readable.from(body, { objectMode: false }) })
  return refuseLeak(url, reply(answer.statusCode, answer.headers, await answer.body.text()))
}

/** The secrets and tokens of tests: the emulator's and those of an issuer of JWTs. */
export const credentials = /demo-secret|second-secret|hunter2|eyJ\.|eyJhbGciOi/

/** No answer of the service may ever hold a credential, whatever a test looks at. */
function refuseLeak (url: string, answer: Reply): Reply {
  if (!/\/(__emulator|oauth)\//.test(url) && credentials.test(JSON.stringify([answer.headers, answer.text]))) throw new Error(`a credential in the answer of ${url}`)
  return answer
}

export function sendJson (url: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  return send(url, { body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } })
}

export function sendForm (url: string, body: Body, headers: Record<string, string> = {}): Promise<Reply> {
  return send(url, { body, headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, ...headers } })
}

/** A body in pieces. */
export async function * pieces (...parts: Array<string | Buffer>): AsyncGenerator<Buffer> {
  for (const part of parts) yield Buffer.from(part)
}

function reply (status: number, headers: Reply['headers'], text: string): Reply {
  return { status, headers, text, json: parse(text) }
}

function parse (text: string): Reply['json'] {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

export const boundary = 'test-boundary'

export interface FormPart {
  name?: string
  filename?: string
  type?: string
  data: string | Buffer
  /** Instead of all others: the header block as it is. */
  head?: string
}

/** The bytes of a form. */
export function form (parts: FormPart[], mark = boundary): Buffer {
  return Buffer.concat([...parts.map(part => formPart(part, mark)), Buffer.from(`--${mark}--\r\n`)])
}

export function formPart ({ name, filename, type, data, head }: FormPart, mark = boundary): Buffer {
  const file = filename === undefined ? '' : `; filename="${filename}"`
  const headers = head ?? `Content-Disposition: form-data; name="${name}"${file}${type === undefined ? '' : `\r\nContent-Type: ${type}`}`
  return Buffer.concat([Buffer.from(`--${mark}\r\n${headers}\r\n\r\n`), Buffer.from(data), Buffer.from('\r\n')])
}

export const janeParts: FormPart[] = [
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
  async ended (): Promise<string> {
    if (!this.socket.closed) await once(this.socket, 'close')
    return this.received
  }

  /** What came once it holds this text so many times. */
  async until (text: string, times = 1): Promise<string> {
    while (this.received.split(text).length <= times) await Promise.race([once(this.socket, 'data'), once(this.socket, 'close').then(() => { throw new Error(`closed before ${text}: ${this.received}`) })])
    return this.received
  }
}

/** The pairs of pointer and rule, for comparing lists of faults at a glance. */
export function faults ({ json }: Reply): string[] {
  return (json.errors ?? []).map(({ in: part, pointer, rule }) => `${part} ${pointer} ${rule}`)
}
