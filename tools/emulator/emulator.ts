/**
 * A Procore to develop against: it reads requests, records them, answers like Procore, and misbehaves on demand.
 * It imports nothing of the service, so that the two can disagree.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { jsonResponse, type EmulatedResponse } from './response.ts'
import { EmulatedApi, parseCompanyId } from './api.ts'
import { handleControlRequest } from './control.ts'
import { FaultQueue } from './faults.ts'
import { RequestRecorder, type ReceivedRequest } from './recorder.ts'
import { defaultSettings, type InjectedFault, type Settings } from './settings.ts'

/** Largest body that is read at all. */
const bodyMaxBytes = 268_435_456

/** @param listenOptions port 0, which is the default: any that is free */
export async function startEmulator (settings: Partial<Settings> = {}, listenOptions: { host?: string, port?: number } = {}): Promise<Emulator> {
  const emulator = new Emulator({ ...defaultSettings, ...settings })
  await emulator.listen(listenOptions.host ?? '127.0.0.1', listenOptions.port ?? 0)
  return emulator
}

/** The emulator as a server, and as tests look at it: what it holds (`api`), what it will do wrong (`faults`), what it received (`recorder`). */
export class Emulator {
  readonly api: EmulatedApi
  readonly faults = new FaultQueue()
  readonly recorder = new RequestRecorder()
  url = ''
  readonly #server: Server

  constructor (settings: Settings) {
    this.api = new EmulatedApi(settings)
    this.#server = createServer((request, response) => {
      this.#handleRequest(request, response).catch(error => response.destroy(error))
    })
    this.#server.keepAliveTimeout = 60_000
  }

  get settings (): Settings {
    return this.api.settings
  }

  set settings (settings: Settings) {
    this.api.settings = settings
  }

  /** The requests to the API, in the order in which they came. */
  get apiRequests (): ReceivedRequest[] {
    return this.recorder.requests.filter(({ path }) => path.startsWith('/rest/'))
  }

  get tokenRequests (): ReceivedRequest[] {
    return this.recorder.requests.filter(({ path }) => path === '/oauth/token')
  }

  /** From then on `url` leads to it. */
  async listen (host: string, port: number): Promise<void> {
    this.#server.listen(port, host)
    await once(this.#server, 'listening')
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('no address')
    this.url = `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${address.port}`
  }

  /** Cuts every connection. */
  async close (): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #handleRequest (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    if (path.startsWith('/__emulator/')) {
      const body = await readBody(request)
      return sendResponse(response, handleControlRequest(this, request.method ?? '', path, body ?? Buffer.alloc(0)))
    }
    const received = this.recorder.record(request)
    const fault = this.faults.take(path === '/oauth/token' ? 'token' : 'api', received.method, path)
    if (this.api.settings.refuseChunked && request.headers['transfer-encoding'] !== undefined) return this.#respondBeforeBody(request, response, received, { kind: 'early', status: 411, body: '', lingerMs: 2000 })
    if (fault !== undefined && isBeforeBody(fault)) return this.#injectBeforeBody(request, response, received, fault)
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
    return { ...response, headers: { ...response.headers, ...this.#commonHeaders(), ...(companyId !== undefined && this.api.rateLimitHeaders(companyId)) } }
  }

  #commonHeaders (): Record<string, string> {
    return { 'x-request-id': randomUUID(), date: this.api.now().toUTCString(), server: 'emulator', 'set-cookie': '_session=emulated; HttpOnly' }
  }

  #injectBeforeBody (request: IncomingMessage, response: ServerResponse, received: ReceivedRequest, fault: InjectedFault): void {
    if (fault.kind === 'early') return this.#respondBeforeBody(request, response, received, fault)
    if (fault.kind === 'reset-before-body') request.socket.resetAndDestroy()
    if (fault.kind === 'reset-in-body') resetAfterBytes(request, fault.bytes ?? 1)
  }

  /** Answers although the body has not come, and closes when the linger is over. */
  #respondBeforeBody (request: IncomingMessage, response: ServerResponse, received: ReceivedRequest, fault: InjectedFault): void {
    const emulatedResponse = buildFaultResponse(fault)
    received.status = emulatedResponse.status
    Object.assign(emulatedResponse.headers, this.#commonHeaders())
    if (fault.lingerMs === undefined) {
      // Node closes the socket with bytes unread, and so resets it.
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

/** Nothing when the body did not come to its end. */
async function readBody (request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of request) {
      bytes += chunk.length
      if (bytes > bodyMaxBytes) throw new RangeError('the body is over the limit')
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch {
    request.destroy()
    return undefined
  }
}

function sendResponse (response: ServerResponse, { status, headers, body }: EmulatedResponse): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
}

async function sendWithFault (response: ServerResponse, emulatedResponse: EmulatedResponse, fault: InjectedFault | undefined): Promise<void> {
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
      response.writeHead(emulatedResponse.status, { ...emulatedResponse.headers, 'content-length': Buffer.byteLength(emulatedResponse.body) })
      response.write(emulatedResponse.body.slice(0, Math.floor(emulatedResponse.body.length / 2)), () => socket?.destroySoon())
      return
    case 'slow': return sendByteByByte(response, emulatedResponse, fault.delayMs ?? 5)
    default: sendResponse(response, emulatedResponse)
  }
}

async function sendByteByByte (response: ServerResponse, { status, headers, body }: EmulatedResponse, intervalMs: number): Promise<void> {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
  for (const byte of Buffer.from(body)) {
    if (response.destroyed) return
    response.write(Buffer.of(byte))
    await sleep(intervalMs)
  }
  response.end()
}
