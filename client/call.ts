/** One typed call from its input to its answer: token, attempts, pauses, and what is thrown in the end. */
import { toFailure, isFailure, NetworkError, type Failure } from './errors.ts'
import { limits } from './limits.ts'
import type { ResponseData, CallInput, Method, PathWithMethod } from './operation.ts'
import { shouldRetry, withAbort, sleep, Backoff, type Retry } from './retry.ts'
import { buildFormData, buildUrl } from './request.ts'
import { exchange, type OnProgress, type TransportRequest, type TransportResponse } from './transport.ts'

export interface ClientOptions {
  /** Where the service is: `https://bff.example.com`, or empty for the origin of the page. */
  baseUrl: string
  /** The caller's own token for `Authorization: Bearer`, or what has one; it is asked before every attempt. */
  accessToken?: string | (() => string | Promise<string>) | undefined
  /** Instead of the platform's own; there is then no progress in a browser. */
  fetch?: typeof fetch | undefined
}

export interface CallOptions {
  /** Ends the call wherever it is, in a pause too; its reason is thrown. */
  signal?: AbortSignal | undefined
  /** Is told of every repeat before its pause. */
  onRetry?: ((retry: Retry) => void) | undefined
}

export interface UploadOptions extends CallOptions {
  /** A png, jpeg, gif, bmp or tiff image: with it the body goes as a form. */
  avatar?: Blob | undefined
  /** Is told how much of a form was sent. */
  onProgress?: OnProgress | undefined
}

export interface IdempotentOptions extends UploadOptions {
  /** Of one create with all its repeats. */
  idempotencyKey?: string | undefined
  /** Whether sent twice it does no more than once (RFC 9110 §9.2.2), although it is no GET. */
  isIdempotent?: boolean | undefined
}

export interface SendOptions<T> extends IdempotentOptions {
  /** An earlier answer to the same GET: where it still holds (304), its `data` is given again and nothing is read anew. */
  ifNoneMatch?: ApiResponse<T> | undefined
}

export interface ApiResponse<T> {
  data: T
  status: number
  headers: Headers
  requestId: string | undefined
  procoreRequestId: string | undefined
  /** It is the answer to an earlier request under the same key. */
  isReplayed: boolean
  /** Procore's own answer was lost, and the record was found in the directory. */
  isRecovered: boolean
  attempts: number
}

export type Send = <M extends Method, P extends PathWithMethod<M>>(method: M, path: P, input: CallInput<M, P>, options?: SendOptions<ResponseData<M, P>>) => Promise<ApiResponse<ResponseData<M, P>>>

/** @throws {ProblemError | NetworkError} or the reason of `options.signal`, or what `token` throws */
export function createSend (clientOptions: ClientOptions): Send {
  return async (method, path, input, options = {}) => {
    const send = async (signal: AbortSignal) => exchange({
      method: method.toUpperCase(),
      url: buildUrl(clientOptions.baseUrl, path, input.path ?? {}, input.query ?? {}),
      ...buildBody('body' in input ? input.body : undefined, options.avatar, buildHeaders(await withAbort(getAccessToken(clientOptions), signal), options)),
    }, { signal, onProgress: options.onProgress, fetch: clientOptions.fetch })
    return sendWithRetries(send, { ...options, isIdempotent: options.isIdempotent ?? method === 'get' })
  }
}

const getAccessToken = async ({ accessToken }: ClientOptions) => typeof accessToken === 'function' ? accessToken() : accessToken

function buildHeaders<T> (accessToken: string | undefined, { idempotencyKey, ifNoneMatch }: SendOptions<T>): Record<string, string> {
  const etag = ifNoneMatch?.headers.get('etag')
  return {
    accept: 'application/json, application/problem+json',
    ...(accessToken !== undefined && { authorization: `Bearer ${accessToken}` }),
    ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
    ...(typeof etag === 'string' && { 'if-none-match': etag }),
  }
}

function buildBody (body: unknown, avatar: Blob | undefined, headers: Record<string, string>): Pick<TransportRequest, 'headers' | 'body'> {
  if (body === undefined) return { headers, body: undefined }
  if (avatar !== undefined && typeof body === 'object' && body !== null) return { headers, body: buildFormData(body, { name: 'avatar', data: avatar }) }
  return { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

/** Sends until there is an answer, or a failure that more of the same would not mend. */
async function sendWithRetries<T> (send: (signal: AbortSignal) => Promise<TransportResponse>, options: SendOptions<T> & { isIdempotent: boolean }): Promise<ApiResponse<T>> {
  const { signal, idempotencyKey, onRetry, isIdempotent, ifNoneMatch } = options
  const timeout = AbortSignal.timeout(limits.callTimeoutMs)
  const combinedSignal = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
  const backoff = new Backoff()
  for (let attempts = 1; ; attempts++) {
    const result = await attempt<T>(send, combinedSignal, { signal, ifNoneMatch })
    if (!isFailure(result)) return { ...result, attempts }
    Object.assign(result, { attempts, idempotencyKey })
    const delayMs = shouldRetry(result, { isIdempotent, idempotencyKey }) ? backoff.nextDelayMs(result) : undefined
    if (delayMs === undefined) throw result
    onRetry?.({ failure: result, attempt: attempts + 1, delayMs, idempotencyKey })
    await sleep(delayMs, combinedSignal)
  }
}

async function attempt<T> (send: (signal: AbortSignal) => Promise<TransportResponse>, combinedSignal: AbortSignal, { signal, ifNoneMatch }: Pick<SendOptions<T>, 'signal' | 'ifNoneMatch'>): Promise<Omit<ApiResponse<T>, 'attempts'> | Failure> {
  try {
    return toApiResponse<T>(await send(combinedSignal), ifNoneMatch)
  } catch (error) {
    signal?.throwIfAborted()
    if (combinedSignal.aborted) return new NetworkError('timeout', { cause: error })
    if (isFailure(error)) return error
    throw error
  }
}

/** @throws {ProblemError | NetworkError} */
function toApiResponse<T> (response: TransportResponse, known: ApiResponse<T> | undefined): Omit<ApiResponse<T>, 'attempts'> {
  const { status, headers, text } = response
  const cached = status === 304 ? known : undefined
  if (cached === undefined && (status < 200 || status > 299)) throw toFailure(response)
  return {
    data: cached === undefined ? parseData<T>(text, status) : cached.data,
    status,
    headers,
    requestId: headers.get('x-request-id') ?? undefined,
    procoreRequestId: headers.get('procore-request-id') ?? undefined,
    isReplayed: headers.get('idempotency-replayed') === 'true',
    isRecovered: headers.get('x-outcome') === 'recovered',
  }
}

function parseData<T> (text: string, status: number): T {
  try {
    return JSON.parse(text === '' ? 'null' : text)
  } catch (cause) {
    throw new NetworkError('response', { cause, status })
  }
}
