/**
 * A Procore to develop against: it reads requests, records them, answers like Procore, and misbehaves on demand.
 * It imports nothing of the service, so that the two can disagree.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { json, type Answer } from './response.ts'
import { Api, companyOf } from './api.ts'
import { control } from './control.ts'
import { Faults } from './faults.ts'
import { Recorder, type Received } from './recorder.ts'
import { defaultSettings, type Fault, type Settings } from './settings.ts'

/** Largest body that is read at all. */
const bodyMaxBytes = 268_435_456

/** @param listen port 0, which is the default: any that is free */
export async function startEmulator (settings: Partial<Settings> = {}, listen: { host?: string, port?: number } = {}): Promise<Emulator> {
  const emulator = new Emulator({ ...defaultSettings, ...settings })
  await emulator.listen(listen.host ?? '127.0.0.1', listen.port ?? 0)
  return emulator
}

/** The emulator as a server, and as tests look at it: what it holds (`api`), what it will do wrong (`faults`), what it received (`recorder`). */
export class Emulator {
  readonly api: Api
  readonly faults = new Faults()
  readonly recorder = new Recorder()
  url = ''
  readonly #server: Server

  constructor (settings: Settings) {
    this.api = new Api(settings)
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(error => response.destroy(error))
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
  get apiRequests (): Received[] {
    return this.recorder.received.filter(({ path }) => path.startsWith('/rest/'))
  }

  get tokenRequests (): Received[] {
    return this.recorder.received.filter(({ path }) => path === '/oauth/token')
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

  async #serve (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    if (path.startsWith('/__emulator/')) {
      const body = await readBody(request)
      return send(response, control(this, request.method ?? '', path, body ?? Buffer.alloc(0)))
    }
    const received = this.recorder.open(request)
    const fault = this.faults.take(path === '/oauth/token' ? 'token' : 'api', received.method, path)
    if (this.api.settings.refuseChunked && request.headers['transfer-encoding'] !== undefined) return this.#early(request, response, received, { kind: 'early', status: 411, body: '', lingerMs: 2000 })
    if (fault !== undefined && strikesEarly(fault)) return this.#strikeEarly(request, response, received, fault)
    const body = await readBody(request)
    if (body === undefined) return
    received.body = body
    received.complete = true
    if (fault?.kind === 'delay') await sleep(fault.delayMs ?? 0)
    const answer = fault?.kind === 'status' ? faultAnswer(fault) : this.#answer(received)
    received.status = answer.status
    await sendFaulty(response, answer, fault)
  }

  #answer (received: Received): Answer {
    const answer = this.api.answer(received, this.url)
    const companyId = companyOf(received.path)
    return { ...answer, headers: { ...answer.headers, ...this.#commonHeaders(), ...(companyId !== undefined && this.api.rateHeaders(companyId)) } }
  }

  #commonHeaders (): Record<string, string> {
    return { 'x-request-id': randomUUID(), date: this.api.now().toUTCString(), server: 'emulator', 'set-cookie': '_session=emulated; HttpOnly' }
  }

  #strikeEarly (request: IncomingMessage, response: ServerResponse, received: Received, fault: Fault): void {
    if (fault.kind === 'early') return this.#early(request, response, received, fault)
    if (fault.kind === 'reset-before-body') request.socket.resetAndDestroy()
    if (fault.kind === 'reset-in-body') resetAfter(request, fault.bytes ?? 1)
  }

  /** Answers although the body has not come, and closes when the linger is over. */
  #early (request: IncomingMessage, response: ServerResponse, received: Received, fault: Fault): void {
    const answer = faultAnswer(fault)
    received.status = answer.status
    Object.assign(answer.headers, this.#commonHeaders())
    if (fault.lingerMs === undefined) {
      // Node closes the socket with bytes unread, and so resets it.
      answer.headers['connection'] = 'close'
    } else {
      request.on('error', () => {}).resume()
      setTimeout(() => { if (!request.complete) request.socket.destroy() }, fault.lingerMs).unref()
    }
    send(response, answer)
  }
}

function strikesEarly ({ kind }: Fault): boolean {
  return kind === 'early' || kind === 'reset-before-body' || kind === 'reset-in-body' || kind === 'stall'
}

function faultAnswer (fault: Fault): Answer {
  const answer = json(fault.status ?? 500, {})
  return { ...answer, headers: { ...answer.headers, ...fault.headers }, body: fault.body ?? '{}' }
}

function resetAfter (request: IncomingMessage, bytes: number): void {
  let seen = 0
  request.on('error', () => {}).on('data', (chunk: Buffer) => {
    seen += chunk.length
    if (seen >= bytes) request.socket.resetAndDestroy()
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

function send (response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
}

async function sendFaulty (response: ServerResponse, answer: Answer, fault: Fault | undefined): Promise<void> {
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
      response.writeHead(answer.status, { ...answer.headers, 'content-length': Buffer.byteLength(answer.body) })
      response.write(answer.body.slice(0, Math.floor(answer.body.length / 2)), () => socket?.destroySoon())
      return
    case 'slow': return dribble(response, answer, fault.delayMs ?? 5)
    default: send(response, answer)
  }
}

async function dribble (response: ServerResponse, { status, headers, body }: Answer, intervalMs: number): Promise<void> {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
  for (const byte of Buffer.from(body)) {
    if (response.destroyed) return
    response.write(Buffer.of(byte))
    await sleep(intervalMs)
  }
  response.end()
}
