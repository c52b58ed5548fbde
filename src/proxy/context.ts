/** One request at the mirror: what the ways of JSON and of forms need to know of it, and how they hand over what they made. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { Config } from '../config/index.ts'
import type { FieldValues } from '../endpoints/endpoint.ts'
import type { RequestRecord } from '../telemetry/request-record.ts'
import type { UpstreamResult } from '../procore/interpret.ts'
import type { RecordValidator } from './validation/record.ts'
import type { MemoryBudget } from './body/memory-budget.ts'
import type { CompiledRecord } from './validation/schema.ts'
import type { DisconnectSignal } from '../server/disconnect-signal.ts'

/** It is made for one request, and nothing of it outlives the request. */
export interface RequestContext {
  raw: IncomingMessage
  /** By whom limits count; nothing where callers can't be told apart. */
  callerId: string | undefined
  response: ServerResponse
  bodyLimits: Config['body']
  /** What all bodies together may take. */
  memoryBudget: MemoryBudget
  /** The shape of the body. */
  compiled: CompiledRecord
  /** Path and query, judged already: their faults are told together with the body's. */
  parameterValidators: readonly RecordValidator[]
  record: RequestRecord
  /** Whether the request carries a key, so that its avatar has to be hashed while it streams. */
  hasIdempotencyKey: boolean
  /** To be called once, when the body is valid as far as it goes; what becomes of a change is told from there on. */
  send (outgoing: ValidatedBody): Promise<UpstreamResult>
}

/** What a way made of the body. */
export interface ValidatedBody {
  /** Nothing where the endpoint takes none. */
  body: Buffer | Readable | null
  contentType: string | undefined
  /** What was validated; of a stream it is whole once it is complete. */
  values: FieldValues
  /** Resolves once the whole body is known to be valid, with the digest of the avatar if the request is keyed and has one. */
  validated: Promise<string>
  /** What still comes of a stream need not be sent. */
  drain (): void
  /** What still comes of a stream must not be sent, but what was sent is left alone: an answer to it is on its way. */
  stopBody (): void
}

const alreadyValidated = Promise.resolve('')
function noop (): void {}

/** Of a body that is there as a whole, or of none: nothing of it still comes. */
export function bufferedBody (body: Buffer | null, contentType: string | undefined, values: FieldValues): ValidatedBody {
  return { body, contentType, values, validated: alreadyValidated, drain: noop, stopBody: noop }
}

/** What is known of a request beside its body. */
export interface RequestMetadata {
  path: RecordValidator
  query: RecordValidator
  /** Whose Idempotency-Key it is: only a verified subject tells callers apart, since an address may change between two tries. */
  subject: string
  /** The caller's Idempotency-Key. */
  idempotencyKey: string | undefined
  record: RequestRecord
  signal: DisconnectSignal
  requestId: string
  route: string | undefined
}
