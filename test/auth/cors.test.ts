// CORS: pages of the configured origins can call the API and read its headers; pages of other origins cannot.
import type { Socket } from 'node:net'
import t from 'tap'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { multipartBody, jane, janeParts, RawConnection, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const origin = 'https://app.example.com'
const preflight = {
  origin,
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'authorization,content-type,idempotency-key',
}

t.test('without CORS_ORIGINS, OPTIONS is not supported and no CORS headers are sent', async t => {
  const { usersUrl } = await startService(t)
  const response = await send(usersUrl, { method: 'OPTIONS', headers: preflight })
  t.match(response, { status: 405, headers: { allow: 'POST' } })
  const created = await sendJson(usersUrl, { user: jane }, { origin })
  t.equal(created.headers['access-control-allow-origin'], undefined)
})

t.test('a page of a configured origin can call the API', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl } = await startService(t, {
    env: { ...issuer.env, CORS_ORIGINS: `${origin}, https://other.example.com` },
  })
  await t.test('the preflight is answered', async t => {
    const response = await send(usersUrl, { method: 'OPTIONS', headers: preflight })
    t.match(response, {
      status: 204,
      headers: {
        'access-control-allow-origin': origin,
        'access-control-allow-methods': /POST/,
        'access-control-allow-headers': 'authorization,content-type,idempotency-key',
        'access-control-allow-credentials': 'true',
      },
    })
  })
  for (const header of ['cache-control,x-requested-with', 'sentry-trace,baggage', 'tracestate', 'procore-company-id']) {
    await t.test(`the preflight allows ${header}`, async t => {
      const headers = { ...preflight, 'access-control-request-headers': header }
      const response = await send(usersUrl, { method: 'OPTIONS', headers })
      t.match(response, { status: 204, headers: { 'access-control-allow-headers': header } })
    })
  }
  const rows = [
    { name: 'a successful response', headers: bearerHeader(await issuer.sign()), status: 201 },
    { name: 'a rejection', headers: {}, status: 401 },
  ]
  const exposedHeaders = [
    'x-request-id', 'procore-request-id', 'retry-after', 'x-outcome', 'idempotency-replayed',
    'link', 'total', 'per-page',
  ]
  for (const { name, headers, status } of rows) {
    await t.test(`${name} is readable, with its headers`, async t => {
      const response = await sendJson(usersUrl, { user: jane }, { origin, ...headers })
      t.equal(response.status, status)
      t.equal(response.headers['access-control-allow-origin'], origin)
      t.match(response.headers.vary, /origin/i)
      for (const header of exposedHeaders) {
        t.match(response.headers['access-control-expose-headers'], new RegExp(`(^|, )${header}(,|$)`))
      }
    })
  }
})

t.test('an app with a scheme of its own can call the API', async t => {
  const { usersUrl } = await startService(t, { env: { CORS_ORIGINS: 'capacitor://localhost' } })
  const response = await sendJson(usersUrl, { user: jane }, { origin: 'capacitor://localhost' })
  t.match(response, {
    status: 201,
    headers: { 'access-control-allow-origin': 'capacitor://localhost', 'access-control-allow-credentials': 'true' },
  })
})

t.test('a page of another origin cannot call the API', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl, emulator } = await startService(t, { env: { ...issuer.env, CORS_ORIGINS: origin } })
  const otherOrigins = [
    'https://evil.example.com', 'https://app.example.com.evil.example', 'http://app.example.com', 'null',
  ]
  for (const otherOrigin of otherOrigins) {
    await t.test(otherOrigin, async t => {
      const headers = { ...preflight, origin: otherOrigin }
      const answered = await send(usersUrl, { method: 'OPTIONS', headers })
      t.equal(answered.headers['access-control-allow-origin'], undefined)
      // A page can post a form to another site without a preflight, but not with a bearer token.
      const posted = await sendMultipart(usersUrl, multipartBody(janeParts), {
        origin: otherOrigin,
        cookie: 'session=1',
      })
      t.match(posted, { status: 401, json: { code: 'unauthenticated' } })
      t.equal(posted.headers['access-control-allow-origin'], undefined)
    })
  }
  t.equal(emulator.apiRequests.length, 0)
})

t.test('a browser does not render responses as pages', async t => {
  const { usersUrl, url } = await startService(t)
  const response = await sendJson(usersUrl, { user: { ...jane, '<script>alert(1)</script>': 1 } })
  t.match(response.headers, {
    'content-type': 'application/problem+json; charset=utf-8',
    'x-content-type-options': 'nosniff',
  })
  t.match((await send(`${url}/openapi.json`, { method: 'GET' })).headers, {
    'content-security-policy': String,
    'x-content-type-options': 'nosniff',
    'x-frame-options': String,
  })
  const created = await sendJson(usersUrl, { user: jane })
  t.match(created, { status: 201, headers: { 'x-content-type-options': 'nosniff' } })
  for (const path of ['/livez', '/readyz', '/metrics', '/companies/101/users']) {
    const { status, headers } = await send(url + path, { method: 'GET' })
    t.match({ status, headers }, { status: 200, headers: { 'x-content-type-options': 'nosniff' } }, path)
  }
})

t.test('with CORS_ORIGINS, unknown paths and unsupported methods are still rejected', async t => {
  const { url } = await startService(t, { env: { CORS_ORIGINS: origin } })
  t.match(await send(`${url}/nowhere`, { method: 'GET' }), { status: 404, json: { code: 'not_found' } })
  const response = await send(`${url}/companies/101/users`, { method: 'DELETE' })
  t.match(response, { status: 405, headers: { allow: 'POST' } })
})

t.test('a page of a listed origin can read every rejection, whichever code answers it', async t => {
  const otherOrigin = 'https://other.example.com'
  const rows = [
    {
      name: '400 for a duplicate header',
      request: 'GET /livez',
      headers: 'content-type: a\r\ncontent-type: b\r\n',
      status: 400,
    },
    { name: '400 for a path that cannot be decoded', request: 'GET /companies/%ff/users', headers: '', status: 400 },
    { name: '400 for bytes that are not HTTP', request: 'GET /livez', headers: 'a\r\n', status: 400 },
    { name: '404', request: 'GET /nowhere', headers: '', status: 404 },
    { name: '405', request: 'DELETE /companies/101/users', headers: '', status: 405 },
    { name: '414', request: `GET /companies/${'1'.repeat(200)}/users`, headers: '', status: 414 },
    { name: '422', request: 'GET /companies/x/users', headers: '', status: 422 },
    { name: '431 for too many headers', request: 'GET /livez', headers: 'a: b\r\n'.repeat(200), status: 431 },
    { name: '431 for long headers', request: 'GET /livez', headers: `a: ${'b'.repeat(20_000)}\r\n`, status: 431 },
  ]
  const { port } = await startService(t, { env: { CORS_ORIGINS: `${origin}, ${otherOrigin}` } })
  const sendRaw = (request: string, headers: string, pageOrigin: string) => {
    const head = `${request} HTTP/1.1\r\nhost: x\r\norigin: ${pageOrigin}\r\nconnection: close\r\n`
    return new RawConnection(port).write(`${head}${headers}\r\n`).readToEnd()
  }
  for (const { name, request, headers, status } of rows) {
    await t.test(name, async t => {
      const received = await sendRaw(request, headers, otherOrigin)
      t.match(received, new RegExp(`^HTTP/1\\.1 ${status} `))
      t.match(received, `\r\naccess-control-allow-origin: ${otherOrigin}\r\n`)
      t.match(received, '\r\naccess-control-allow-credentials: true\r\n')
      t.match(received, /\r\naccess-control-expose-headers: x-request-id, /)
      t.match(received, /\r\nvary: [^\r]*origin/i)
      t.match(received, '\r\nx-content-type-options: nosniff\r\n')
      t.notMatch(await sendRaw(request, headers, 'https://evil.example.com'), 'access-control-allow-origin')
    })
  }
})

t.test('a page of the only listed origin can read a 431 whose origin has not arrived in the last bytes', async t => {
  const { port, app } = await startService(t, { env: { CORS_ORIGINS: origin } })
  const caller = new RawConnection(port)
  const connected = new Promise<Socket>(resolve => { app.fastify.server.once('connection', resolve) })
  caller.write(`GET /livez HTTP/1.1\r\nhost: x\r\norigin: ${origin}\r\na: `)
  const socket = await connected
  await waitUntil(() => socket.bytesRead > 0)
  const received = await caller.write('b'.repeat(20_000)).readToEnd()
  t.match(received, `\r\naccess-control-allow-origin: ${origin}\r\n`)
})

t.test('the preflight of an unknown path is answered, so that the page can read the 404', async t => {
  const { url } = await startService(t, { env: { CORS_ORIGINS: origin } })
  t.match(await send(`${url}/nowhere`, { method: 'OPTIONS', headers: preflight }), {
    status: 204, headers: { 'access-control-allow-origin': origin, 'x-content-type-options': 'nosniff' },
  })
})
