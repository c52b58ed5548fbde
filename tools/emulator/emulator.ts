/**
 * An emulated Procore for development and tests: records requests, responds as Procore does, and injects faults on
 * demand. It imports nothing from the service, so that the two do not share bugs.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { EmulatedApi, parseBody, parseCompanyId } from './api.ts'
import { handleControlRequest, isControlPath } from './control.ts'
import { FaultQueue } from './faults.ts'
import { RequestRecorder, type ReceivedRequest } from './recorder.ts'
import { jsonResponse, type EmulatedResponse } from './response.ts'
import { defaultSettings, type FaultTarget, type InjectedFault, type Settings } from './settings.ts'

const bodyMaxBytes = 268_435_456

const lengthRequired: InjectedFault = { kind: 'early', status: 411, body: '', lingerMs: 2000 }

export interface ListenOptions {
  /** Default: 127.0.0.1. */
  host?: string
  /** Default: 0, any free port. */
  port?: number
}

export async function startEmulator (
  settings: Partial<Settings> = {}, { host = '127.0.0.1', port = 0 }: ListenOptions = {}
): Promise<Emulator> {
  const emulator = new Emulator({ ...defaultSettings, ...settings })
  await emulator.listen(host, port)
  return emulator
}

/**
 * The HTTP servers of the emulator: Procore and its storage host. Tests inspect the data (`api`) and the requests
 * (`recorder`), and inject `faults`.
 */
export class Emulator {
  readonly api: EmulatedApi
  readonly faults = new FaultQueue()
  readonly recorder = new RequestRecorder()
  /** Set by `listen`. */
  url = ''
  #storagePort = 0
  readonly #server: Server
  readonly #storageServer: Server

  constructor (settings: Settings) {
    this.api = new EmulatedApi(settings)
    this.#server = this.#createServer(path => path === '/oauth/token' ? 'token' : 'api')
    this.#storageServer = this.#createServer(() => 'storage')
  }

  get settings (): Settings {
    return this.api.settings
  }

  set settings (settings: Settings) {
    this.api.settings = settings
  }

  /** Requests to the API, the oldest first. */
  get apiRequests (): ReceivedRequest[] {
    return this.recorder.requests.filter(({ path }) => path.startsWith('/rest/'))
  }

  get tokenRequests (): ReceivedRequest[] {
    return this.recorder.requests.filter(({ path }) => path === '/oauth/token')
  }

  get storageRequests (): ReceivedRequest[] {
    return this.recorder.requests.filter(({ target }) => target === 'storage')
  }

  async listen (host: string, port: number): Promise<void> {
    const address = host === '0.0.0.0' ? '127.0.0.1' : host
    this.url = `http://${address}:${await listen(this.#server, host, port)}`
    this.#storagePort = await listen(this.#storageServer, host, 0)
  }

  /** Closes the servers and destroys their connections. */
  async close (): Promise<void> {
    await Promise.all([this.#server, this.#storageServer].map(closeServer))
  }

  #createServer (getTarget: (path: string) => FaultTarget): Server {
    const server = createServer((request, response) => {
      this.#handleRequest(request, response, getTarget(request.url ?? '')).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : undefined)
      })
    })
    server.keepAliveTimeout = 60_000
    return server
  }

  async #handleRequest (request: IncomingMessage, response: ServerResponse, target: FaultTarget): Promise<void> {
    const path = request.url ?? ''
    if (isControlPath(path)) {
      const body = await readBody(request) ?? Buffer.alloc(0)
      return sendResponse(response, handleControlRequest(this, request.method ?? '', path, body))
    }
    const received = this.recorder.record(request, target)
    const fault = this.faults.take(target, received.method, path)
    if (this.settings.refuseChunked && request.headers['transfer-encoding'] !== undefined) {
      return this.#respondBeforeBody(request, response, received, lengthRequired)
    }
    if (fault !== undefined && isBeforeBody(fault)) {
      return this.#injectBeforeBody(request, response, received, fault)
    }
    const body = await readBody(request)
    if (body === undefined) return
    received.body = body
    received.complete = true
    // Also before an injected fault, so that the record shows what was received.
    parseBody(received)
    if (fault?.kind === 'delay') await this.faults.delay(fault.delayMs ?? 0)
    const emulatedResponse = fault?.kind === 'status' ? buildFaultResponse(fault) : this.#buildResponse(received)
    received.status = emulatedResponse.status
    if (hasFile(received)) await sleep(this.settings.uploadDelayMs, undefined, { ref: false })
    await sendWithFault(response, emulatedResponse, fault)
  }

  #buildResponse (received: ReceivedRequest): EmulatedResponse {
    if (received.target === 'storage') return this.api.storage.respond(received)
    const origin = this.#getOrigin(received)
    const response = this.api.respond(received, origin, this.#getStorageOrigin(origin))
    const companyId = parseCompanyId(received.path)
    const rateLimitHeaders = companyId === undefined ? {} : this.api.rateLimitHeaders(companyId)
    return { ...response, headers: { ...response.headers, ...this.#commonHeaders(), ...rateLimitHeaders } }
  }

  /** Returns the origin that the client uses, which differs from `url` in another container. */
  #getOrigin ({ headers }: ReceivedRequest): string {
    const origin = `http://${headers.host ?? ''}`
    return URL.canParse(origin) ? origin : this.url
  }

  /** On loopback, the storage host has another name than the API, as in production. */
  #getStorageOrigin (origin: string): string {
    const { hostname } = new URL(origin)
    const storageHostname = hostname === '127.0.0.1' ? 'localhost' : hostname
    return `http://${storageHostname}:${this.#storagePort}`
  }

  #commonHeaders (): Record<string, string> {
    return {
      'x-request-id': randomUUID(),
      date: this.api.now().toUTCString(),
      server: 'emulator',
      'set-cookie': '_session=emulated; HttpOnly',
    }
  }

  #injectBeforeBody (
    request: IncomingMessage, response: ServerResponse, received: ReceivedRequest, fault: InjectedFault
  ): void {
    if (fault.kind === 'early') return this.#respondBeforeBody(request, response, received, fault)
    if (fault.kind === 'reset-before-body') request.socket.resetAndDestroy()
    if (fault.kind === 'reset-in-body') resetAfterBytes(request, fault.bytes ?? 1)
  }

  /** Responds before the body is read. Discards the body for `lingerMs`, then destroys the connection. */
  #respondBeforeBody (
    request: IncomingMessage, response: ServerResponse, received: ReceivedRequest, fault: InjectedFault
  ): void {
    const emulatedResponse = buildFaultResponse(fault)
    received.status = emulatedResponse.status
    Object.assign(emulatedResponse.headers, this.#commonHeaders())
    if (fault.lingerMs === undefined) {
      // Node closes the socket while bytes are unread, so the kernel resets the connection.
      emulatedResponse.headers['connection'] = 'close'
    } else {
      request.on('error', () => {}).resume()
      setTimeout(() => { if (!request.complete) request.socket.destroy() }, fault.lingerMs).unref()
    }
    sendResponse(response, emulatedResponse)
  }
}

/** Returns the port that the server listens on. */
async function listen (server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The emulator does not listen on TCP.')
  return address.port
}

async function closeServer (server: Server): Promise<void> {
  if (!server.listening) return
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}

const hasFile = ({ parts }: ReceivedRequest) => parts?.some(({ filename }) => filename !== undefined) === true

function isBeforeBody ({ kind }: InjectedFault): boolean {
  return kind === 'early' || kind === 'reset-before-body' || kind === 'reset-in-body' || kind === 'stall'
}

function buildFaultResponse (fault: InjectedFault): EmulatedResponse {
  const response = jsonResponse(fault.status ?? 500, {})
  return { ...response, headers: { ...response.headers, ...fault.headers }, body: fault.body ?? '{}' }
}

function resetAfterBytes (request: IncomingMessage, bytes: number): void {
  let receivedBytes = 0
  request.on('error', () => {}).on('data', (chunk: Buffer) => {
    receivedBytes += chunk.length
    if (receivedBytes >= bytes) request.socket.resetAndDestroy()
  })
}

/** Returns undefined if the connection closes before the end of the body, or if the body is over the limit. */
async function readBody (request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    const body: AsyncIterable<Buffer> = request
    for await (const chunk of body) {
      bytes += chunk.length
      if (bytes > bodyMaxBytes) throw new RangeError('The body is too large.')
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch {
    request.destroy()
    return undefined
  }
}

function writeHead (response: ServerResponse, { status, headers, body }: EmulatedResponse): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
}

function sendResponse (response: ServerResponse, emulatedResponse: EmulatedResponse): void {
  writeHead(response, emulatedResponse)
  response.end(emulatedResponse.body)
}

async function sendWithFault (
  response: ServerResponse, emulatedResponse: EmulatedResponse, fault: InjectedFault | undefined
): Promise<void> {
  const { socket } = response
  switch (fault?.kind) {
    case 'silence': return
    case 'reset-after-body':
      socket?.resetAndDestroy()
      return
    case 'garbage':
    case 'raw':
      socket?.end(fault.raw ?? 'this is not HTTP\r\n\r\n')
      return
    case 'truncate':
      writeHead(response, emulatedResponse)
      response.write(firstHalf(emulatedResponse.body), () => socket?.destroySoon())
      return
    case 'slow': return sendByteByByte(response, emulatedResponse, fault.delayMs ?? 5)
    default: sendResponse(response, emulatedResponse)
  }
}

const firstHalf = (body: string | Buffer) => body.slice(0, Math.floor(body.length / 2))

async function sendByteByByte (
  response: ServerResponse, emulatedResponse: EmulatedResponse, intervalMs: number
): Promise<void> {
  writeHead(response, emulatedResponse)
  for (const byte of Buffer.from(emulatedResponse.body)) {
    if (response.destroyed) return
    response.write(Buffer.of(byte))
    await sleep(intervalMs)
  }
  response.end()
}
