// Browsers: pages of the named origins may call and read what they need; a page of another origin gets nowhere.
import t from 'tap'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { multipartBody, jane, janeParts, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const origin = 'https://app.example.com'
const preflight = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type,idempotency-key' }

t.test('off unless it is set: OPTIONS is a method that the route does not have', async t => {
  const { usersUrl } = await startService(t)
  t.match(await send(usersUrl, { method: 'OPTIONS', headers: preflight }), { status: 405, headers: { allow: 'POST' } })
  t.equal((await sendJson(usersUrl, { user: jane }, { origin })).headers['access-control-allow-origin'], undefined)
})

t.test('a page of a named origin', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl } = await startService(t, { env: { ...issuer.env, CORS_ORIGINS: `${origin}, https://other.example.com` } })
  const asked = await send(usersUrl, { method: 'OPTIONS', headers: preflight })
  t.match(asked, { status: 204, headers: { 'access-control-allow-origin': origin, 'access-control-allow-methods': /POST/, 'access-control-allow-headers': /authorization.*idempotency-key/ } })
  t.equal(asked.headers['access-control-allow-credentials'], undefined)
  const created = await sendJson(usersUrl, { user: jane }, { origin, ...bearerHeader(await issuer.sign()) })
  t.equal(created.status, 201)
  const refused = await sendJson(usersUrl, { user: jane }, { origin })
  t.equal(refused.status, 401)
  for (const { headers } of [created, refused]) {
    t.equal(headers['access-control-allow-origin'], origin)
    t.match(headers.vary, /origin/i)
    for (const name of ['x-request-id', 'procore-request-id', 'retry-after', 'x-outcome', 'idempotency-replayed', 'link', 'total', 'per-page']) t.match(headers['access-control-expose-headers'], new RegExp(`(^|, )${name}(,|$)`))
  }
})

t.test('a page of another origin', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl, emulator } = await startService(t, { env: { ...issuer.env, CORS_ORIGINS: origin } })
  for (const evil of ['https://evil.example.com', 'https://app.example.com.evil.example', 'http://app.example.com', 'null']) {
    t.equal((await send(usersUrl, { method: 'OPTIONS', headers: { ...preflight, origin: evil } })).headers['access-control-allow-origin'], undefined, evil)
    // A form can be posted across sites without asking first, but not with a token.
    const posted = await sendMultipart(usersUrl, multipartBody(janeParts), { origin: evil, cookie: 'session=1' })
    t.match(posted, { status: 401, json: { code: 'unauthenticated' } })
    t.equal(posted.headers['access-control-allow-origin'], undefined)
  }
  t.equal(emulator.apiRequests.length, 0)
})

t.test('answers can not be taken for pages', async t => {
  const { usersUrl, url } = await startService(t)
  const reply = await sendJson(usersUrl, { user: { ...jane, '<script>alert(1)</script>': 1 } })
  t.match(reply.headers, { 'content-type': 'application/problem+json; charset=utf-8', 'x-content-type-options': 'nosniff' })
  t.match((await send(`${url}/openapi.json`, { method: 'GET' })).headers, { 'content-security-policy': String, 'x-content-type-options': 'nosniff', 'x-frame-options': String })
})

t.test('a route that is not there stays one', async t => {
  const { url } = await startService(t, { env: { CORS_ORIGINS: origin } })
  t.match(await send(`${url}/nowhere`, { method: 'GET' }), { status: 404, json: { code: 'not_found' } })
  t.match(await send(`${url}/companies/101/users`, { method: 'DELETE' }), { status: 405, headers: { allow: 'POST' } })
})
