/** The types that the steps of one proxied request share: its context, and the request with its validated body. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { Config } from '../config/index.ts'
import type { FieldValues } from '../endpoints/endpoint.ts'
import type { AbortReason } from '../server/abort.ts'
import type { RequestRecord } from '../telemetry/request-record.ts'
import type { ProcoreRequest } from '../procore/client.ts'
import type { Delivery } from '../procore/delivery.ts'
import type { UpstreamResult } from '../procore/result.ts'
import type { OperationCheck, RecordValidator } from './validation/record.ts'
import type { FileStream } from './file-stream.ts'
import type { RequestUsage } from './usage.ts'
import type { CompiledRecord } from './validation/schema.ts'

/** The part of one request that the body readers use. */
export interface RequestContext {
  raw: IncomingMessage
  response: ServerResponse
  signal: AbortSignal
  bodyLimits: Config['body']
  /** Counts the bytes of the body, until the request ends. */
  usage: RequestUsage
  /** The compiled description of the body. */
  compiled: CompiledRecord
  /** Checks the scope of fields that need one of their own. */
  checkOperation: OperationCheck
  /** Path and query, already validated: their errors are reported together with those of the body. */
  parameterValidators: readonly RecordValidator[]
  record: RequestRecord
  /**
   * A field that is sent to Procore if the caller does not send it. It is not among the values, because it is not part
   * of the caller's request.
   */
  generatedField: GeneratedField | undefined
  /** The images of a request with an idempotency key are hashed while they stream, for the fingerprint. */
  hasIdempotencyKey: boolean
  /** Must be called once, when everything read so far is valid. From then on a failure has an outcome. */
  send (body: ValidatedBody): Promise<EndpointResult>
}

export interface GeneratedField {
  name: string
  value: string
}

/** A body that is valid as far as it was read, ready to be sent. */
export interface ValidatedBody {
  /** Null if the endpoint takes no body. */
  content: Buffer | Readable | null
  contentType: string | undefined
  /** Whether the body has an image. Of a stream it is known at its end. */
  hasImage (): boolean
  /** The validated values; those of a stream are complete once `validated` resolves. */
  values: FieldValues
  /** Resolves once it is known whether the whole body is valid. Pending if Procore responded before that. */
  validated: Promise<BodyValidation>
  /** What `validated` resolves with; undefined before. */
  getValidation (): BodyValidation | undefined
  /**
   * Sets an action to wait for once the whole body is valid, before its last byte is sent. Absent for a buffered body.
   */
  beforeEnd? (action: (imageDigest: string) => Promise<void>): void
  /** Aborts with the request, or when the rest of a stream turns out to be invalid. Absent for a buffered body. */
  signal?: AbortSignal
  /** Stops sending: destroys the stream, while the rest of the body is still read and validated. */
  drain (): void
  /** Stops writing to the stream without destroying it, because the response to what was sent is on its way. */
  stopBody (): void
}

/**
 * The result of validating a whole body. The digest is that of the images: empty without an image or an idempotency
 * key.
 */
export type BodyValidation =
  | { kind: 'valid', imageDigest: string }
  /** The reason is also the error that destroyed the stream to Procore. */
  | { kind: 'invalid', reason: AbortReason }

export type CompanyCheck = (id: number) => boolean

/** A validated request of a caller, on its way through the layers that may send it to Procore. */
export interface EndpointRequest {
  path: RecordValidator
  query: RecordValidator
  body: ValidatedBody
  /**
   * The caller that the idempotency key belongs to. Only a verified subject identifies a caller, because an address may
   * change between two attempts.
   */
  subject: string
  /** The caller by subject or address, for limits by caller; undefined if callers cannot be distinguished. */
  callerId: string | undefined
  checkOperation: OperationCheck
  /** Whether the service and the caller may access a company, for a response that names several. */
  isCompanyAllowed: CompanyCheck
  /** Whether the caller's scopes include that of seeing the created record; false where scopes are not checked. */
  mayShowRecord: boolean
  /** Whether a rejection may name the existing record: the same scope, but true where scopes are not checked. */
  mayShowExisting: boolean
  usage: RequestUsage
  /** The ids of this request that may be in Procore, if its caller sent none: first the one that is sent. */
  generatedOriginIds: readonly string[]
  /** The caller's Idempotency-Key. */
  idempotencyKey: string | undefined
  record: RequestRecord
  /** Undefined for a request that changes nothing. */
  delivery: Delivery | undefined
  signal: AbortSignal
  route: string | undefined
}

/** Builds Procore's request from the validated values of a caller's request. */
export type RequestBuilder = (request: EndpointRequest) => ProcoreRequest

/** A file that is streamed to the caller. */
export interface FileSuccess {
  kind: 'file'
  status: 200
  contentType: string
  /** For `Content-Disposition`. */
  fileName: string
  /** Undefined if the length is not known in advance. */
  contentLength: number | undefined
  /** Validator of the content (RFC 9110 §8.8.3). */
  etag: string
  /** Must be read or destroyed. */
  content: FileStream
}

/** Lines that are written one by one while a request is carried out. */
export interface LinesSuccess {
  kind: 'lines'
  status: 200
  contentType: string
  /** Must be read or destroyed. */
  content: Readable
}

export type EndpointResult = UpstreamResult | FileSuccess | LinesSuccess

/** Sends a request and returns its result. Each layer (audit, idempotency, cache) wraps another one. */
export type Send<Result extends EndpointResult = UpstreamResult> = (request: EndpointRequest) => Promise<Result>
