/** Sends one typed call: gets the access token, retries, and returns the response or throws the failure. */
import { toFailure } from './error-response.ts'
import { isFailure, NetworkError, type Failure } from './errors.ts'
import { limits } from './limits.ts'
import type { CallInput, Method, PathWithMethod, ResponseData } from './operation.ts'
import { buildFormData, buildUrl } from './request.ts'
import { Backoff, shouldRetry, sleep, statesOutcome, withAbort, type Retry } from './retry.ts'
import { exchange, type OnProgress, type TransportRequest, type TransportResponse } from './transport.ts'

export interface ClientOptions {
  /** The URL of the service, such as `https://bff.example.com`. Empty means the origin of the page. */
  baseUrl: string
  /** The caller's JWT for `Authorization: Bearer`, or a function that returns it. It is called before every attempt. */
  accessToken?: string | (() => string | Promise<string>) | undefined
  /** Replaces the platform's fetch. In a browser there is then no upload progress. */
  fetch?: typeof fetch | undefined
}

export interface CallOptions {
  /** Aborts the call at any time, also during a pause. The call then throws the signal's reason. */
  signal?: AbortSignal | undefined
  /** Called with every retry, before the pause that precedes it. */
  onRetry?: ((retry: Retry) => void) | undefined
}

export interface UploadOptions extends CallOptions {
  /** A PNG, JPEG, GIF, BMP or TIFF image. With an avatar the body is sent as multipart/form-data. */
  avatar?: Blob | undefined
  /** Further images of an endpoint that accepts several, by field name. */
  files?: Readonly<Record<string, Blob | undefined>> | undefined
  /** Called with the upload progress of a multipart body. */
  onProgress?: OnProgress | undefined
}

/**
 * What sending a request does (RFC 9110 §9.2): `safe` changes nothing, `idempotent` has the same effect when it is sent
 * twice, `once` must not be sent twice.
 */
export type Effect = 'safe' | 'idempotent' | 'once'

export interface IdempotentOptions extends UploadOptions {
  /** Identifies one create in all its attempts. */
  idempotencyKey?: string | undefined
  /** Default: `safe` for GET, otherwise `once`. */
  effect?: Effect | undefined
}

export interface SendOptions<T> extends IdempotentOptions {
  /** An earlier response to the same GET. If it is still valid (304), its `data` is returned and nothing is parsed. */
  ifNoneMatch?: ApiResponse<T> | undefined
}

export interface ApiResponse<T> {
  data: T
  status: number
  headers: Headers
  requestId: string | undefined
  procoreRequestId: string | undefined
  /** The service returned the stored response of an earlier request with the same idempotency key. */
  isReplayed: boolean
  /** Procore's response was lost, and the service found the record in the directory. */
  isRecovered: boolean
  attempts: number
}

export type Send = <M extends Method, P extends PathWithMethod<M>>(
  method: M,
  path: P,
  input: CallInput<M, P>,
  options?: SendOptions<ResponseData<M, P>>,
) => Promise<ApiResponse<ResponseData<M, P>>>

type ResponseOfAttempt<T> = Omit<ApiResponse<T>, 'attempts'>
type SendAttempt = (signal: AbortSignal) => Promise<TransportResponse>

/** @throws {ProblemError | NetworkError} or the reason of `options.signal`, or the error that `accessToken` throws */
export function createSend (clientOptions: ClientOptions): Send {
  return async (method, path, input, options = {}) => {
    const effect = options.effect ?? (method === 'get' ? 'safe' : 'once')
    const body = 'body' in input ? input.body : undefined
    const request: CallRequest = {
      method,
      url: buildUrl(clientOptions.baseUrl, path, input.path ?? {}, input.query ?? {}),
      buildContent: () => buildContent(method, body, { avatar: options.avatar, ...options.files }),
    }
    return sendRequest(clientOptions, request, { ...options, effect })
  }
}

export interface CallRequest {
  method: Method
  url: string
  /** Called for every attempt. */
  buildContent: () => Content
}

interface Content {
  body: TransportRequest['body']
  /** Undefined if fetch sets the type itself, as that of a form. */
  type?: string
}

export interface RequestOptions<T> extends SendOptions<T> {
  effect: Effect
  /** Default: `limits.callTimeoutMs`. */
  timeoutMs?: number
  /** False for a body that can be sent only once. Default: true. */
  isRepeatable?: boolean
}

/** @throws as a call does */
export function sendRequest<T> (
  clientOptions: ClientOptions, { method, url, buildContent }: CallRequest, options: RequestOptions<T>
): Promise<ApiResponse<T>> {
  const sendAttempt = async (signal: AbortSignal) => {
    const headers = buildHeaders(await withAbort(getAccessToken(clientOptions), signal), options)
    const { body, type } = buildContent()
    if (type !== undefined) headers['content-type'] = type
    return exchange(
      { method: method.toUpperCase(), url, headers, body },
      { signal, onProgress: options.onProgress, fetch: clientOptions.fetch }
    )
  }
  return sendWithRetries(sendAttempt, options)
}

const getAccessToken = async ({ accessToken }: ClientOptions) =>
  typeof accessToken === 'function' ? accessToken() : accessToken

function buildHeaders<T> (
  accessToken: string | undefined,
  { idempotencyKey, ifNoneMatch }: SendOptions<T>
): Record<string, string> {
  const etag = ifNoneMatch?.headers.get('etag')
  return {
    accept: 'application/json, application/problem+json, application/x-ndjson, image/*',
    ...(accessToken !== undefined && { authorization: `Bearer ${accessToken}` }),
    ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
    ...(typeof etag === 'string' && { 'if-none-match': etag }),
  }
}

function buildContent (method: Method, body: unknown, files: Readonly<Record<string, Blob | undefined>>): Content {
  if (body === undefined) return { body: undefined }
  const hasFile = Object.values(files).some(file => file !== undefined)
  if (hasFile && typeof body === 'object' && body !== null) {
    const nullMeaning = method === 'post' ? 'absent' : 'cleared'
    return { body: buildFormData(body, nullMeaning, files) }
  }
  return { body: JSON.stringify(body, keepNumber), type: 'application/json' }
}

/** JSON has no NaN, and null would mean that the field is absent. As text, the service rejects it by its name. */
const keepNumber = (_name: string, value: unknown) => Number.isNaN(value) ? 'NaN' : value

/** Sends until a response arrives, or until a failure that a retry cannot fix. */
async function sendWithRetries<T> (
  sendAttempt: SendAttempt,
  options: RequestOptions<T>
): Promise<ApiResponse<T>> {
  const { signal, idempotencyKey, onRetry, effect, isRepeatable = true } = options
  const timeout = AbortSignal.timeout(options.timeoutMs ?? limits.callTimeoutMs)
  const combinedSignal = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
  const backoff = new Backoff()
  let unknownFailure: Failure | undefined
  for (let attempts = 1; ; attempts++) {
    const result = await attempt<T>(sendAttempt, combinedSignal, options)
    if (!isFailure(result)) return { ...result, attempts }
    Object.assign(result, { attempts, idempotencyKey })
    if (effect === 'safe' && result instanceof NetworkError) result.outcome = undefined
    const isIdempotent = effect !== 'once'
    const mayRetry = isRepeatable && shouldRetry(result, { isIdempotent, idempotencyKey })
    const delayMs = mayRetry ? backoff.nextDelayMs(result) : undefined
    if (delayMs === undefined) {
      if (unknownFailure === undefined || statesOutcome(result, { isIdempotent })) throw result
      throw Object.assign(unknownFailure, { attempts })
    }
    if (effect !== 'safe' && result.outcome === 'unknown') unknownFailure = result
    onRetry?.({ failure: result, attempt: attempts + 1, delayMs, idempotencyKey })
    await sleep(delayMs, combinedSignal)
  }
}

async function attempt<T> (
  sendAttempt: SendAttempt,
  combinedSignal: AbortSignal,
  { signal, ifNoneMatch, effect }: Pick<SendOptions<T>, 'signal' | 'ifNoneMatch'> & { effect: Effect }
): Promise<ResponseOfAttempt<T> | Failure> {
  try {
    return toApiResponse<T>(await sendAttempt(combinedSignal), ifNoneMatch, effect !== 'safe')
  } catch (error) {
    signal?.throwIfAborted()
    if (combinedSignal.aborted) return new NetworkError('timeout', { cause: error })
    if (isFailure(error)) return error
    throw error
  }
}

/** @throws {ProblemError | NetworkError} */
function toApiResponse<T> (
  response: TransportResponse,
  ifNoneMatch: ApiResponse<T> | undefined,
  mayChange: boolean
): ResponseOfAttempt<T> {
  const { status, headers, content } = response
  const cached = status === 304 ? ifNoneMatch : undefined
  if (cached === undefined && (status < 200 || status > 299)) throw toFailure(response, mayChange)
  return {
    data: cached === undefined ? parseData<T>(content, status) : cached.data,
    status,
    headers,
    requestId: headers.get('x-request-id') ?? undefined,
    procoreRequestId: headers.get('procore-request-id') ?? undefined,
    isReplayed: headers.get('idempotency-replayed') === 'true',
    isRecovered: headers.get('x-outcome') === 'recovered',
  }
}

function parseData<T> (content: TransportResponse['content'], status: number): T {
  const data = typeof content === 'string' ? parseJson(content, status) : content
  if (!isDeclared<T>(data)) throw new NetworkError('response', { status })
  return data
}

function parseJson (text: string, status: number): unknown {
  try {
    return JSON.parse(text === '' ? 'null' : text)
  } catch (cause) {
    throw new NetworkError('response', { cause, status })
  }
}

/**
 * Returns whether data has the type that the OpenAPI document declares for it. The client has no validator: it trusts
 * the service to follow its own document.
 */
function isDeclared<T> (data: unknown): data is T {
  return data !== undefined
}
