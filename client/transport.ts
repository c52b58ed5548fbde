/** One exchange: by fetch, or by XMLHttpRequest where the progress of an upload is to be seen in a browser. */
import { NetworkError } from './errors.ts'
import { limits } from './limits.ts'

export interface Outgoing {
  method: string
  url: string
  headers: Record<string, string>
  body: string | FormData | undefined
}

export interface Reply {
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

export interface Means {
  signal: AbortSignal
  onProgress: OnProgress | undefined
  /** Instead of the platform's own. */
  fetch: typeof fetch | undefined
}

/** @throws {NetworkError} `connection`; or the signal's reason */
export async function exchange (outgoing: Outgoing, means: Means): Promise<Reply> {
  means.signal.throwIfAborted()
  const { body } = outgoing
  const isWatched = means.onProgress !== undefined && body instanceof FormData
  try {
    if (isWatched && isPage() && means.fetch === undefined) return await byXhr(outgoing, means)
    return await byFetch(outgoing, means, isWatched && !isBrowser() ? await counted(body, means.onProgress) : { body: body ?? null })
  } catch (error) {
    means.signal.throwIfAborted()
    throw error instanceof NetworkError ? error : new NetworkError('connection', { cause: error })
  }
}

const isPage = () => typeof XMLHttpRequest !== 'undefined'

/** A service worker has no XMLHttpRequest. That there is a `process` says nothing: bundlers put one into pages. */
const isBrowser = () => isPage() || 'ServiceWorkerGlobalScope' in globalThis

interface Upload {
  body: BodyInit | null
  headers?: Record<string, string>
  duplex?: 'half'
}

async function byFetch ({ method, url, headers }: Outgoing, { fetch = globalThis.fetch, signal }: Means, upload: Upload): Promise<Reply> {
  // Whoever redirects would be handed the token.
  const init: RequestInit & Pick<Upload, 'duplex'> = { ...upload, method, headers: { ...headers, ...upload.headers }, signal, redirect: 'error' }
  const response = await fetch(url, init)
  return { status: response.status, headers: response.headers, text: await response.text() }
}

/** The form as a stream that tells how much of it was taken. Browsers stream requests over HTTP/2 only, so this is for Node and its like. */
async function counted (form: FormData, onProgress: OnProgress | undefined): Promise<Upload> {
  const written = new Response(form)
  const type = written.headers.get('content-type') ?? ''
  const whole = await written.blob()
  let loaded = 0
  const pieces = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async controller => {
      const piece = new Uint8Array(await whole.slice(loaded, loaded + limits.pieceBytes).arrayBuffer())
      if (piece.length === 0) return controller.close()
      loaded += piece.length
      controller.enqueue(piece)
      tell(onProgress, { loaded, total: whole.size })
    },
  }, { highWaterMark: 0 })
  return { body: pieces, headers: { 'content-type': type, 'content-length': String(whole.size) }, duplex: 'half' }
}

function byXhr ({ method, url, headers, body }: Outgoing, { signal, onProgress }: Means): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest()
    const asked = new URL(url, typeof document === 'undefined' ? location.href : document.baseURI).href
    const abort = () => xhr.abort()
    xhr.open(method, url)
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value)
    xhr.upload.onprogress = ({ loaded, total }) => tell(onProgress, { loaded, total })
    xhr.onload = () => {
      // A redirect can't be kept from being followed here, though without the token where it leads to another origin; what it led to is no answer.
      if (xhr.responseURL !== '' && xhr.responseURL !== asked) reject(new NetworkError('connection'))
      else resolve({ status: xhr.status, headers: headersOf(xhr), text: xhr.responseText })
    }
    xhr.onerror = () => reject(new NetworkError('connection'))
    xhr.onabort = () => reject(signal.reason)
    xhr.onloadend = () => signal.removeEventListener('abort', abort)
    signal.addEventListener('abort', abort, { once: true })
    xhr.send(body ?? null)
  })
}

/** Lines of a name, a colon and a value (the XMLHttpRequest standard §3.6.5). */
function headersOf (xhr: XMLHttpRequest): Headers {
  const lines = xhr.getAllResponseHeaders().split('\r\n').filter(line => line !== '')
  return new Headers(lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]))
}

/** What a listener throws is told as any error of a listener is, and must not look like a fault of the network. */
function tell (onProgress: OnProgress | undefined, progress: Progress): void {
  try {
    onProgress?.(progress)
  } catch (error) {
    queueMicrotask(() => { throw error })
  }
}
