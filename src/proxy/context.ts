/** The types that the steps of one proxied request share: its context, its metadata and its validated body. */
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

/** What the body readers need to know of one request. */
export interface RequestContext {
  raw: IncomingMessage
  /** Identifies the caller for its limits; undefined if callers cannot be distinguished. */
  callerId: string | undefined
  response: ServerResponse
  bodyLimits: Config['body']
  /** Shared by the bodies of all requests. */
  memoryBudget: MemoryBudget
  /** The compiled description of the body. */
  compiled: CompiledRecord
  /** Path and query, already validated: their errors are reported together with those of the body. */
  parameterValidators: readonly RecordValidator[]
  record: RequestRecord
  /** The avatar of a request with an idempotency key is hashed while it streams, for the fingerprint. */
  hasIdempotencyKey: boolean
  /** Must be called once, when everything read so far is valid. From then on the record has a provisional outcome. */
  send (requestBody: ValidatedBody): Promise<UpstreamResult>
}

/** A body that is valid as far as it was read, ready to be sent. */
export interface ValidatedBody {
  /** Null if the endpoint takes no body. */
  body: Buffer | Readable | null
  contentType: string | undefined
  /** The validated values; those of a stream are complete once `validated` resolves. */
  values: FieldValues
  /**
   * Resolves once the whole body is valid. Its value is the digest of the avatar, or empty without an avatar or an
   * idempotency key.
   */
  validated: Promise<string>
  /** Stops sending: destroys the stream, while the rest of the body is still read and validated. */
  drain (): void
  /** Stops writing to the stream without destroying it, because the response to what was sent is on its way. */
  stopBody (): void
}

const alreadyValidated = Promise.resolve('')
function noop (): void {}

/** Wraps a body that was read completely, or the absence of one: there is nothing left to drain. */
export function bufferedBody (
  body: Buffer | null, contentType: string | undefined, values: FieldValues
): ValidatedBody {
  return { body, contentType, values, validated: alreadyValidated, drain: noop, stopBody: noop }
}

/** Everything about a request except its body. */
export interface RequestMetadata {
  path: RecordValidator
  query: RecordValidator
  /**
   * The caller that the idempotency key belongs to. Only a verified subject identifies a caller, because an address may
   * change between two attempts.
   */
  subject: string
  /** The caller's Idempotency-Key. */
  idempotencyKey: string | undefined
  record: RequestRecord
  signal: DisconnectSignal
  requestId: string
  route: string | undefined
}
