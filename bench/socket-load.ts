/** Load written on sockets, so that it costs little beside what is measured: requests that are made once, answers that are only counted. */
import { connect, type Socket } from 'node:net'

/** What is sent where, and how much of it. */
export interface RawLoad {
  url: string
  /** The bytes of the next request. */
  request: () => Buffer
  connections: number
  /** Requests at a time, in turn over all connections; without it one on each. */
  active?: number
  seconds: number
  /** Requests per second, each millisecond's share at its end, whatever becomes of those before (no omission); without it as many as there can be. */
  rate?: number
}

/** What became of it; the seconds are those until the last answer. */
export interface RawResult {
  answered: number
  seconds: number
  /** Of each request from when it was due, in milliseconds, in order of size. */
  latenciesMs: number[]
}

const headEnd = Buffer.from('\r\n\r\n')

/** @throws if an answer is not 201 */
export async function rawLoad ({ url, request, connections, active = connections, seconds, rate }: RawLoad): Promise<RawResult> {
  const { hostname, port } = new URL(url)
  const sockets = await Promise.all(Array.from({ length: connections }, () => openConnection(hostname, Number(port))))
  const startedAt = performance.now()
  const endsAt = startedAt + seconds * 1000
  const latenciesMs: number[] = []
  const due: number[] = []
  const idle: LoadConnection[] = []
  let answered = 0
  const clients = sockets.map(socket => new LoadConnection(socket, request, (client, latencyMs) => {
    answered++
    latenciesMs.push(latencyMs)
    if (rate !== undefined) {
      const next = due.shift()
      if (next === undefined) idle.push(client)
      else client.send(next)
    } else {
      idle.push(client)
      if (performance.now() < endsAt) idle.shift()?.send(performance.now())
    }
  }))
  if (rate === undefined) {
    idle.push(...clients)
    for (let count = 0; count < active; count++) idle.shift()?.send(performance.now())
  } else {
    idle.push(...clients)
    let sent = 0
    while (performance.now() < endsAt) {
      // Once in a millisecond, since a loop that never sleeps would take the core from the upstream that it shares it with.
      const wanted = Math.floor(Math.floor(performance.now() - startedAt) / 1000 * rate)
      for (; sent < wanted; sent++) {
        const dueAt = startedAt + Math.ceil(sent / rate * 1000)
        const client = idle.pop()
        if (client === undefined) due.push(dueAt)
        else client.send(dueAt)
      }
      await new Promise(resolve => setTimeout(resolve, 1))
    }
    due.length = 0
  }
  while (idle.length < clients.length) await new Promise(resolve => setTimeout(resolve, 5))
  const elapsed = (performance.now() - startedAt) / 1000
  for (const socket of sockets) socket.destroy()
  return { answered, seconds: elapsed, latenciesMs: latenciesMs.sort((a, b) => a - b) }
}

/** @param share from 0 to 1 of those that are smaller; NaN of none */
export const percentile = (sorted: readonly number[], share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN

function openConnection (host: string, port: number): Promise<Socket> {
  const socket = connect(port, host)
  socket.setNoDelay(true)
  return new Promise((resolve, reject) => socket.once('connect', () => resolve(socket)).once('error', reject))
}

/** One connection with one request at a time. */
class LoadConnection {
  readonly #socket: Socket
  readonly #request: () => Buffer
  readonly #done: (client: LoadConnection, latencyMs: number) => void
  #dueAt = 0
  #remainingBytes = -1
  #head: Buffer = Buffer.alloc(0)

  constructor (socket: Socket, request: () => Buffer, done: (client: LoadConnection, latencyMs: number) => void) {
    this.#socket = socket
    this.#request = request
    this.#done = done
    socket.on('data', (data: Buffer) => this.#read(data))
  }

  send (dueAt: number): void {
    this.#dueAt = dueAt
    this.#socket.write(this.#request())
  }

  #read (data: Buffer): void {
    if (this.#remainingBytes < 0) {
      this.#head = this.#head.length === 0 ? data : Buffer.concat([this.#head, data])
      const end = this.#head.indexOf(headEnd)
      if (end < 0) return
      const text = this.#head.toString('latin1', 0, end)
      if (!text.startsWith('HTTP/1.1 201')) throw new Error(`not created: ${this.#head.toString()}`)
      const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1]
      if (length === undefined) return this.#readChunked(end + 4)
      this.#remainingBytes = Number(length) - (this.#head.length - end - 4)
      this.#head = Buffer.alloc(0)
    } else this.#remainingBytes -= data.length
    if (this.#remainingBytes <= 0) this.#finish()
  }

  /** Small answers only: their last chunk ends a segment. */
  #readChunked (start: number): void {
    if (!this.#head.subarray(start).toString('latin1').endsWith('0\r\n\r\n')) return
    this.#head = Buffer.alloc(0)
    this.#finish()
  }

  #finish (): void {
    this.#remainingBytes = -1
    this.#done(this, performance.now() - this.#dueAt)
  }
}
