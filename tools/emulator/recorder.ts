/** Keeps what the emulator received, as it came, so that tests can look at the bytes. */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Part } from './multipart.ts'

/** A request as it came; the fields below `body` are filled in while it is answered. */
export interface Received {
  method: string
  /** Path and query. */
  path: string
  headers: IncomingMessage['headers']
  rawHeaders: string[]
  /** Whether the body came to its end. */
  complete: boolean
  body: Buffer
  /** What was made of it. */
  parts?: Part[]
  json?: unknown
  status?: number
  createdUserId?: number
}

/** How many are known, and how many of those with their bytes. */
const receivedMax = 50_000
const bodiesMax = 2000

/** The last `receivedMax` requests, the last `bodiesMax` of them with their bytes. */
export class Recorder {
  received: Received[] = []

  open (request: IncomingMessage): Received {
    const entry: Received = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      complete: false,
      body: Buffer.alloc(0),
    }
    this.received.push(entry)
    if (this.received.length > receivedMax) this.received.shift()
    const old = this.received.at(-bodiesMax - 1)
    if (old !== undefined) {
      old.body = Buffer.alloc(0)
      delete old.parts
    }
    return entry
  }

  /** The last ones without their bytes, as JSON has it; what is no file is told. */
  describe (last = Infinity): unknown[] {
    return this.received.slice(Math.max(0, this.received.length - last)).map(({ body, parts, ...entry }) => ({
      ...entry,
      bodyBytes: body.length,
      bodySha256: sha256(body),
      parts: parts?.map(({ data, ...part }) => ({ ...part, ...(part.filename === undefined && { text: data.toString('utf8') }), bytes: data.length, sha256: sha256(data) })),
    }))
  }
}

function sha256 (data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}
