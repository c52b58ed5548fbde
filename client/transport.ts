/** One exchange: by fetch, or by XMLHttpRequest where the progress of an upload is to be seen in a browser. */
import { NetworkError } from './errors.ts'
import { limits } from './limits.ts'

export interface TransportRequest {
  method: string
  url: string
  headers: Record<string, string>
  body: string | FormData | undefined
}

export interface TransportResponse {
  status: number
  headers: Headers
  text: string
}

export interface Progress {
  /** Bytes of the request's body; a repeat begins at 0 again. */
  loaded: number
  total: number
}

export type OnProgress = (progress: Progress) => void

export interface TransportOptions {
  signal: AbortSignal
  onProgress: OnProgress | undefined
  /** Instead of the platform's own. */
  fetch: typeof fetch | undefined
}

/** @throws {NetworkError} `connection`; or the signal's reason */
export async function exchange (request: TransportRequest, options: TransportOptions): Promise<TransportResponse> {
  options.signal.throwIfAborted()
  const { body } = request
  const reportsProgress = options.onProgress !== undefined && body instanceof FormData
  try {
    if (reportsProgress && hasXmlHttpRequest() && options.fetch === undefined) return await sendWithXhr(request, options)
    return await sendWithFetch(request, options, reportsProgress && !isBrowser() ? await withProgress(body, options.onProgress) : { body: body ?? null })
  } catch (error) {
    options.signal.throwIfAborted()
    throw error instanceof NetworkError ? error : new NetworkError('connection', { cause: error })
  }
}

const hasXmlHttpRequest = () => typeof XMLHttpRequest !== 'undefined'

/** A service worker has no XMLHttpRequest. That there is a `process` says nothing: bundlers put one into pages. */
const isBrowser = () => hasXmlHttpRequest() || 'ServiceWorkerGlobalScope' in globalThis

interface FetchBody {
  body: BodyInit | null
  headers?: Record<string, string>
  duplex?: 'half'
}

async function sendWithFetch ({ method, url, headers }: TransportRequest, { fetch = globalThis.fetch, signal }: TransportOptions, fetchBody: FetchBody): Promise<TransportResponse> {
  // Whoever redirects would be handed the token.
  const init: RequestInit & Pick<FetchBody, 'duplex'> = { ...fetchBody, method, headers: { ...headers, ...fetchBody.headers }, signal, redirect: 'error' }
  const response = await fetch(url, init)
  return { status: response.status, headers: response.headers, text: await response.text() }
}

/** The form as a stream that tells how much of it was taken. Browsers stream requests over HTTP/2 only, so this is for Node and its like. */
async function withProgress (formData: FormData, onProgress: OnProgress | undefined): Promise<FetchBody> {
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
  return { body: stream, headers: { 'content-type': contentType, 'content-length': String(blob.size) }, duplex: 'half' }
}

function sendWithXhr ({ method, url, headers, body }: TransportRequest, { signal, onProgress }: TransportOptions): Promise<TransportResponse> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest()
    const requestedUrl = new URL(url, typeof document === 'undefined' ? location.href : document.baseURI).href
    const abort = () => xhr.abort()
    xhr.open(method, url)
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value)
    xhr.upload.onprogress = ({ loaded, total }) => reportProgress(onProgress, { loaded, total })
    xhr.onload = () => {
      // A redirect can't be kept from being followed here, though without the token where it leads to another origin; what it led to is no answer.
      if (xhr.responseURL !== '' && xhr.responseURL !== requestedUrl) reject(new NetworkError('connection'))
      else resolve({ status: xhr.status, headers: parseHeaders(xhr), text: xhr.responseText })
    }
    xhr.onerror = () => reject(new NetworkError('connection'))
    xhr.onabort = () => reject(signal.reason)
    xhr.onloadend = () => signal.removeEventListener('abort', abort)
    signal.addEventListener('abort', abort, { once: true })
    xhr.send(body ?? null)
  })
}

/** Lines of a name, a colon and a value (the XMLHttpRequest standard §3.6.5). */
function parseHeaders (xhr: XMLHttpRequest): Headers {
  const lines = xhr.getAllResponseHeaders().split('\r\n').filter(line => line !== '')
  return new Headers(lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]))
}

/** What a listener throws is told as any error of a listener is, and must not look like a fault of the network. */
function reportProgress (onProgress: OnProgress | undefined, progress: Progress): void {
  try {
    onProgress?.(progress)
  } catch (error) {
    queueMicrotask(() => { throw error })
  }
}
