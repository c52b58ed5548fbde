/**
 * An emulated Procore for development and tests: records requests, responds as Procore does, and injects faults on
 * demand. It imports nothing from the service, so that the two do not share bugs.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { EmulatedApi, parseCompanyId } from './api.ts'
import { handleControlRequest, isControlPath } from './control.ts'
import { FaultQueue } from './faults.ts'
import { RequestRecorder, type ReceivedRequest } from './recorder.ts'
import { jsonResponse, type EmulatedResponse } from './response.ts'
import { defaultSettings, type InjectedFault, type Settings } from './settings.ts'

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

/** The HTTP server of the emulator. Tests inspect its data (`api`) and requests (`recorder`), and inject `faults`. */
export class Emulator {
  readonly api: EmulatedApi
  readonly faults = new FaultQueue()
  readonly recorder = new RequestRecorder()
  /** Set by `listen`. */
  url = ''
  readonly #server: Server

  constructor (settings: Settings) {
    this.api = new EmulatedApi(settings)
    this.#server = createServer((request, response) => {
      this.#handleRequest(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : undefined)
      })
    })
    this.#server.keepAliveTimeout = 60_000
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

  async listen (host: string, port: number): Promise<void> {
    this.#server.listen(port, host)
    await once(this.#server, 'listening')
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('The emulator does not listen on TCP.')
    this.url = `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${address.port}`
  }

  /** Closes the server and destroys its connections. */
  async close (): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #handleRequest (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    if (isControlPath(path)) {
      const body = await readBody(request) ?? Buffer.alloc(0)
      return sendResponse(response, handleControlRequest(this, request.method ?? '', path, body))
    }
    const received = this.recorder.record(request)
    const fault = this.faults.take(path === '/oauth/token' ? 'token' : 'api', received.method, path)
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
    if (fault?.kind === 'delay') await sleep(fault.delayMs ?? 0)
    const emulatedResponse = fault?.kind === 'status' ? buildFaultResponse(fault) : this.#buildResponse(received)
    received.status = emulatedResponse.status
    await sendWithFault(response, emulatedResponse, fault)
  }

  #buildResponse (received: ReceivedRequest): EmulatedResponse {
    const response = this.api.respond(received, this.url)
    const companyId = parseCompanyId(received.path)
    const rateLimitHeaders = companyId === undefined ? {} : this.api.rateLimitHeaders(companyId)
    return { ...response, headers: { ...response.headers, ...this.#commonHeaders(), ...rateLimitHeaders } }
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
