// Requests that are rejected before their body is read: in which order, and always as a problem.
import { once } from 'node:events'
import t from 'tap'
import { png } from '../helpers/images.ts'
import { requestHead } from '../helpers/request-head.ts'
import {
  boundary, summarizeErrors, multipartPart, jane, RawConnection, send, sendJson,
} from '../helpers/requests.ts'
import { parseSamples } from '../helpers/prometheus-samples.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const json = { 'content-type': 'application/json' }
const text = { 'content-type': 'text/plain' }
const users = '/companies/101/users'

t.test('an unknown path is answered with 404, whatever its body', async t => {
  const { url, usersUrl } = await startService(t)
  const paths = [
    '/', '/company', '/companies/101', '/companies/101/users/', '/Companies/101/users',
    '/rest/v1.0/companies/101/users', '/companies/101/users/1/2', '/companies//users', '//companies/101/users',
    '/metric',
  ]
  for (const path of paths) {
    await t.test(path, async t => {
      const response = await send(`${url}${path}`, {
        headers: { 'content-type': 'application/xml' },
        body: 'x'.repeat(100_000),
      })
      t.match(response, {
        status: 404,
        json: {
          code: 'not_found',
          type: '/docs/problems#not_found',
          title: String,
          detail: String,
          status: 404,
          request_id: response.headers['x-request-id'],
        },
      })
      t.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8')
    })
  }
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
})

t.test('a method that a known path does not support is answered with 405 and Allow', async t => {
  const { url } = await startService(t)
  const methods = ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY']
  const rows = [
    ...methods.map(method => ({ method, path: users, allow: 'POST, GET, HEAD' })),
    { method: 'PUT', path: '/rest/v1.3/companies/101/users', allow: 'POST, GET, HEAD' },
    // `validate` and `form` are not ids of users.
    { method: 'GET', path: `${users}/validate`, allow: 'POST' },
    { method: 'OPTIONS', path: `${users}/form`, allow: 'GET, HEAD' },
    { method: 'POST', path: '/livez', allow: 'GET, HEAD' },
  ]
  for (const { method, path, allow } of rows) {
    await t.test(`${method} ${path}`, async t => {
      const response = await send(`${url}${path}`, { method: method as 'GET' })
      t.match(response, { status: 405, headers: { allow }, json: { code: 'method_not_allowed' } })
    })
  }
  await t.test('DELETE /openapi.json', async t => {
    t.match(await send(`${url}/openapi.json`, { method: 'DELETE' }), { status: 405 })
  })
})

t.test('checks run in the order route, company, media type and declared size, path, body, query', async t => {
  const { url, usersUrl, emulator } = await startService(t, { env: { PROCORE_COMPANY_IDS: '101' } })
  const invalidCompany = [{ in: 'path', pointer: '/company_id' }]
  const rows = [
    {
      name: 'a forbidden company is rejected before the media type is checked',
      path: '/companies/102/users',
      request: { headers: text, body: 'x' },
      expected: { status: 403, code: 'company_not_allowed' },
    },
    {
      name: 'an unsupported method is rejected before the company is checked',
      path: '/companies/102/users',
      request: { method: 'PUT' as const },
      expected: { status: 405 },
    },
    {
      name: 'an unsupported media type is rejected before the query is checked',
      path: `${users}?x=1`,
      request: { headers: text, body: 'x' },
      expected: { status: 415 },
    },
    {
      name: 'a body that is too large is rejected before the query is checked',
      path: `${users}?x=1`,
      request: { headers: json, body: 'x'.repeat(262_145) },
      expected: { status: 413, code: 'body_too_large' },
    },
    {
      name: 'malformed JSON is rejected before the query is checked',
      path: `${users}?x=1`,
      request: { headers: json, body: '{' },
      expected: { status: 400, code: 'malformed_json' },
    },
    {
      name: 'an invalid company id is rejected before the media type is checked',
      path: '/companies/x/users',
      request: { headers: text, body: 'x' },
      expected: { status: 422, errors: invalidCompany },
    },
    {
      name: 'an invalid company id is rejected before the body is parsed',
      path: '/companies/x/users',
      request: { headers: json, body: '{' },
      expected: { status: 422, errors: invalidCompany },
    },
  ]
  for (const { name, path, request, expected } of rows) {
    await t.test(name, async t => {
      t.match((await send(`${url}${path}`, request)).json, expected)
    })
  }
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  t.equal(emulator.apiRequests.length, 1)
})

t.test('an allowed company is compared as a number, however it is written', async t => {
  const { url, emulator } = await startService(t, { env: { PROCORE_COMPANY_IDS: '101' } })
  t.equal((await sendJson(`${url}/companies/0101/users`, { user: jane })).status, 201)
  t.equal(emulator.apiRequests[0]?.headers['procore-company-id'], '101')
  t.equal(emulator.apiRequests[0]?.path, '/rest/v1.3/companies/101/users')
  for (const company of ['%31%30%32', '1e2', '0x65', '101.0', '+101', '%20101', '-101', '９']) {
    await t.test(`${company} is rejected`, async t => {
      const response = await sendJson(`${url}/companies/${company}/users`, { user: jane })
      t.ok(response.status === 422 || response.status === 403, `${company} ${response.status}`)
    })
  }
  t.equal(emulator.apiRequests.length, 1)
})

t.test('a company id that is not valid is reported with its rule', async t => {
  const { url } = await startService(t)
  const rows = [
    { company: 'abc', rule: 'type' },
    { company: '0', rule: 'size' },
    { company: '9007199254740992', rule: 'size' },
    { company: '99999999999999999999', rule: 'size' },
    { company: '-1', rule: 'type' },
    { company: '1.5', rule: 'type' },
    { company: '%00', rule: 'type' },
  ]
  for (const { company, rule } of rows) {
    await t.test(`${company}: ${rule}`, async t => {
      const response = await sendJson(`${url}/companies/${company}/users`, { user: jane })
      t.strictSame(summarizeErrors(response), [`path /company_id ${rule}`])
    })
  }
})

t.test('a URL or a header that exceeds a limit is rejected', async t => {
  const { url, usersUrl, port } = await startService(t)
  await t.test('a path parameter that is too long is answered with 414', async t => {
    const response = await sendJson(`${url}/companies/${'1'.repeat(200)}/users`, { user: jane })
    t.match(response.json, { status: 414, code: 'bad_request' })
  })
  await t.test('a path that cannot be decoded is answered with 400', async t => {
    const response = await sendJson(`${url}/companies/%zz/users`, { user: jane })
    t.match(response.json, { status: 400, code: 'bad_request' })
  })
  await t.test('a header that is too long is answered with 431', async t => {
    const caller = new RawConnection(port)
    caller.write(requestHead(users, { 'x-long': 'x'.repeat(20_000) }))
    t.match(await caller.readToEnd(), /^HTTP\/1\.1 431 [^]*"code":"bad_request"/)
  })
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
})

t.test('bytes that are not HTTP are answered with a problem and the connection closes', async t => {
  const { usersUrl, port } = await startService(t)
  const rows = [
    { name: 'text', bytes: 'GARBAGE\r\n\r\n' },
    { name: 'a TLS record', bytes: '\x16\x03\x01\x02\x00' },
    {
      name: 'two content lengths',
      bytes: 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n',
    },
    {
      name: 'an invalid chunk size',
      bytes: `${requestHead(users, { ...json, 'transfer-encoding': 'chunked' })}zz\r\n`,
    },
  ]
  for (const { name, bytes } of rows) {
    await t.test(name, async t => {
      const response = await new RawConnection(port).write(bytes).readToEnd()
      t.match(response, /^HTTP\/1\.1 400 Bad Request\r\n[^]*"code":"bad_request"/)
      t.match(response, /\r\nconnection: close\r\n/)
    })
  }
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
})

t.test('a body that cannot be parsed is answered and logged once, wherever its error is', async t => {
  const { port, url, lines, emulator, app } = await startService(t)
  const chunkedHead = (id: string, path = users) =>
    requestHead(path, { 'x-request-id': id, ...json, 'transfer-encoding': 'chunked' })
  const connect = () => new RawConnection(port)
  const nextRequest = () => once(app.fastify.server, 'request')
  const rows: Array<{ id: string, status: number, response: Promise<string> }> = []
  const sendInTwoParts = async (id: string, path: string, status: number) => {
    const connection = connect().write(chunkedHead(id, path))
    await nextRequest()
    rows.push({ id, status, response: connection.write('zz\r\n').readToEnd() })
  }
  await sendInTwoParts('later', users, 400)
  const atOnce = connect().write(`${chunkedHead('at-once')}zz\r\nmore`)
  rows.push({ id: 'at-once', status: 400, response: atOnce.readToEnd() })
  await sendInTwoParts('no-route', '/nowhere', 404)
  const noRouteAtOnce = connect().write(`${chunkedHead('no-route-at-once', '/nowhere')}zz\r\n`)
  rows.push({ id: 'no-route-at-once', status: 404, response: noRouteAtOnce.readToEnd() })
  const cutOff = connect().write(requestHead(users, { 'x-request-id': 'cut-off', ...json, 'content-length': 100 }))
  await nextRequest()
  cutOff.socket.end('{')
  rows.push({ id: 'cut-off', status: 400, response: cutOff.readToEnd() })

  for (const { id, status, response } of rows) {
    await t.test(`${id} is answered with ${status} once`, async t => {
      const received = await response
      const expected = `^HTTP/1\\.1 ${status} [^]*\r\nx-request-id: ${id}\r\n[^]*"request_id":"${id}"`
      t.match(received, new RegExp(expected))
      t.equal(received.split('HTTP/1.1 ').length, 2)
    })
  }
  const requestLines = () => lines.filter(({ msg }) => msg === 'request')
  await waitUntil(() => requestLines().length >= rows.length)
  t.strictSame(
    requestLines().map(({ requestId, status }) => `${String(requestId)} ${String(status)}`).sort(),
    rows.map(({ id, status }) => `${id} ${status}`).sort(),
    'each request has one log line'
  )
  const samples = parseSamples((await send(`${url}/metrics`, { method: 'GET' })).text)
    .filter(({ name }) => name === 'procore_bff_requests_total')
    .filter(({ labels, value }) => labels['method'] === 'POST' && value > 0)
    .map(({ labels: { route, status_class: statusClass, code }, value }) => [route, statusClass, code, value])
  t.strictSame(samples.sort(), [
    ['/companies/:company_id/users', '4xx', 'bad_request', 3],
    ['none', '4xx', 'not_found', 2],
  ])
  t.equal(emulator.apiRequests.length, 0)
  const problemLines = lines.filter(({ level }) => level === 'error' || level === 'warn')
  t.strictSame(problemLines.map(({ msg }) => msg).filter(msg => msg !== 'request'), [])
})

t.test('a streamed form that cannot be parsed is answered with not_sent, and stays incomplete at Procore', async t => {
  const { port, emulator, lines } = await startService(t)
  const data = multipartPart({ name: 'user[avatar]', filename: 'a.png', data: png(500_000) })
  const caller = new RawConnection(port)
  caller.write(requestHead(users, {
    'content-type': `multipart/form-data; boundary=${boundary}`,
    'transfer-encoding': 'chunked',
  }))
  caller.write(`${data.length.toString(16)}\r\n`).write(data).write('\r\n')
  await waitUntil(() => emulator.apiRequests.length === 1)
  caller.write('zz\r\n')
  t.match(await caller.readToEnd(), /^HTTP\/1\.1 400 [^]*"code":"bad_request"[^]*"outcome":"not_sent"/)
  await waitUntil(() => lines.some(({ msg }) => msg === 'request'))
  t.match(lines.filter(({ msg }) => msg === 'request'), [
    { status: 400, code: 'bad_request', outcome: 'not_sent', bodyMode: 'streamed' },
  ])
  t.equal(emulator.apiRequests[0]?.complete, false)
})

t.test('Expect: 100-continue is answered when the service is ready to read the body', async t => {
  const { port } = await startService(t)
  const body = JSON.stringify({ user: jane })
  const caller = new RawConnection(port)
  caller.write(requestHead(users, {
    expect: '100-continue',
    connection: 'close',
    ...json,
    'content-length': body.length,
  }))
  t.equal(await caller.readUntil('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
  caller.write(body)
  t.match(await caller.readToEnd(), /HTTP\/1\.1 201 Created/)
})

t.test('Expect: 100-continue with an empty body is answered, so that the connection stays usable', async t => {
  const { port } = await startService(t)
  const body = JSON.stringify({ user: jane })
  const caller = new RawConnection(port)
  caller.write(requestHead(users, { ...json, expect: '100-continue', 'content-length': 0 }))
  t.match(await caller.readUntil('"malformed_json"'), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 400 /)
  caller.write(requestHead(users, { ...json, connection: 'close', 'content-length': body.length })).write(body)
  t.match(await caller.readToEnd(), /HTTP\/1\.1 201 Created/)
})

t.test('Expect: 100-continue is not answered when the request is rejected, and the connection closes', async t => {
  const { port } = await startService(t)
  const duplicateBoundary = `multipart/form-data; boundary=${boundary}; boundary=x`
  const rows = [
    { name: 'an unknown path', path: '/nowhere', headers: json, expected: /^HTTP\/1\.1 404 / },
    { name: 'an invalid company id', path: '/companies/x/users', headers: json, expected: /^HTTP\/1\.1 422 / },
    { name: 'an unsupported media type', path: users, headers: text, expected: /^HTTP\/1\.1 415 / },
    {
      name: 'a duplicate boundary',
      path: users,
      headers: { 'content-type': duplicateBoundary },
      expected: /^HTTP\/1\.1 400 /,
    },
    { name: 'a declared size over the limit', path: users, headers: { ...json, x: 'y' }, expected: /^HTTP\/1\.1 413 / },
  ]
  for (const { name, path, headers, expected } of rows) {
    await t.test(name, async t => {
      const caller = new RawConnection(port)
      caller.write(requestHead(path, { ...headers, expect: '100-continue', 'content-length': 1_000_000 }))
      const response = await caller.readToEnd()
      t.match(response, expected)
      t.match(response, /\r\nconnection: close\r\n/)
    })
  }
})

t.test('an unknown expectation is ignored', async t => {
  const { port } = await startService(t)
  const body = JSON.stringify({ user: jane })
  const caller = new RawConnection(port)
  caller.write(requestHead(users, { expect: 'tea', connection: 'close', ...json, 'content-length': body.length }))
  caller.write(body)
  t.match(await caller.readToEnd(), /^HTTP\/1\.1 201 /)
})

t.test('X-Request-Id is returned if it is valid, and is never sent to Procore', async t => {
  const { usersUrl, emulator } = await startService(t)
  for (const id of ['a', 'A-Z_a.z:0/9+=@', 'x'.repeat(128)]) {
    await t.test(`${id.slice(0, 20)} is returned`, async t => {
      const response = await sendJson(usersUrl, { user: {} }, { 'x-request-id': id })
      t.equal(response.headers['x-request-id'], id)
    })
  }
  for (const id of ['', 'a b', 'x'.repeat(129), 'a,b', '"a"', '<a>', 'a;b']) {
    await t.test(`'${id.slice(0, 20)}' is replaced`, async t => {
      const response = await sendJson(usersUrl, { user: {} }, { 'x-request-id': id })
      t.match(response.headers['x-request-id'], /^[0-9a-f-]{36}$/)
      t.equal(response.json['request_id'], response.headers['x-request-id'])
    })
  }
  await sendJson(usersUrl, { user: jane }, { 'x-request-id': 'mine' })
  t.equal(emulator.apiRequests.length, 1)
  t.notMatch(JSON.stringify(emulator.apiRequests[0]?.rawHeaders), /mine/)
})
