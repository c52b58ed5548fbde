/** One typed call from its input to its answer: token, attempts, pauses, and what is thrown in the end. */
import { failureOf, isFailure, NetworkError, type Failure } from './errors.ts'
import { limits } from './limits.ts'
import type { Data, Input, Method, PathOf } from './operation.ts'
import { mayRepeat, pause, Pauses, type Repeat } from './repeats.ts'
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
  /** Whether it changes nothing at Procore although it is no GET. */
  isSafe?: boolean | undefined
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

export type Send = <M extends Method, P extends PathOf<M>>(method: M, path: P, input: Input<M, P>, options?: KeyedOptions) => Promise<Answer<Data<M, P>>>

/** @throws {ProblemError | NetworkError} or the reason of `options.signal`, or what `token` throws */
export function createSend (client: ClientOptions): Send {
  return async (method, path, input, options = {}) => {
    const { idempotencyKey, avatar } = options
    const send = async (signal: AbortSignal) => exchange({
      method: method.toUpperCase(),
      url: urlOf(client.baseUrl, path, input.path ?? {}, input.query ?? {}),
      ...bodyOf('body' in input ? input.body : undefined, avatar, await headersOf(client, idempotencyKey)),
    }, { signal, onProgress: options.onProgress, fetch: client.fetch })
    return persist(send, { ...options, isSafe: options.isSafe ?? method === 'get' })
  }
}

async function headersOf ({ token }: ClientOptions, idempotencyKey: string | undefined): Promise<Record<string, string>> {
  const bearer = typeof token === 'function' ? await token() : token
  return {
    accept: 'application/json, application/problem+json',
    ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
    ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
  }
}

function bodyOf (body: unknown, avatar: Blob | undefined, headers: Record<string, string>): Pick<Outgoing, 'headers' | 'body'> {
  if (body === undefined) return { headers, body: undefined }
  if (avatar !== undefined && typeof body === 'object' && body !== null) return { headers, body: formOf(body, { name: 'avatar', data: avatar }) }
  return { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

/** Sends until there is an answer, or a failure that more of the same would not mend. */
async function persist<T> (send: (signal: AbortSignal) => Promise<Reply>, options: KeyedOptions & { isSafe: boolean }): Promise<Answer<T>> {
  const { signal, idempotencyKey, onRepeat, isSafe } = options
  const timeout = AbortSignal.timeout(limits.callTimeoutMs)
  const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
  const pauses = new Pauses()
  for (let attempts = 1; ; attempts++) {
    const result = await attempt<T>(send, either, signal)
    if (!isFailure(result)) return { ...result, attempts }
    Object.assign(result, { attempts, idempotencyKey })
    const pauseMs = mayRepeat(result, { isSafe, idempotencyKey }) ? pauses.next(result) : undefined
    if (pauseMs === undefined) throw result
    onRepeat?.({ failure: result, attempt: attempts + 1, pauseMs, idempotencyKey })
    await pause(pauseMs, either)
  }
}

async function attempt<T> (send: (signal: AbortSignal) => Promise<Reply>, either: AbortSignal, signal: AbortSignal | undefined): Promise<Omit<Answer<T>, 'attempts'> | Failure> {
  try {
    return answerOf<T>(await send(either))
  } catch (error) {
    signal?.throwIfAborted()
    if (either.aborted) return new NetworkError('timeout', { cause: error })
    if (isFailure(error)) return error
    throw error
  }
}

/** @throws {ProblemError | NetworkError} */
function answerOf<T> (reply: Reply): Omit<Answer<T>, 'attempts'> {
  const { status, headers, text } = reply
  if (status < 200 || status > 299) throw failureOf(reply)
  return {
    data: dataOf<T>(text, status),
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
