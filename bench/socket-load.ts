/** Writes load on sockets, so that it costs little compared with the measured program: it only counts the responses. */
import { connect, type Socket } from 'node:net'

export interface RawLoad {
  url: string
  /** Returns the bytes of the next request. */
  request: () => Buffer
  connections: number
  /** Number of requests in flight, in turn over all connections; by default one on each connection. */
  active?: number
  seconds: number
  /**
   * Requests per second; by default as many as possible. Each millisecond's share is due at the end of the millisecond,
   * even if earlier responses are late, so that their delay shows in the latencies (no coordinated omission).
   */
  rate?: number
}

export interface RawResult {
  responseCount: number
  /** Time until the last response. */
  seconds: number
  /** Latency of each request from the time when it was due, in ascending order. */
  latenciesMs: number[]
}

const headEnd = Buffer.from('\r\n\r\n')

/** Sends requests until the time is over and waits for all responses. @throws if a response is not 201 */
export async function rawLoad (
  { url, request, connections, active = connections, seconds, rate }: RawLoad
): Promise<RawResult> {
  const { hostname, port } = new URL(url)
  const openings = Array.from({ length: connections }, () => openConnection(hostname, Number(port)))
  const sockets = await Promise.all(openings)
  const startedAt = performance.now()
  const endsAt = startedAt + seconds * 1000
  const latenciesMs: number[] = []
  const dueTimes: number[] = []
  const idle: LoadConnection[] = []
  let responseCount = 0
  const clients = sockets.map(socket => new LoadConnection(socket, request, (client, latencyMs) => {
    responseCount++
    latenciesMs.push(latencyMs)
    if (rate !== undefined) {
      const dueAt = dueTimes.shift()
      if (dueAt === undefined) idle.push(client)
      else client.send(dueAt)
    } else {
      idle.push(client)
      if (performance.now() < endsAt) idle.shift()?.send(performance.now())
    }
  }))
  idle.push(...clients)
  if (rate === undefined) {
    for (let count = 0; count < active; count++) idle.shift()?.send(performance.now())
  } else {
    let sent = 0
    while (performance.now() < endsAt) {
      // Sends once a millisecond: a loop that never sleeps would take time from the upstream, which shares the core.
      const elapsedMs = Math.floor(performance.now() - startedAt)
      const dueCount = Math.floor(elapsedMs / 1000 * rate)
      for (; sent < dueCount; sent++) {
        const dueAt = startedAt + Math.ceil(sent / rate * 1000)
        const client = idle.pop()
        if (client === undefined) dueTimes.push(dueAt)
        else client.send(dueAt)
      }
      await new Promise(resolve => setTimeout(resolve, 1))
    }
    dueTimes.length = 0
  }
  while (idle.length < clients.length) await new Promise(resolve => setTimeout(resolve, 5))
  const elapsedSeconds = (performance.now() - startedAt) / 1000
  for (const socket of sockets) socket.destroy()
  return { responseCount, seconds: elapsedSeconds, latenciesMs: latenciesMs.sort((a, b) => a - b) }
}

/** Resolves when the connection is open. */
export function openConnection (host: string, port: number): Promise<Socket> {
  const socket = connect(port, host)
  socket.setNoDelay(true)
  return new Promise((resolve, reject) => socket.once('connect', () => resolve(socket)).once('error', reject))
}

/** Sends one request at a time on one connection. */
class LoadConnection {
  readonly #socket: Socket
  readonly #request: () => Buffer
  readonly #onResponse: (client: LoadConnection, latencyMs: number) => void
  #dueAt = 0
  /** Bytes of the response body still to come; -1 while the head is incomplete. */
  #remainingBytes = -1
  #head: Buffer = Buffer.alloc(0)

  constructor (
    socket: Socket,
    request: () => Buffer,
    onResponse: (client: LoadConnection, latencyMs: number) => void
  ) {
    this.#socket = socket
    this.#request = request
    this.#onResponse = onResponse
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
      const headText = this.#head.toString('latin1', 0, end)
      if (!headText.startsWith('HTTP/1.1 201')) {
        throw new Error(`The response to a create is not 201: ${this.#head.toString()}`)
      }
      const bodyStart = end + headEnd.length
      const length = /\r\ncontent-length: *(\d+)/i.exec(headText)?.[1]
      if (length === undefined) return this.#readChunked(bodyStart)
      this.#remainingBytes = Number(length) - (this.#head.length - bodyStart)
      this.#head = Buffer.alloc(0)
    } else {
      this.#remainingBytes -= data.length
    }
    if (this.#remainingBytes <= 0) this.#finish()
  }

  /** Reads a chunked response. It is short here, so its last chunk is at the end of a segment. */
  #readChunked (bodyStart: number): void {
    if (!this.#head.subarray(bodyStart).toString('latin1').endsWith('0\r\n\r\n')) return
    this.#head = Buffer.alloc(0)
    this.#finish()
  }

  #finish (): void {
    this.#remainingBytes = -1
    this.#onResponse(this, performance.now() - this.#dueAt)
  }
}
