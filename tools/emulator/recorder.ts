/** Records the requests that the emulator receives, byte for byte, so that tests can inspect them. */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { MultipartPart } from './multipart.ts'
import type { FaultTarget } from './settings.ts'

/** A recorded request. The optional fields are set while the request is handled. */
export interface ReceivedRequest {
  target: FaultTarget
  method: string
  /** Path and query. */
  path: string
  headers: IncomingMessage['headers']
  rawHeaders: string[]
  /** Whether the whole body was received. */
  complete: boolean
  body: Buffer
  parts?: MultipartPart[]
  json?: { user: Record<string, unknown> }
  status?: number
  createdUserId?: number
}

const requestsMax = 50_000
const bodiesMax = 2000

/** Records the latest `requestsMax` requests, and the bodies of the latest `bodiesMax` of them. */
export class RequestRecorder {
  requests: ReceivedRequest[] = []

  record (request: IncomingMessage, target: FaultTarget): ReceivedRequest {
    const entry: ReceivedRequest = {
      target,
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      complete: false,
      body: Buffer.alloc(0),
    }
    this.requests.push(entry)
    if (this.requests.length > requestsMax) this.requests.shift()
    const expired = this.requests.at(-bodiesMax - 1)
    if (expired !== undefined) {
      expired.body = Buffer.alloc(0)
      delete expired.parts
    }
    return entry
  }

  /** Returns the latest requests as JSON values: bodies and files as size and hash, text parts as text. */
  serialize (count = Infinity): unknown[] {
    return this.requests.slice(Math.max(0, this.requests.length - count)).map(({ body, parts, ...entry }) => ({
      ...entry,
      bodyBytes: body.length,
      bodySha256: hashSha256(body),
      parts: parts?.map(serializePart),
    }))
  }
}

function serializePart ({ data, ...part }: MultipartPart): unknown {
  return {
    ...part,
    ...(part.filename === undefined && { text: data.toString('utf8') }),
    bytes: data.length,
    sha256: hashSha256(data),
  }
}

function hashSha256 (data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}
