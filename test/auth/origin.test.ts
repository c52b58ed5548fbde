// With CALLER_AUTH=none, pages of other sites cannot send requests through a browser (CSRF, DNS rebinding).
import Fastify from 'fastify'
import t from 'tap'
import { originPlugin } from '../../src/auth/origin.ts'
import { loadConfig } from '../../src/config/index.ts'
import { hasBrowser, openPage } from '../helpers/browser.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { hasNginx, startGateway } from '../helpers/nginx-gateway.ts'
import { startPageServer } from '../helpers/page-server.ts'
import { jane, janeParts, multipartBody, RawConnection, send, sendJson, sendMultipart } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const appOrigin = 'https://app.example.com'
const rejection = { status: 403, json: { code: 'origin_not_allowed' } }

t.test('with CALLER_AUTH=none, a create', async t => {
  const { usersUrl, url, emulator } = await startService(t, { env: { CORS_ORIGINS: appOrigin } })
  const host = url.slice('http://'.length)
  const allowed: Array<{ name: string, headers: Record<string, string> }> = [
    { name: 'of a program, which sends neither Origin nor Sec-Fetch-Site', headers: {} },
    { name: 'of a page of the same origin', headers: { origin: url, 'sec-fetch-site': 'same-origin' } },
    { name: 'of the user, such as a reload', headers: { 'sec-fetch-site': 'none' } },
    { name: 'of an older browser on a page of the same host', headers: { origin: url } },
    { name: 'whose Origin has the host behind a gateway with TLS', headers: { origin: `https://${host}` } },
    {
      name: 'whose Origin omits the default port that Host has',
      headers: { origin: 'https://bff.internal', host: 'bff.internal:443' },
    },
    { name: 'of a page in CORS_ORIGINS', headers: { origin: appOrigin, 'sec-fetch-site': 'cross-site' } },
    { name: 'of an older browser on a page in CORS_ORIGINS', headers: { origin: appOrigin } },
  ]
  for (const [index, { name, headers }] of allowed.entries()) {
    await t.test(`${name} is accepted`, async t => {
      const user = { ...jane, email_address: `jane${index}@example.com` }
      t.equal((await sendJson(usersUrl, { user }, headers)).status, 201)
    })
  }
  const createdCount = emulator.apiRequests.length
  const foreign: Array<{ name: string, headers: Record<string, string> }> = [
    {
      name: 'of a page of another site',
      headers: { origin: 'https://evil.example.com', 'sec-fetch-site': 'cross-site' },
    },
    { name: 'of a page of another site that hides its origin', headers: { 'sec-fetch-site': 'cross-site' } },
    { name: 'of a page of the same site', headers: { origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-site' } },
    { name: 'with an unknown Sec-Fetch-Site', headers: { 'sec-fetch-site': 'same-origin, none' } },
    { name: 'of an older browser on a page of another site', headers: { origin: 'https://evil.example.com' } },
    { name: 'of an older browser on a page of another port', headers: { origin: 'http://127.0.0.1:1' } },
    { name: 'of a sandboxed page', headers: { origin: 'null' } },
    { name: 'with an Origin that is not a URL', headers: { origin: host } },
  ]
  for (const { name, headers } of foreign) {
    await t.test(`${name} is rejected as a form and as JSON`, async t => {
      t.match(await sendMultipart(usersUrl, multipartBody(janeParts), headers), rejection)
      t.match(await sendJson(usersUrl, { user: jane }, headers), rejection)
    })
  }
  t.equal(emulator.apiRequests.length, createdCount)

  await t.test('an update of a page of another site is rejected', async t => {
    const headers = { 'sec-fetch-site': 'cross-site', 'content-type': 'application/json' }
    t.match(await send(`${usersUrl}/1`, { method: 'PATCH', headers, body: '{"user":{}}' }), rejection)
  })
  await t.test('a read of a page of another site is answered: the browser hides the response', async t => {
    const headers = { origin: 'https://evil.example.com', 'sec-fetch-site': 'cross-site' }
    const response = await send(`${url}/companies/101/trades`, { method: 'GET', headers })
    t.equal(response.status, 200)
    t.equal(response.headers['access-control-allow-origin'], undefined)
  })
  await t.test('an unsupported method is reported first', async t => {
    t.equal((await send(usersUrl, { method: 'DELETE', headers: { 'sec-fetch-site': 'cross-site' } })).status, 405)
  })
})

t.test('with CALLER_AUTH=jwt, the bearer token authenticates a page, whatever its origin is', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl } = await startService(t, { env: issuer.env })
  const headers = { ...bearerHeader(await issuer.sign()), origin: 'https://a.example.com', host: 'bff.example.com' }
  t.equal((await sendJson(usersUrl, { user: jane }, headers)).status, 201)
})

t.test('with CALLER_AUTH=none, a Host', async t => {
  const { url, port } = await startService(t, { env: { HOST: 'localhost' } })
  const list = (host: string, path = '/companies/101/trades') =>
    send(`${url}${path}`, { method: 'GET', headers: { host } })
  const accepted = [
    '127.0.0.1', '127.0.0.1:3000', '10.4.0.7:3000', '[::1]', '[2001:db8::1]:3000', 'localhost:8080', 'procore-bff',
    'service-1:3000', 'LOCALHOST', 'bff.local', 'bff.internal', 'bff.prod.svc', 'bff.prod.svc.cluster.local:3000',
    'bff.prod.svc.cluster.local.',
  ]
  for (const host of accepted) {
    await t.test(`${host} is accepted`, async t => {
      t.equal((await list(host)).status, 200)
    })
  }
  const rejected = [
    'evil.example.com', 'evil.example.com:3000', '127.0.0.1.evil.example.com', 'local.evil.example.com',
    'bff.local.evil.example.com', 'evil.example.com.', '127.0.0.1.nip.io', 'evillocal.com', 'svc.cluster.local.com',
  ]
  for (const host of rejected) {
    await t.test(`${host} is rejected`, async t => {
      t.match(await list(host), rejection)
    })
  }
  for (const path of ['/livez', '/readyz', '/metrics']) {
    await t.test(`with a public name is accepted for ${path}`, async t => {
      t.equal((await list('probe.example.com', path)).status, 200)
    })
  }
  await t.test('with a public name is rejected for other routes of this service', async t => {
    t.match(await list('evil.example.com', '/openapi.json'), rejection)
  })
  await t.test('that is absent from HTTP/1.0 is accepted', async t => {
    const caller = new RawConnection(port)
    caller.write('GET /companies/101/trades HTTP/1.0\r\n\r\n')
    t.match(await caller.readToEnd(), /^HTTP\/1\.1 200 /)
  })
})

t.test('with CALLER_AUTH=none, the name in HOST is accepted as a Host', async t => {
  const fastify = Fastify()
  const config = loadConfig({
    HOST: 'BFF.example.com', CALLER_AUTH: 'none', PROCORE_CLIENT_ID: 'id', PROCORE_CLIENT_SECRET: 'secret',
  })
  await fastify.register(originPlugin, { config })
  fastify.get('/', async () => 'ok')
  const statusFor = async (host: string) => (await fastify.inject({ url: '/', headers: { host } })).statusCode
  t.equal(await statusFor('bff.example.com:3000'), 200)
  t.not(await statusFor('evil.example.com'), 200)
})

t.test('ALLOWED_HOSTS replaces the default', async t => {
  const issuer = await startIssuer(t)
  const environments: Array<{ name: string, env: Record<string, string>, headers: Record<string, string> }> = [
    { name: 'with CALLER_AUTH=none', env: {}, headers: {} },
    { name: 'with CALLER_AUTH=jwt', env: issuer.env, headers: bearerHeader(await issuer.sign()) },
  ]
  for (const { name, env, headers } of environments) {
    const { url } = await startService(t, {
      env: { ...env, ALLOWED_HOSTS: 'bff.example.com:443, *.apps.example.com, [::1], 192.0.2.1' },
    })
    const list = (host: string) => send(`${url}/companies/101/trades`, { method: 'GET', headers: { ...headers, host } })
    for (const host of ['bff.example.com', 'BFF.example.com:8443', 'a.apps.example.com', '[::1]:1', '192.0.2.1']) {
      await t.test(`${name}, ${host} is accepted`, async t => {
        t.equal((await list(host)).status, 200)
      })
    }
    for (const host of ['apps.example.com', 'localhost', '127.0.0.1', 'xbff.example.com']) {
      await t.test(`${name}, ${host} is rejected`, async t => {
        t.match(await list(host), rejection)
      })
    }
  }
})

const skip = !hasNginx && process.env['CI'] !== 'true' && 'nginx is not installed'

t.test('through the gateway', { skip }, async t => {
  const { port } = await startService(t, { env: { TRUSTED_PROXIES: '127.0.0.1' } })
  const { url } = await startGateway(t, port)
  const create = (headers: Record<string, string>) => sendJson(`${url}/companies/101/users`, { user: jane }, headers)
  await t.test('a page of its own origin is accepted', async t => {
    t.equal((await create({ origin: url })).status, 201)
  })
  await t.test('a page of another port of its host is rejected', async t => {
    t.match(await create({ origin: 'http://127.0.0.1:1' }), rejection)
  })
  await t.test('a foreign Host is rejected', async t => {
    t.match(await create({ host: 'evil.example.com' }), rejection)
  })
})

t.test('in Chromium, a page of another site', {
  skip: !hasBrowser && process.env['CI'] !== 'true' && 'chromium is not installed',
}, async t => {
  const { usersUrl, emulator, lines } = await startService(t)
  const formPage = `<form method="post" enctype="multipart/form-data" action="${usersUrl}">
    <input name="user[last_name]" value="Doe"><input name="user[email_address]" value="jane.doe@example.com">
  </form>`
  const pages = await startPageServer(t, { '/': formPage })
  const rows = [
    { name: 'another site', pageUrl: pages.replace('127.0.0.1', 'localhost') },
    { name: 'another port of this host', pageUrl: pages },
  ]
  for (const { name, pageUrl } of rows) {
    await t.test(`(${name}) cannot create a user by submitting a form`, async t => {
      const { page } = await openPage(t)
      await page.goto(pageUrl)
      const [response] = await Promise.all([
        page.waitForResponse(usersUrl),
        page.evaluate(() => document.querySelector('form')?.submit()),
      ])
      t.equal(response.status(), 403)
    })
    await t.test(`(${name}) cannot create a user by a request without a preflight`, async t => {
      const { page } = await openPage(t)
      await page.goto(pageUrl)
      const requestCount = lines.length
      await page.evaluate(async url => {
        const body = new FormData()
        body.append('user[last_name]', 'Doe')
        body.append('user[email_address]', 'jane.doe@example.com')
        await fetch(url, { method: 'POST', mode: 'no-cors', body }).catch(() => {})
      }, usersUrl)
      t.match(lines.slice(requestCount), [{ status: 403, code: 'origin_not_allowed' }])
    })
  }
  t.equal(emulator.apiRequests.length, 0)
})
