/** Sends one request: with fetch, or in browsers with XMLHttpRequest if the caller wants upload progress. */
import { NetworkError } from './errors.ts'
import { limits } from './limits.ts'

export interface TransportRequest {
  method: string
  url: string
  headers: Record<string, string>
  body: string | FormData | Blob | ReadableStream<Uint8Array> | undefined
}

export interface TransportResponse {
  status: number
  headers: Headers
  /** A Blob if the response is an image, a stream if it consists of lines of JSON, otherwise its text. */
  content: string | Blob | ReadableStream<Uint8Array>
}

export interface Progress {
  /** Bytes sent of the request body. A retry begins at 0 again. */
  loaded: number
  total: number
}

export type OnProgress = (progress: Progress) => void

export interface TransportOptions {
  signal: AbortSignal
  onProgress: OnProgress | undefined
  /** Replaces the platform's fetch. */
  fetch: typeof fetch | undefined
}

/** @throws {NetworkError} `connection`; or the signal's reason */
export async function exchange (request: TransportRequest, options: TransportOptions): Promise<TransportResponse> {
  options.signal.throwIfAborted()
  const { body } = request
  const { onProgress } = options
  const reportsProgress = onProgress !== undefined && body instanceof FormData
  try {
    const usesXhr = reportsProgress && hasXmlHttpRequest() && options.fetch === undefined
    if (usesXhr) return await sendWithXhr({ ...request, body }, options)
    const content = reportsProgress && !isBrowser() ? await withProgress(body, onProgress) : toFetchContent(body)
    return await sendWithFetch(request, options, content)
  } catch (error) {
    options.signal.throwIfAborted()
    throw error instanceof NetworkError ? error : new NetworkError('connection', { cause: error })
  }
}

const hasXmlHttpRequest = () => typeof XMLHttpRequest !== 'undefined'

/**
 * Detects browsers. A service worker has no XMLHttpRequest. The presence of `process` proves nothing, because bundlers
 * add one to pages.
 */
const isBrowser = () => hasXmlHttpRequest() || 'ServiceWorkerGlobalScope' in globalThis

/** fetch streams a request body only with `duplex`, and then reads no response before the body has ended. */
const toFetchContent = (body: TransportRequest['body']): FetchContent =>
  body instanceof ReadableStream ? { body, duplex: 'half' } : { body: body ?? null }

interface FetchContent {
  body: BodyInit | null
  headers?: Record<string, string>
  duplex?: 'half'
}

async function sendWithFetch (
  { method, url, headers }: TransportRequest,
  { signal, fetch: sendRequest = fetch }: TransportOptions,
  content: FetchContent
): Promise<TransportResponse> {
  const init: RequestInit & Pick<FetchContent, 'duplex'> = {
    ...content,
    method,
    headers: { ...headers, ...content.headers },
    signal,
    // A redirect would hand the access token to another server.
    redirect: 'error',
  }
  const response = await sendRequest(url, init)
  return { status: response.status, headers: response.headers, content: await readContent(response) }
}

async function readContent (response: Response): Promise<TransportResponse['content']> {
  const type = response.headers.get('content-type') ?? ''
  if (type.startsWith('application/x-ndjson') && response.body !== null) return response.body
  return type.startsWith('image/') ? response.blob() : response.text()
}

/**
 * Encodes the form as a stream that reports how much of it was read. Browsers can stream request bodies over HTTP/2
 * only, so this is for Node and similar runtimes.
 */
async function withProgress (formData: FormData, onProgress: OnProgress): Promise<FetchContent> {
  const encoded = new Response(formData)
  const contentType = encoded.headers.get('content-type') ?? ''
  const blob = await encoded.blob()
  let loaded = 0
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async controller => {
      const chunk = new Uint8Array(await blob.slice(loaded, loaded + limits.uploadChunkBytes).arrayBuffer())
      if (chunk.length === 0) return controller.close()
      loaded += chunk.length
      controller.enqueue(chunk)
      reportProgress(onProgress, { loaded, total: blob.size })
    },
  }, { highWaterMark: 0 })
  const headers = { 'content-type': contentType, 'content-length': String(blob.size) }
  return { body: stream, headers, duplex: 'half' }
}

function sendWithXhr (
  { method, url, headers, body }: TransportRequest & { body: FormData },
  { signal, onProgress }: TransportOptions
): Promise<TransportResponse> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest()
    const baseUrl = typeof document === 'undefined' ? location.href : document.baseURI
    const requestedUrl = new URL(url, baseUrl).href
    const abort = () => xhr.abort()
    xhr.open(method, url)
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value)
    xhr.upload.onprogress = ({ loaded, total }) => reportProgress(onProgress, { loaded, total })
    xhr.onload = () => {
      // XMLHttpRequest follows every redirect, but without the access token if it leads to another origin. The response
      // that it led to is not one of the service.
      if (xhr.responseURL !== '' && xhr.responseURL !== requestedUrl) reject(new NetworkError('connection'))
      else resolve({ status: xhr.status, headers: parseHeaders(xhr), content: xhr.responseText })
    }
    xhr.onerror = () => reject(new NetworkError('connection'))
    xhr.onabort = () => reject(signal.reason)
    xhr.onloadend = () => signal.removeEventListener('abort', abort)
    signal.addEventListener('abort', abort, { once: true })
    xhr.send(body)
  })
}

/** Parses lines of a name, a colon and a value (the XMLHttpRequest standard §3.6.5). */
function parseHeaders (xhr: XMLHttpRequest): Headers {
  const lines = xhr.getAllResponseHeaders().split('\r\n').filter(line => line !== '')
  return new Headers(lines.map((line): [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  }))
}

/** Reports an error of the listener as an uncaught error, so that it does not look like a network error. */
function reportProgress (onProgress: OnProgress | undefined, progress: Progress): void {
  try {
    onProgress?.(progress)
  } catch (error) {
    queueMicrotask(() => { throw error })
  }
}
