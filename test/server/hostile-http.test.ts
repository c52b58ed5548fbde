// Invalid HTTP is rejected or ended within a bounded time, never reaches Procore, and does not slow down other callers.
import { once } from 'node:events'
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { jane, RawConnection, send, sendJson } from '../helpers/requests.ts'
import { collectGarbage } from '../helpers/collect-garbage.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const body = JSON.stringify({ user: jane })
const post = (headers: string, rest: string, target = '/companies/101/users') =>
  `POST ${target} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${headers}\r\n${rest}`
const contentLength = `content-length: ${body.length}\r\n`
const chunked = 'transfer-encoding: chunked\r\n'
const chunkedBody = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`

/** Invalid requests, each with the only statuses that may answer it. */
const rejectedRequests = [
  {
    name: 'Content-Length and Transfer-Encoding',
    request: post(`${contentLength}${chunked}`, chunkedBody),
    statuses: [400],
  },
  {
    name: 'Transfer-Encoding and Content-Length',
    request: post(`${chunked}content-length: 5\r\n`, chunkedBody),
    statuses: [400],
  },
  {
    name: 'two lengths',
    request: post(`content-length: 5\r\n${contentLength}`, body),
    statuses: [400],
  },
  {
    name: 'two equal lengths',
    request: post(`${contentLength}${contentLength}`, body),
    statuses: [400],
  },
  {
    name: 'a list of lengths',
    request: post(`content-length: ${body.length}, ${body.length}\r\n`, body),
    statuses: [400],
  },
  { name: 'a signed length', request: post(`content-length: +${body.length}\r\n`, body), statuses: [400] },
  { name: 'a negative length', request: post('content-length: -1\r\n', body), statuses: [400] },
  { name: 'a hexadecimal length', request: post('content-length: 0x10\r\n', body), statuses: [400] },
  {
    name: 'a length over 64 bits',
    request: post('content-length: 99999999999999999999999\r\n', body),
    statuses: [400],
  },
  {
    name: 'an unknown transfer coding',
    request: post('transfer-encoding: xchunked\r\n', chunkedBody),
    statuses: [400],
  },
  {
    name: 'chunked that is not the last coding',
    request: post('transfer-encoding: chunked, gzip\r\n', chunkedBody),
    statuses: [400],
  },
  { name: 'gzip before chunked', request: post('transfer-encoding: gzip, chunked\r\n', chunkedBody), statuses: [400] },
  { name: 'chunked twice', request: post(`${chunked}${chunked}`, chunkedBody), statuses: [400] },
  { name: 'a space before the colon', request: post(`content-length : ${body.length}\r\n`, body), statuses: [400] },
  {
    name: 'a folded header',
    request: post(`x-a: b\r\n c\r\n${contentLength}`, body),
    statuses: [400],
  },
  {
    name: 'a bare LF between headers',
    request: post(`x-a: b\n${contentLength}`, body),
    statuses: [400],
  },
  {
    name: 'a bare CR in a header',
    request: post(`x-a: b\rc\r\n${contentLength}`, body),
    statuses: [400],
  },
  { name: 'NUL in a header', request: post(`x-a: b\0\r\n${contentLength}`, body), statuses: [400] },
  {
    name: 'a header without a name',
    request: post(`: b\r\n${contentLength}`, body),
    statuses: [400],
  },
  { name: 'a chunk size that is not a number', request: post(chunked, `zz\r\n${body}\r\n0\r\n\r\n`), statuses: [400] },
  { name: 'a chunk size over 64 bits', request: post(chunked, `fffffffffffffffff\r\n${body}`), statuses: [400] },
  { name: 'a chunk longer than its size', request: post(chunked, `1\r\n${body}\r\n0\r\n\r\n`), statuses: [400] },
  {
    name: 'a chunk size that ends in a bare LF',
    request: post(chunked, `${body.length.toString(16)}\n${body}\r\n0\r\n\r\n`),
    statuses: [400],
  },
  { name: 'endless chunk extensions', request: post(chunked, `1;${'a'.repeat(40_000)}\r\n`), statuses: [400, 413] },
  { name: 'two hosts', request: 'GET /livez HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n', statuses: [400] },
  { name: 'an invalid host', request: 'GET /livez HTTP/1.1\r\nhost: a b/@\r\n\r\n', statuses: [400] },
  {
    name: 'two content types',
    request: post(`content-type: multipart/form-data\r\n${contentLength}`, body),
    statuses: [400],
  },
  {
    name: 'two Authorization headers',
    request: post(`authorization: Bearer a\r\nauthorization: Bearer b\r\n${contentLength}`, body),
    statuses: [400],
  },
  {
    name: 'no host',
    request: post(contentLength, body).replace('host: x\r\n', ''),
    statuses: [400],
  },
  { name: 'an unknown HTTP version', request: 'GET /livez HTTP/9.9\r\nhost: x\r\n\r\n', statuses: [400] },
  { name: 'HTTP/2 with prior knowledge', request: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', statuses: [400] },
  { name: 'TLS on a plain HTTP port', request: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', statuses: [400] },
  {
    name: 'headers over the limit',
    request: `GET /livez HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(limits.server.headersMaxBytes)}\r\n\r\n`,
    statuses: [431],
  },
  {
    name: 'too many headers',
    request: `GET /livez HTTP/1.1\r\nhost: x\r\n${'a: b\r\n'.repeat(limits.server.headersMaxCount)}\r\n`,
    statuses: [431],
  },
  {
    name: 'dots in the path',
    request: post(contentLength, body, '/companies/101/../102/users'),
    statuses: [404],
  },
  {
    name: 'encoded dots in the path',
    request: post(contentLength, body, '/companies/101/%2e%2e/102/users'),
    statuses: [404],
  },
  {
    name: 'an encoded slash in the path',
    request: post(contentLength, body, '/companies/101%2f102/users'),
    statuses: [422],
  },
  {
    name: 'two slashes in the path',
    request: post(contentLength, body, '//companies/101/users'),
    statuses: [404],
  },
  {
    name: 'a backslash in the path',
    request: post(contentLength, body, '/companies\\101\\users'),
    statuses: [400, 404],
  },
  {
    name: 'a fragment in the target',
    request: post(contentLength, body, '/companies/101/users#/x'),
    statuses: [400],
  },
  {
    name: 'NUL in the path',
    request: post(contentLength, body, '/companies/101%00/users'),
    statuses: [422],
  },
  {
    name: 'a path that cannot be decoded',
    request: post(contentLength, body, '/companies/%ff/users'),
    statuses: [400],
  },
  {
    name: 'a query that cannot be decoded',
    request: 'GET /companies/101/users?filters[search]=M%FCller HTTP/1.1\r\nhost: x\r\n\r\n',
    statuses: [400],
  },
  {
    name: 'a query with an incomplete percent-encoding',
    request: 'GET /companies/101/users?filters[search]=100% HTTP/1.1\r\nhost: x\r\n\r\n',
    statuses: [400],
  },
  {
    name: 'CONNECT',
    request: 'CONNECT evil.example.com:443 HTTP/1.1\r\nhost: evil.example.com\r\n\r\n',
    statuses: [400, 404, 405],
  },
  {
    name: 'an upgrade',
    request: 'GET /livez HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    statuses: [200, 400, 404],
  },
]

t.test('an invalid request is rejected and does not reach Procore', async t => {
  const { port, usersUrl, emulator } = await startService(t)
  for (const { name, request, statuses } of rejectedRequests) {
    await t.test(name, async t => {
      const caller = new RawConnection(port)
      caller.write(Buffer.from(request, 'latin1'))
      const closed = caller.readToEnd().then(() => 'closed')
      await Promise.race([closed, caller.readUntil('\r\n\r\n')])
      const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(caller.received)?.[1])
      const isClosedConnect = name === 'CONNECT' && caller.received === ''
      t.ok(statuses.includes(status) || isClosedConnect, caller.received.slice(0, 60))
      t.notMatch(caller.received, /^(server|x-powered-by|via):/im, 'the software is not disclosed')
      caller.socket.destroy()
    })
  }
  t.equal(emulator.apiRequests.length, 0)
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
})

t.test('a request whose head is rejected is the last one of its connection', async t => {
  const { port, emulator } = await startService(t)
  const rows = [
    { name: 'two Authorization headers', head: post('authorization: a\r\nauthorization: b\r\n', '') },
    { name: 'an unknown transfer coding', head: post('transfer-encoding: gzip, chunked\r\n', '0\r\n\r\n') },
    {
      name: 'two Authorization headers and an unknown path',
      head: post('authorization: a\r\nauthorization: b\r\n', '', '/nowhere'),
    },
    { name: 'a fragment in the target', head: post('', '', '/companies/101/users#x') },
    { name: 'a path that cannot be decoded', head: post('', '', '/companies/%ff/users') },
    { name: 'a parameter that is too long', head: post('', '', `/companies/${'1'.repeat(200)}/users`) },
    { name: 'too many headers', head: post('a: b\r\n'.repeat(limits.server.headersMaxCount), '') },
  ]
  for (const { name, head } of rows) {
    await t.test(name, async t => {
      const caller = new RawConnection(port).write(head + post(contentLength, body))
      const received = await caller.readToEnd()
      t.match(received, /^HTTP\/1\.1 4\d\d [^]*\r\nconnection: close\r\n/)
      t.equal(received.split('HTTP/1.1 ').length, 2)
    })
  }
  t.equal(emulator.apiRequests.length, 0)
})

t.test('an absolute target is routed by its path, whatever host it names (RFC 9112 §3.2.2)', async t => {
  const { port, emulator } = await startService(t)
  const caller = new RawConnection(port)
  caller.write(post(contentLength, body, 'http://evil.example.com/companies/101/users'))
  t.match(await caller.readUntil('\r\n\r\n{'), /^HTTP\/1\.1 201 /)
  caller.socket.destroy()
  t.match(emulator.apiRequests[0], {
    path: '/rest/v1.3/companies/101/users',
    headers: { host: new URL(emulator.url).host },
  })
})

t.test('chunk extensions and trailers are ignored', async t => {
  const { port, emulator } = await startService(t)
  const caller = new RawConnection(port)
  const chunk = `${body.length.toString(16)};name=value\r\n${body}\r\n`
  caller.write(post(chunked, `${chunk}0\r\nauthorization: Bearer x\r\n\r\n`))
  t.match(await caller.readUntil('\r\n\r\n{'), /^HTTP\/1\.1 201 /)
  caller.socket.destroy()
  t.strictSame(emulator.apiRequests.map(({ body }) => body.toString()), [body])
})

t.test('pipelined requests on one connection are separate requests', async t => {
  const { port, emulator } = await startService(t)
  const caller = new RawConnection(port)
  caller.write(post(contentLength, body) + post(contentLength, body, '/companies/102/users'))
  await caller.readUntil('HTTP/1.1 201 Created', 2)
  caller.socket.destroy()
  t.strictSame(emulator.apiRequests.map(({ headers }) => headers['procore-company-id']), ['101', '102'])
})

t.test('a request id is returned only if it is valid', async t => {
  const { url } = await startService(t)
  const sendWithId = async (id: string) => {
    const { headers } = await send(`${url}/livez`, { method: 'GET', headers: { 'x-request-id': id } })
    return headers['x-request-id']
  }
  for (const id of ['a', 'Az09._:/+=@-', 'x'.repeat(128)]) {
    await t.test(`${id.slice(0, 20)} is returned`, async t => {
      t.equal(await sendWithId(id), id)
    })
  }
  for (const id of ['', 'a b', 'a,b', '<x>', 'x'.repeat(129), 'é']) {
    await t.test(`'${id.slice(0, 20)}' is replaced`, async t => {
      t.not(await sendWithId(id), id)
    })
  }
})

t.test('2,000 slow connections do not slow down other callers, and are closed by the header timeout', async t => {
  const { port, url, app } = await startService(t)
  const medianMs = async () => {
    const times: number[] = []
    for (let index = 0; index < 60; index++) {
      const startedAt = performance.now()
      t.equal((await send(`${url}/livez`, { method: 'GET' })).status, 200)
      times.push(performance.now() - startedAt)
    }
    return times.sort((a, b) => a - b)[30] ?? NaN
  }
  // Other load on the machine varies, so the best of several runs is the time of the service itself.
  const bestMs = async () => Math.min(await medianMs(), await medianMs(), await medianMs())
  await medianMs()
  const beforeMs = await bestMs()
  const slow: RawConnection[] = []
  while (slow.length < 2000) {
    const batch = Array.from({ length: 100 }, () => new RawConnection(port))
    await Promise.all(batch.map(({ socket }) => once(socket, 'connect')))
    for (const connection of batch.slice(50)) {
      connection.write('POST /companies/101/users HTTP/1.1\r\nhost: x\r\nx-slow: ')
    }
    slow.push(...batch)
  }
  const duringMs = await bestMs()
  t.ok(duringMs < beforeMs * 5 + 5, `${duringMs} ms against ${beforeMs} ms`)
  // The header timeout is ten seconds; shorten it for the rest of the test.
  t.equal(app.fastify.server.headersTimeout, limits.server.headersTimeoutMs)
  app.fastify.server.headersTimeout = 100
  await waitUntil(() => slow.every(({ socket }) => socket.closed))
  t.match(slow.at(-1)?.received, /^HTTP\/1\.1 408 [^]*"code":"request_timeout"/)
})

t.test('a caller that keeps its side open after a 400 for invalid HTTP is disconnected', async t => {
  const { port, app } = await startService(t)
  const countConnections = () => new Promise<number>(resolve => {
    app.fastify.server.getConnections((_error, count) => resolve(count))
  })
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {}).resume().write('not HTTP\r\n\r\n')
  await once(socket, 'end')
  t.equal(await countConnections(), 1)
  while (await countConnections() > 0) await new Promise(resolve => setTimeout(resolve, 20))
  socket.destroy()
})

t.test('an unexpected body of a successful request is discarded up to a limit', async t => {
  const { port } = await startService(t)
  const caller = new RawConnection(port)
  caller.write('GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n')
  await caller.readUntil('"status":"live"')
  const chunk = Buffer.alloc(1_048_576)
  while (!caller.socket.closed) {
    caller.write(chunk)
    await waitUntil(() => caller.socket.closed || caller.socket.writableLength < 4_000_000)
  }
  t.ok(caller.socket.bytesWritten < 200_000_000)
})

t.test('tiny chunks use no more memory than their bytes', async t => {
  const { port, usersUrl } = await startService(t)
  const tinyChunks = Buffer.from('1\r\n \r\n'.repeat(60_000))
  const usedBytes = () => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
  const callers = Array.from({ length: 8 }, () => new RawConnection(port).write(post(chunked, '')))
  await waitUntil(() => callers.every(({ socket }) => !socket.connecting))
  collectGarbage()
  const beforeBytes = usedBytes()
  for (const caller of callers) caller.write(tinyChunks)
  await waitUntil(() => callers.every(({ socket }) => socket.writableLength === 0))
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  collectGarbage()
  t.ok(usedBytes() - beforeBytes < 8_000_000, `${usedBytes() - beforeBytes} bytes for ${8 * 60_000} chunks`)
  for (const { socket } of callers) socket.destroy()
})
