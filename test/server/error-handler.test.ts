// What is refused before anything is read of the body, in which order, and in the one shape of a problem; the service goes on serving.
import { once } from 'node:events'
import t from 'tap'
import { png } from '../helpers/images.ts'
import { boundary, summarizeErrors, multipartPart, jane, RawConnection, send, sendJson } from '../helpers/requests.ts'
import { parseSamples } from '../helpers/prometheus-samples.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const json = { 'content-type': 'application/json' }

t.test('a route that is not there, whatever its body', async t => {
  const { url, usersUrl } = await startService(t)
  for (const path of ['/', '/companies', '/companies/101', '/companies/101/users/', '/Companies/101/users', '/rest/v1.0/companies/101/users', '/companies/101/users/1/2', '/companies//users', '//companies/101/users', '/metric']) {
    const reply = await send(`${url}${path}`, { headers: { 'content-type': 'application/xml' }, body: 'x'.repeat(100_000) })
    t.match(reply, { status: 404, json: { code: 'not_found', type: 'urn:problem-type:procore-bff:not_found', title: String, detail: String, status: 404, request_id: reply.headers['x-request-id'] } }, path)
    t.equal(reply.headers['content-type'], 'application/problem+json; charset=utf-8')
  }
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
})

t.test('a method that a known path does not have, with Allow', async t => {
  const { url, usersUrl } = await startService(t)
  for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY']) {
    t.match(await send(usersUrl, { method: method as 'GET' }), { status: 405, headers: { allow: 'POST, GET, HEAD' }, json: { code: 'method_not_allowed' } }, method)
  }
  t.match(await send(`${url}/rest/v1.3/companies/101/users`, { method: 'PUT' }), { status: 405, headers: { allow: 'POST, GET, HEAD' } })
  t.match(await send(`${usersUrl}/validate`, { method: 'GET' }), { status: 405, headers: { allow: 'POST' } }, 'not the user of that id')
  t.match(await send(`${usersUrl}/form`, { method: 'OPTIONS' }), { status: 405, headers: { allow: 'GET, HEAD' } })
  t.match(await send(`${url}/livez`, {}), { status: 405, headers: { allow: 'GET, HEAD' } })
  t.match(await send(`${url}/openapi.json`, { method: 'DELETE' }), { status: 405 })
})

t.test('the order: route, company, type and declared size, body', async t => {
  const { url, usersUrl, emulator } = await startService(t, { env: { PROCORE_COMPANY_IDS: '101' } })
  const other = `${url}/companies/102/users`
  t.match((await send(other, { headers: { 'content-type': 'text/plain' }, body: 'x' })).json, { status: 403, code: 'company_not_allowed' })
  t.match((await send(other, { method: 'PUT' })).json, { status: 405 })
  t.match((await send(`${usersUrl}?x=1`, { headers: { 'content-type': 'text/plain' }, body: 'x' })).json, { status: 415 })
  t.match((await send(`${usersUrl}?x=1`, { headers: json, body: 'x'.repeat(262_145) })).json, { status: 413, code: 'body_too_large' })
  t.match((await send(`${usersUrl}?x=1`, { headers: json, body: '{' })).json, { status: 400, code: 'malformed_json' })
  t.match((await send(`${url}/companies/x/users`, { headers: { 'content-type': 'text/plain' }, body: 'x' })).json, { status: 422, errors: [{ in: 'path', pointer: '/company_id' }] })
  t.match((await send(`${url}/companies/x/users`, { headers: json, body: '{' })).json, { status: 422, errors: [{ in: 'path', pointer: '/company_id' }] })
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  t.equal(emulator.apiRequests.length, 1)
})

t.test('a company in scope is a number, however it is written', async t => {
  const { url, emulator } = await startService(t, { env: { PROCORE_COMPANY_IDS: '101' } })
  t.equal((await sendJson(`${url}/companies/0101/users`, { user: jane })).status, 201)
  t.equal(emulator.apiRequests[0]?.headers['procore-company-id'], '101')
  t.equal(emulator.apiRequests[0]?.path, '/rest/v1.3/companies/101/users')
  for (const company of ['%31%30%32', '1e2', '0x65', '101.0', '+101', '%20101', '-101', '９']) {
    const reply = await sendJson(`${url}/companies/${company}/users`, { user: jane })
    t.ok(reply.status === 422 || reply.status === 403, `${company} ${reply.status}`)
  }
  t.equal(emulator.apiRequests.length, 1)
})

t.test('company ids that are no ids', async t => {
  const { url } = await startService(t)
  for (const [company, rule] of [['abc', 'type'], ['0', 'size'], ['9007199254740992', 'size'], ['99999999999999999999', 'size'], ['-1', 'type'], ['1.5', 'type'], ['%00', 'type']]) {
    t.strictSame(summarizeErrors(await sendJson(`${url}/companies/${company}/users`, { user: jane })), [`path /company_id ${rule}`])
  }
})

t.test('URLs and headers that are over a limit', async t => {
  const { url, usersUrl, port } = await startService(t)
  t.match((await sendJson(`${url}/companies/${'1'.repeat(200)}/users`, { user: jane })).json, { status: 414, code: 'bad_request' })
  t.match((await sendJson(`${url}/companies/%zz/users`, { user: jane })).json, { status: 400, code: 'bad_request' })
  const raw = new RawConnection(port)
  raw.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(20_000)}\r\n\r\n`)
  t.match(await raw.readToEnd(), /^HTTP\/1\.1 431 [^]*"code":"bad_request"/)
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
})

t.test('what is not HTTP', async t => {
  const { usersUrl, port } = await startService(t)
  for (const bytes of ['GARBAGE\r\n\r\n', '\x16\x03\x01\x02\x00', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n', 'POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n']) {
    const raw = new RawConnection(port)
    raw.write(bytes)
    const answer = await raw.readToEnd()
    t.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n[^]*"code":"bad_request"/, JSON.stringify(bytes))
    t.match(answer, /\r\nconnection: close\r\n/)
  }
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
})

t.test('a body that can not be read on is told of once, as its own request, whenever its fault comes', async t => {
  const head = (id: string, headers: string, path = '/companies/101/users') => `POST ${path} HTTP/1.1\r\nhost: x\r\nx-request-id: ${id}\r\n${headers}\r\n\r\n`
  const chunked = 'content-type: application/json\r\ntransfer-encoding: chunked'
  const service = await startService(t)
  const { port, url, lines, emulator, app } = service
  const received = () => once(app.fastify.server, 'request')
  const caller = () => new RawConnection(port)
  const answered: Array<[id: string, status: number, answer: Promise<string>, logged?: number]> = []
  const ask = async (id: string, start: string, rest: string, status = 400) => {
    const connection = caller().write(start)
    await received()
    answered.push([id, status, connection.write(rest).readToEnd()])
  }
  await ask('later', head('later', chunked), 'zz\r\n')
  answered.push(['at-once', 400, caller().write(`${head('at-once', chunked)}zz\r\nmore`).readToEnd()])
  await ask('no-route', head('no-route', chunked, '/nowhere'), 'zz\r\n', 404)
  answered.push(['no-route-at-once', 404, caller().write(`${head('no-route-at-once', chunked, '/nowhere')}zz\r\n`).readToEnd()])
  const cutOff = caller().write(head('cut-off', 'content-type: application/json\r\ncontent-length: 100'))
  await received()
  cutOff.socket.end('{')
  answered.push(['cut-off', 400, cutOff.readToEnd(), 499])
  for (const [id, status, answer] of answered) {
    const text = await answer
    t.match(text, new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\nx-request-id: ${id}\r\n[^]*"request_id":"${id}"`), id)
    t.equal(text.split('HTTP/1.1 ').length, 2, `${id} has one answer`)
  }
  const requests = () => lines.filter(({ msg }) => msg === 'request')
  await waitUntil(() => requests().length >= answered.length)
  t.strictSame(requests().map(({ requestId, status }) => `${String(requestId)} ${String(status)}`).sort(), answered.map(([id, status,, logged]) => `${id} ${logged ?? status}`).sort(), 'one line each')
  const samples = parseSamples((await send(`${url}/metrics`, { method: 'GET' })).text).filter(({ name, labels, value }) => name === 'procore_bff_requests_total' && labels['method'] === 'POST' && value > 0)
  t.strictSame(samples.map(({ labels: { route, status_class: statusClass, code }, value }) => [route, statusClass, code, value]).sort(), [['/companies/:company_id/users', '4xx', '', 1], ['/companies/:company_id/users', '4xx', 'bad_request', 2], ['none', '4xx', 'not_found', 2]])
  t.equal(emulator.apiRequests.length, 0)
  t.strictSame(lines.filter(({ level }) => level === 'error' || level === 'warn').map(({ msg }) => msg).filter(msg => msg !== 'request'), [])
})

t.test('a streamed form that can not be read on says that nothing was sent, and nothing becomes complete', async t => {
  const { port, emulator, lines } = await startService(t)
  const data = multipartPart({ name: 'user[avatar]', filename: 'a.png', data: png(500_000) })
  const caller = new RawConnection(port)
  caller.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=${boundary}\r\ntransfer-encoding: chunked\r\n\r\n${data.length.toString(16)}\r\n`).write(data).write('\r\n')
  await waitUntil(() => emulator.apiRequests.length === 1)
  caller.write('zz\r\n')
  t.match(await caller.readToEnd(), /^HTTP\/1\.1 400 [^]*"code":"bad_request"[^]*"outcome":"not_sent"/)
  await waitUntil(() => lines.some(({ msg }) => msg === 'request'))
  t.match(lines.filter(({ msg }) => msg === 'request'), [{ status: 400, code: 'bad_request', outcome: 'not_sent', bodyMode: 'streamed' }])
  t.equal(emulator.apiRequests[0]?.complete, false)
})

t.test('Expect: 100-continue is answered once the body is wanted', async t => {
  const { port } = await startService(t)
  const body = JSON.stringify({ user: jane })
  const wanted = new RawConnection(port)
  wanted.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`)
  t.equal(await wanted.readUntil('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
  wanted.write(body)
  t.match(await wanted.readToEnd(), /HTTP\/1\.1 201 Created/)
})

t.test('Expect: 100-continue is answered for a body that is there already, so that the connection goes on', async t => {
  const { port } = await startService(t)
  const head = 'POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n'
  const body = JSON.stringify({ user: jane })
  const caller = new RawConnection(port)
  caller.write(`${head}expect: 100-continue\r\ncontent-length: 0\r\n\r\n`)
  t.match(await caller.readUntil('"malformed_json"'), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 400 /)
  caller.write(`${head}connection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  t.match(await caller.readToEnd(), /HTTP\/1\.1 201 Created/)
})

t.test('Expect: 100-continue is not answered when the request is refused, and the connection is closed', async t => {
  const { port } = await startService(t)
  const refusals: Array<[string, RegExp]> = [
    ['/nowhere HTTP/1.1\r\ncontent-type: application/json', /^HTTP\/1\.1 404 /],
    ['/companies/x/users HTTP/1.1\r\ncontent-type: application/json', /^HTTP\/1\.1 422 /],
    ['/companies/101/users HTTP/1.1\r\ncontent-type: text/plain', /^HTTP\/1\.1 415 /],
    [`/companies/101/users HTTP/1.1\r\ncontent-type: multipart/form-data; boundary=${boundary}; boundary=x`, /^HTTP\/1\.1 400 /],
    ['/companies/101/users HTTP/1.1\r\ncontent-type: application/json\r\nx: y', /^HTTP\/1\.1 413 /],
  ]
  for (const [start, expected] of refusals) {
    const raw = new RawConnection(port)
    raw.write(`POST ${start}\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1000000\r\n\r\n`)
    const answer = await raw.readToEnd()
    t.match(answer, expected)
    t.match(answer, /\r\nconnection: close\r\n/)
  }
})

t.test('an expectation that nobody knows is ignored', async t => {
  const { port } = await startService(t)
  const body = JSON.stringify({ user: jane })
  const raw = new RawConnection(port)
  raw.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\nexpect: tea\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  t.match(await raw.readToEnd(), /^HTTP\/1\.1 201 /)
})

t.test('X-Request-Id is taken when it is sane, and never goes upstream', async t => {
  const { usersUrl, emulator } = await startService(t)
  for (const id of ['a', 'A-Z_a.z:0/9+=@', 'x'.repeat(128)]) {
    t.equal((await sendJson(usersUrl, { user: {} }, { 'x-request-id': id })).headers['x-request-id'], id)
  }
  for (const id of ['', 'a b', 'x'.repeat(129), 'a,b', '"a"', '<a>', 'a;b']) {
    const reply = await sendJson(usersUrl, { user: {} }, { 'x-request-id': id })
    t.match(reply.headers['x-request-id'], /^[0-9a-f-]{36}$/)
    t.equal(reply.json['request_id'], reply.headers['x-request-id'])
  }
  await sendJson(usersUrl, { user: jane }, { 'x-request-id': 'mine' })
  t.notMatch(JSON.stringify(emulator.apiRequests[0]?.rawHeaders), /mine/)
})
