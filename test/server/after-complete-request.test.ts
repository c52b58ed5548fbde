// A complete request is answered whatever follows it on its connection. What cannot be parsed is answered after it, and
// the connection then closes.
import { once } from 'node:events'
import { createServer } from 'node:http'
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { avatarPart, createUserFormHead, createUserJson } from '../helpers/request-builders.ts'
import { requestHead } from '../helpers/request-head.ts'
import { jane, janeParts, multipartBody, RawConnection, sendJson } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const users = '/companies/101/users'
const createJane = createUserJson(JSON.stringify({ user: jane }))
const createKeyed = createUserJson(JSON.stringify({ user: jane }), 'idempotency-key: a')
const createSecond = createUserJson(JSON.stringify({ user: { ...jane, email_address: 'second@example.com' } }))

function createForm (avatarBytes: number): string {
  const form = multipartBody([avatarPart(png(avatarBytes)), ...janeParts])
  return createUserFormHead(form.length) + form.toString('latin1')
}

/** Returns the status of each response on the connection, in the order in which they arrived. */
const statuses = (received: string) => [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))

const requests = [
  { name: 'a JSON create', build: () => createJane, status: 201 },
  { name: 'a keyed create', build: () => createKeyed, status: 201 },
  { name: 'a create by a buffered form', build: () => createForm(1000), status: 201 },
  { name: 'a create by a streamed form', build: () => createForm(600_000), status: 201 },
  { name: 'an invitation', build: (id: number) => requestHead(`${users}/${id}/invite`, {}, 'PATCH'), status: 202 },
  { name: 'a list', build: () => requestHead(users, {}, 'GET'), status: 200 },
]

const followers = [
  { name: 'a NUL', bytes: '\0', status: 400 },
  { name: 'a space', bytes: ' ', status: 400 },
  { name: 'a brace', bytes: '}', status: 400 },
  { name: 'a JSON object that no length counts', bytes: '{}', status: 400 },
  {
    name: 'a request with oversized headers',
    bytes: requestHead('/livez', { x: 'a'.repeat(limits.server.headersMaxBytes) }, 'GET'),
    status: 431,
  },
  {
    name: 'a request with two lengths',
    bytes: requestHead('/companies/101/users', { 'content-length': '5\r\ncontent-length: 6' }),
    status: 400,
  },
  { name: 'a CONNECT', bytes: 'CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n', status: 400 },
]

const requestLines = ({ lines }: Service) => lines.filter(({ msg }) => msg === 'request').slice(1)

/** Starts a service with one user, and delays the next response of Procore. Returns the id of the user. */
async function startWithUser (t: Test): Promise<{ service: Service, id: number }> {
  const service = await startService(t)
  const { json } = await sendJson(service.usersUrl, { user: { ...jane, email_address: 'first@example.com' } })
  service.emulator.faults.add({ kind: 'delay', delayMs: 50 })
  return { service, id: Number(json['id']) }
}

for (const { name, build, status } of requests) {
  t.test(`${name} is answered before what follows it on its connection`, async t => {
    for (const follower of followers) {
      await t.test(follower.name, async t => {
        const { service, id } = await startWithUser(t)
        const caller = new RawConnection(service.port).write(Buffer.from(build(id) + follower.bytes, 'latin1'))
        const received = await caller.readToEnd()
        t.strictSame(statuses(received), [status, follower.status], received)
        t.match(received, /"code":"bad_request"/)
        await waitUntil(() => requestLines(service).length === 2)
        t.match(requestLines(service), [{ status }, { status: follower.status, code: 'bad_request' }])
        t.equal(service.emulator.apiRequests.length, 2)
      })
    }
  })

  t.test(`${name} is answered if its caller then closes its side of the connection`, async t => {
    const { service, id } = await startWithUser(t)
    const caller = new RawConnection(service.port)
    caller.socket.end(Buffer.from(build(id), 'latin1'))
    t.strictSame(statuses(await caller.readToEnd()), [status])
    await waitUntil(() => requestLines(service).length === 1)
    t.match(requestLines(service), [{ status }])
  })
}

const answeredAtOnce = [
  { name: 'a probe', text: requestHead('/livez', {}, 'GET'), status: 200 },
  { name: 'an unknown path', text: requestHead('/nowhere', {}, 'GET'), status: 404 },
  { name: 'an invalid create', text: createUserJson('{"user":{}}'), status: 422 },
]

for (const { name, text, status } of answeredAtOnce) {
  t.test(`${name} is answered at once, and then what follows it`, async t => {
    const { port } = await startService(t)
    for (const follower of followers) {
      await t.test(follower.name, async t => {
        const caller = new RawConnection(port).write(Buffer.from(text + follower.bytes, 'latin1'))
        t.strictSame(statuses(await caller.readToEnd()), [status, follower.status])
      })
    }
  })
}

t.test('a response larger than the buffers of the connection is complete before a CONNECT is answered', async t => {
  const list = `[${' '.repeat(7_500_000)}]`
  const procore = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(list)
  })
  const { port } = await startService(t, { env: { PROCORE_API_URL: `http://127.0.0.1:${await listen(t, procore)}` } })
  const tunnel = 'CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n'
  const received = await new RawConnection(port).write(requestHead(users, {}, 'GET') + tunnel).readToEnd()
  t.strictSame(statuses(received), [200, 400])
  t.ok(received.includes(`${list}HTTP/1.1 400 `))
})

t.test('two pipelined creates are answered before the bytes that follow them', async t => {
  const { service } = await startWithUser(t)
  const caller = new RawConnection(service.port).write(`${createJane}${createSecond}}`)
  t.strictSame(statuses(await caller.readToEnd()), [201, 201, 400])
})

t.test('a create is answered before an invalid body of the next request', async t => {
  const { service } = await startWithUser(t)
  const next = requestHead(users, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' })
  const caller = new RawConnection(service.port).write(`${createJane}${next}zz\r\n`)
  t.strictSame(statuses(await caller.readToEnd()), [201, 400])
})

t.test('a create is answered if its caller closes its side within the next request', async t => {
  const incompleteBody = requestHead(users, { 'content-type': 'application/json', 'content-length': 5 })
  const rows = [{ name: 'its method', next: 'POS' }, { name: 'its body', next: incompleteBody }]
  for (const { name, next } of rows) {
    await t.test(name, async t => {
      const { service } = await startWithUser(t)
      const caller = new RawConnection(service.port)
      caller.socket.end(createJane + next)
      t.strictSame(statuses(await caller.readToEnd()), [201, 400])
    })
  }
})

t.test('a streamed form whose caller closes its side before the end is answered with not_sent', async t => {
  const { service } = await startWithUser(t)
  const caller = new RawConnection(service.port)
  caller.socket.end(Buffer.from(createForm(600_000).slice(0, -100), 'latin1'))
  t.match(await caller.readToEnd(), /^HTTP\/1\.1 400 [^]*"code":"bad_request"[^]*"outcome":"not_sent"/)
  await waitUntil(() => requestLines(service).length === 1)
  t.match(requestLines(service), [{ status: 400, code: 'bad_request', outcome: 'not_sent' }])
  t.equal(service.emulator.apiRequests.at(-1)?.complete, false)
})

t.test('a create is answered before the timeout of the next request, which is not executed when late', async t => {
  const { service } = await startWithUser(t)
  service.emulator.faults.clear()
  service.emulator.faults.add({ kind: 'delay', delayMs: 2500 })
  service.app.fastify.server.headersTimeout = 100
  const caller = new RawConnection(service.port).write(`${createJane}POST ${users} HTTP/1.1\r\n`)
  await once(service.app.fastify.server, 'clientError')
  caller.write(createSecond.slice(createSecond.indexOf('\r\n') + 2))
  const received = await caller.readToEnd()
  t.strictSame(statuses(received), [201, 408])
  t.match(received, /"code":"request_timeout"/)
  t.equal(service.emulator.apiRequests.length, 2, 'the late request did not reach Procore')
})

t.test('a request that follows the last response of its connection is not executed', async t => {
  const { service } = await startWithUser(t)
  const rejected = requestHead('/companies/101/nowhere', { expect: '100-continue', 'content-length': 5 })
  const caller = new RawConnection(service.port).write(`${rejected}12345${createJane}`)
  t.match(statuses(await caller.readToEnd()), [404])
  t.equal(service.emulator.apiRequests.length, 1)
})

t.test('while the service stops, only the last response to pipelined creates closes the connection', async t => {
  const { service } = await startWithUser(t)
  service.emulator.faults.add({ kind: 'delay', delayMs: 50 })
  const caller = new RawConnection(service.port).write(createJane + createSecond)
  await waitUntil(() => service.app.inFlight.count === 2)
  service.app.inFlight.startDraining()
  const received = await caller.readToEnd()
  t.strictSame(statuses(received), [201, 201])
  t.equal(received.match(/connection: close/g)?.length, 1)
})

t.test('pipelined creates end when their connection is reset after a CONNECT', async t => {
  const { service } = await startWithUser(t)
  const tunnel = 'CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n'
  const caller = new RawConnection(service.port).write(createJane + createSecond + tunnel)
  await waitUntil(() => service.app.inFlight.count === 2)
  caller.socket.resetAndDestroy()
  t.equal(await service.app.inFlight.waitUntilIdle(3000), true)
  t.match(requestLines(service), [{ status: 499 }, { status: 499 }])
})
