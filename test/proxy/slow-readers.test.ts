// Responses that callers do not read: their bytes are limited by caller, and the slowest connections are closed.
import { createServer, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { listen } from '../helpers/listen.ts'
import { get } from '../helpers/request-builders.ts'
import { jane, RawConnection, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

/** More than the buffers of a loopback connection whose reader is paused. */
const listBytes = 7_500_000
const list = Buffer.from(`[${' '.repeat(listBytes - 2)}]`)

interface Options { callerBytes: number, rateWindowMs?: number }

/** Starts a service with two callers, Anna and Ben, and a Procore whose lists are large. */
async function startWithLargeLists (t: Test, { callerBytes, rateWindowMs = 30_000 }: Options) {
  const issuer = await startIssuer(t)
  const pendingCreates: ServerResponse[] = []
  const procore = createServer((request, response) => {
    if (request.method === 'POST') request.resume().on('end', () => pendingCreates.push(response))
    else response.writeHead(200, { 'content-type': 'application/json' }).end(list)
  })
  const service = await startService(t, {
    env: { ...issuer.env, PROCORE_API_URL: `http://127.0.0.1:${await listen(t, procore)}` },
    adjustConfig: config => ({
      ...config,
      usage: { ...config.usage, perCaller: { ...config.usage.perCaller, bytes: callerBytes } },
      response: { ...config.response, rateWindowMs },
    }),
  })
  const anna = bearerHeader(await issuer.sign({ sub: 'anna' }))
  const ben = bearerHeader(await issuer.sign({ sub: 'ben' }))
  return { ...service, pendingCreates, anna, ben }
}

/** Sends a GET and stops reading after the first bytes of the response. */
async function getUnread (port: number, path: string, { authorization }: { authorization: string }) {
  const connection = new RawConnection(port)
  connection.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\n\r\n`)
  await connection.readUntil('\r\n\r\n')
  connection.socket.pause()
  return connection
}

function countStatus (connections: readonly RawConnection[], status: number): number {
  return connections.filter(({ received }) => received.startsWith(`HTTP/1.1 ${status} `)).length
}

function closeAll (connections: readonly RawConnection[]): void {
  for (const { socket } of connections) socket.destroy()
}

t.test('a caller whose unread responses reach its share gets 429, and another caller is served', async t => {
  const { url, port, usersUrl, pendingCreates, anna, ben } = await startWithLargeLists(t, {
    callerBytes: 3 * listBytes + 1000,
  })
  const create = sendJson(usersUrl, { user: jane }, anna)
  await waitUntil(() => pendingCreates.length === 1)
  const pages = Array.from({ length: 8 }, (_, index) => `/companies/101/users?page=${index + 1}`)
  const connections: RawConnection[] = []
  for (const page of pages) connections.push(await getUnread(port, page, anna))
  t.equal(countStatus(connections, 200), 3)
  t.equal(countStatus(connections, 429), 5)
  t.match(connections.at(-1)?.received, /retry-after: 1\r\n[^]*"code":"too_many_requests"/)
  t.equal((await get(`${usersUrl}?page=1`, ben)).text.length, listBytes)
  pendingCreates[0]?.writeHead(201, { 'content-type': 'application/json' }).end(list)
  t.equal((await create).status, 201, 'the response to a change is always sent')
  closeAll(connections)
  await waitUntil(async () => (await get(`${url}/companies/101/users?page=9`, anna)).status === 200)
})

t.test('unread responses that share a cached list count once', async t => {
  const { port, anna } = await startWithLargeLists(t, { callerBytes: 2 * listBytes })
  const connections: RawConnection[] = []
  for (let index = 0; index < 8; index++) connections.push(await getUnread(port, '/companies/101/vendors', anna))
  t.equal(countStatus(connections, 200), 8)
  closeAll(connections)
})

t.test('a caller that waits for the same list as one at its limit is served', async t => {
  const { url, port, anna, ben } = await startWithLargeLists(t, { callerBytes: 1.5 * listBytes })
  const unread = await getUnread(port, '/companies/101/users?page=1', anna)
  const [refused, served] = await Promise.all([
    get(`${url}/companies/101/vendors`, anna), get(`${url}/companies/101/vendors`, ben),
  ])
  t.equal(refused.status, 429)
  t.equal(served.status, 200)
  unread.socket.destroy()
})

t.test('a response that is read too slowly', async t => {
  await t.test('is ended if its caller holds more than half of its share', async t => {
    const { port, lines, anna } = await startWithLargeLists(t, { callerBytes: 1.5 * listBytes, rateWindowMs: 200 })
    const connection = await getUnread(port, '/companies/101/users?page=1', anna)
    await waitUntil(() => lines.some(({ code }) => code === 'request_timeout'))
    connection.socket.resume()
    const response = await connection.readToEnd()
    t.ok(response.length < listBytes)
    t.match(lines.filter(({ msg }) => msg === 'request'), [{ status: 499, code: 'request_timeout' }])
  })
  await t.test('is sent to its end if its caller holds less', async t => {
    const { port, lines, anna } = await startWithLargeLists(t, { callerBytes: 3 * listBytes, rateWindowMs: 50 })
    const connection = await getUnread(port, '/companies/101/users?page=1', anna)
    await new Promise(resolve => setTimeout(resolve, 500))
    connection.socket.resume()
    await waitUntil(() => connection.received.length > listBytes)
    t.equal(connection.received.slice(connection.received.indexOf('\r\n\r\n') + 4).length, listBytes)
    t.notOk(lines.some(({ code }) => code === 'request_timeout'))
    connection.socket.destroy()
  })
})

t.test('a response in slices is the same as one in a piece', async t => {
  const { usersUrl, anna } = await startWithLargeLists(t, { callerBytes: 3 * listBytes })
  const response = await get(`${usersUrl}?page=1`, anna)
  t.match(response, {
    status: 200,
    headers: {
      'content-length': String(listBytes),
      'content-type': 'application/json',
      'transfer-encoding': undefined,
    },
  })
  t.equal(response.text, list.toString())
})
