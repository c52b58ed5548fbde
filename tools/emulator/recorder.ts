/** Keeps what the emulator received, as it came, so that tests can look at the bytes. */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { MultipartPart } from './multipart.ts'

/** A request as it came; the fields below `body` are filled in while it is answered. */
export interface ReceivedRequest {
  method: string
  /** Path and query. */
  path: string
  headers: IncomingMessage['headers']
  rawHeaders: string[]
  /** Whether the body came to its end. */
  complete: boolean
  body: Buffer
  /** What was made of it. */
  parts?: MultipartPart[]
  json?: unknown
  status?: number
  createdUserId?: number
}

/** How many are known, and how many of those with their bytes. */
const requestsMax = 50_000
const bodiesMax = 2000

/** The last `receivedMax` requests, the last `bodiesMax` of them with their bytes. */
export class RequestRecorder {
  requests: ReceivedRequest[] = []

  record (request: IncomingMessage): ReceivedRequest {
    const entry: ReceivedRequest = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      complete: false,
      body: Buffer.alloc(0),
    }
    this.requests.push(entry)
    if (this.requests.length > requestsMax) this.requests.shift()
    const bodyless = this.requests.at(-bodiesMax - 1)
    if (bodyless !== undefined) {
      bodyless.body = Buffer.alloc(0)
      delete bodyless.parts
    }
    return entry
  }

  /** The last ones without their bytes, as JSON has it; what is no file is told. */
  serialize (last = Infinity): unknown[] {
    return this.requests.slice(Math.max(0, this.requests.length - last)).map(({ body, parts, ...entry }) => ({
      ...entry,
      bodyBytes: body.length,
      bodySha256: hashSha256(body),
      parts: parts?.map(({ data, ...part }) => ({ ...part, ...(part.filename === undefined && { text: data.toString('utf8') }), bytes: data.length, sha256: hashSha256(data) })),
    }))
  }
}

function hashSha256 (data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}
