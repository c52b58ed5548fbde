/** One typed call from its input to its answer: token, attempts, pauses, and what is thrown in the end. */
import { failureOf, isFailure, NetworkError, type Failure } from './errors.ts'
import { limits } from './limits.ts'
import type { Data, Input, Method, PathOf } from './operation.ts'
import { mayRepeat, orAborted, pause, Pauses, type Repeat } from './retry.ts'
import { formOf, urlOf } from './request.ts'
import { exchange, type OnProgress, type Outgoing, type Reply } from './transport.ts'

export interface ClientOptions {
  /** Where the service is: `https://bff.example.com`, or empty for the origin of the page. */
  baseUrl: string
  /** The caller's own token for `Authorization: Bearer`, or what has one; it is asked before every attempt. */
  token?: string | (() => string | Promise<string>) | undefined
  /** Instead of the platform's own; there is then no progress in a browser. */
  fetch?: typeof fetch | undefined
}

export interface CallOptions {
  /** Ends the call wherever it is, in a pause too; its reason is thrown. */
  signal?: AbortSignal | undefined
  /** Is told of every repeat before its pause. */
  onRepeat?: ((repeat: Repeat) => void) | undefined
}

export interface UploadOptions extends CallOptions {
  /** A png, jpeg, gif, bmp or tiff image: with it the body goes as a form. */
  avatar?: Blob | undefined
  /** Is told how much of a form was sent. */
  onProgress?: OnProgress | undefined
}

export interface KeyedOptions extends UploadOptions {
  /** Of one create with all its repeats. */
  idempotencyKey?: string | undefined
  /** Whether sent twice it does no more than once (RFC 9110 §9.2.2), although it is no GET. */
  isIdempotent?: boolean | undefined
}

export interface SendOptions<T> extends KeyedOptions {
  /** An earlier answer to the same GET: where it still holds (304), its `data` is given again and nothing is read anew. */
  known?: Answer<T> | undefined
}

export interface Answer<T> {
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

export type Send = <M extends Method, P extends PathOf<M>>(method: M, path: P, input: Input<M, P>, options?: SendOptions<Data<M, P>>) => Promise<Answer<Data<M, P>>>

/** @throws {ProblemError | NetworkError} or the reason of `options.signal`, or what `token` throws */
export function createSend (client: ClientOptions): Send {
  return async (method, path, input, options = {}) => {
    const send = async (signal: AbortSignal) => exchange({
      method: method.toUpperCase(),
      url: urlOf(client.baseUrl, path, input.path ?? {}, input.query ?? {}),
      ...bodyOf('body' in input ? input.body : undefined, options.avatar, headersOf(await orAborted(bearerOf(client), signal), options)),
    }, { signal, onProgress: options.onProgress, fetch: client.fetch })
    return persist(send, { ...options, isIdempotent: options.isIdempotent ?? method === 'get' })
  }
}

const bearerOf = async ({ token }: ClientOptions) => typeof token === 'function' ? token() : token

function headersOf<T> (bearer: string | undefined, { idempotencyKey, known }: SendOptions<T>): Record<string, string> {
  const etag = known?.headers.get('etag')
  return {
    accept: 'application/json, application/problem+json',
    ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
    ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
    ...(typeof etag === 'string' && { 'if-none-match': etag }),
  }
}

function bodyOf (body: unknown, avatar: Blob | undefined, headers: Record<string, string>): Pick<Outgoing, 'headers' | 'body'> {
  if (body === undefined) return { headers, body: undefined }
  if (avatar !== undefined && typeof body === 'object' && body !== null) return { headers, body: formOf(body, { name: 'avatar', data: avatar }) }
  return { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

/** Sends until there is an answer, or a failure that more of the same would not mend. */
async function persist<T> (send: (signal: AbortSignal) => Promise<Reply>, options: SendOptions<T> & { isIdempotent: boolean }): Promise<Answer<T>> {
  const { signal, idempotencyKey, onRepeat, isIdempotent, known } = options
  const timeout = AbortSignal.timeout(limits.callTimeoutMs)
  const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
  const pauses = new Pauses()
  for (let attempts = 1; ; attempts++) {
    const result = await attempt<T>(send, either, { signal, known })
    if (!isFailure(result)) return { ...result, attempts }
    Object.assign(result, { attempts, idempotencyKey })
    const pauseMs = mayRepeat(result, { isIdempotent, idempotencyKey }) ? pauses.next(result) : undefined
    if (pauseMs === undefined) throw result
    onRepeat?.({ failure: result, attempt: attempts + 1, pauseMs, idempotencyKey })
    await pause(pauseMs, either)
  }
}

async function attempt<T> (send: (signal: AbortSignal) => Promise<Reply>, either: AbortSignal, { signal, known }: Pick<SendOptions<T>, 'signal' | 'known'>): Promise<Omit<Answer<T>, 'attempts'> | Failure> {
  try {
    return answerOf<T>(await send(either), known)
  } catch (error) {
    signal?.throwIfAborted()
    if (either.aborted) return new NetworkError('timeout', { cause: error })
    if (isFailure(error)) return error
    throw error
  }
}

/** @throws {ProblemError | NetworkError} */
function answerOf<T> (reply: Reply, known: Answer<T> | undefined): Omit<Answer<T>, 'attempts'> {
  const { status, headers, text } = reply
  const still = status === 304 ? known : undefined
  if (still === undefined && (status < 200 || status > 299)) throw failureOf(reply)
  return {
    data: still === undefined ? dataOf<T>(text, status) : still.data,
    status,
    headers,
    requestId: headers.get('x-request-id') ?? undefined,
    procoreRequestId: headers.get('procore-request-id') ?? undefined,
    isReplayed: headers.get('idempotency-replayed') === 'true',
    isRecovered: headers.get('x-outcome') === 'recovered',
  }
}

function dataOf<T> (text: string, status: number): T {
  try {
    return JSON.parse(text === '' ? 'null' : text)
  } catch (cause) {
    throw new NetworkError('answer', { cause, status })
  }
}
