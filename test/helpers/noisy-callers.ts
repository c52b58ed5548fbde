/** Callers that take as much memory of the service as they can, and a Procore with large lists. */
import { createServer, type Server } from 'node:http'
import { readFileSync } from 'node:fs'
import { createUserHead } from './request-builders.ts'
import { boundary, multipartPart, RawConnection } from './requests.ts'
import { waitUntil } from './wait-until.ts'

const list = Buffer.from(`[${' '.repeat(7_500_000)}]`)
const accessToken = '{"access_token":"a","token_type":"bearer","expires_in":5400}'

/** Creates a Procore that issues access tokens, accepts every create, and has lists of 7.5 MB. */
export function createLargeProcore (): Server {
  return createServer((request, response) => {
    const isCreate = request.method === 'POST' && request.url?.startsWith('/oauth') === false
    const body = request.method === 'GET' ? list : isCreate ? '{"id":1}' : accessToken
    request.resume().on('end', () => {
      response.writeHead(isCreate ? 201 : 200, { 'content-type': 'application/json' }).end(body)
    })
  })
}

const jsonStart = Buffer.from('{"user":'.padEnd(200_000))
const names = ['job_title', 'address', 'city', 'zip', 'first_name', 'employee_id', 'initials', 'email_signature']
const texts = names.map(name => multipartPart({ name: `user[${name}]`, data: 'x'.repeat(60_000) }))
const invalidFormStart = Buffer.concat([multipartPart({ name: 'user[nickname]', data: '' }), ...texts])

const createChunk = (bytes: Buffer) =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])

/** The work of one caller on each of its connections. */
interface Attack {
  /** Starts a request with these headers that never ends, or whose response is never read. */
  start (connection: RawConnection, headers: readonly string[], index: number): void
  /** Whether an accepted request is answered. */
  isAnswered: boolean
}

export const memoryAttacks: Readonly<Record<string, Attack>> = {
  'JSON bodies that do not end': {
    start: (connection, headers) => {
      const head = createUserHead(...headers, 'content-type: application/json', 'content-length: 250000')
      connection.write(head).write(jsonStart)
    },
    isAnswered: false,
  },
  'invalid forms that do not end': {
    start: (connection, headers) => {
      const contentType = `content-type: multipart/form-data; boundary=${boundary}`
      const head = createUserHead(...headers, contentType, 'transfer-encoding: chunked')
      connection.write(head).write(createChunk(invalidFormStart))
    },
    isAnswered: false,
  },
  'responses that are not read': {
    start: (connection, headers, index) => {
      const head = [`GET /companies/101/users?page=${index + 1} HTTP/1.1`, 'host: x', ...headers, '\r\n']
      connection.write(head.join('\r\n'))
      connection.socket.once('data', () => connection.socket.pause())
    },
    isAnswered: true,
  },
}

/** Runs an attack on so many connections. Resolves when each of them was answered or has sent everything. */
export async function runAttack (
  { start, isAnswered }: Attack, port: number, headers: readonly string[], count: number
): Promise<RawConnection[]> {
  const connections: RawConnection[] = []
  for (let index = 0; index < count; index++) {
    const connection = new RawConnection(port)
    start(connection, headers, index)
    connections.push(connection)
    // The kernel accepts connections in batches.
    if (index % 100 === 99) await waitUntil(() => connections.every(({ socket }) => !socket.connecting))
  }
  const isSettled = ({ received, socket }: RawConnection) =>
    received !== '' || socket.destroyed || (!isAnswered && !socket.connecting && socket.writableLength === 0)
  await waitUntil(() => connections.every(isSettled))
  return connections
}

/** Returns the largest resident memory that a process had so far. */
export function peakMemoryBytes (pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}
