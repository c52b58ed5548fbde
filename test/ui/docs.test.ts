// The page with the API reference: it is served from here whole, and a user with an avatar is really created through it.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import type { Page } from 'playwright-core'
import { hasBrowser, openPage } from '../helpers/browser.ts'
import { png } from '../helpers/images.ts'
import { startIssuer } from '../helpers/issuer.ts'
import { root } from '../helpers/spawn-program.ts'
import { RawConnection, send } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const skip = !hasBrowser && process.env['CI'] !== 'true' && 'chromium is not installed'

const files: Record<string, string> = {
  '/docs': 'text/html; charset=utf-8',
  '/docs/': 'text/html; charset=utf-8',
  '/docs/page.css': 'text/css; charset=utf-8',
  '/docs/page.js': 'text/javascript; charset=utf-8',
  '/docs/swagger-ui.css': 'text/css; charset=utf-8',
  '/docs/swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
}

t.test('its files: types, headers, HEAD, 304 and other methods', async t => {
  const { url } = await startService(t)
  for (const [path, type] of Object.entries(files)) {
    const { status, headers, text } = await send(url + path, { method: 'GET' })
    t.match({ status, headers }, {
      status: 200,
      headers: {
        'content-type': type,
        'cache-control': 'no-cache',
        'content-length': String(Buffer.byteLength(text)),
        'content-security-policy': "default-src 'none';script-src 'self';style-src 'self';img-src data:;connect-src 'self';base-uri 'none';form-action 'none';frame-ancestors 'none'",
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'x-request-id': String,
      },
    }, path)
    const head = await send(url + path, { method: 'HEAD' })
    t.match(head, { status: 200, text: '', headers: { 'content-type': type, 'content-length': headers['content-length'], etag: headers['etag'] } }, path)
    t.match(await send(url + path, { method: 'GET', headers: { 'if-none-match': String(headers['etag']) } }), { status: 304, text: '', headers: { etag: headers['etag'] } }, path)
    t.match(await send(url + path, { method: 'GET', headers: { 'if-none-match': '"another"' } }), { status: 200 }, path)
    t.match(await send(url + path, { method: 'POST' }), { status: 405, headers: { allow: 'GET, HEAD' }, json: { code: 'method_not_allowed' } }, path)
  }
  t.notMatch((await send(`${url}/docs`, { method: 'GET' })).text, /https?:\/\/|style=|<script>/)
})

t.test('what is not one of its files is not there, by whatever path', async t => {
  const { url, port } = await startService(t)
  for (const path of ['/docs/none.js', '/docs/swagger-ui-bundle.js.map', '/docs/index.html', '/docs/..%2f..%2fpackage.json', '/docs/%2e%2e%2fdocs.ts', '/docs/page.js%00.html', '/docs//page.js', '/docs/..%5cdocs.ts']) {
    t.match(await send(url + path, { method: 'GET' }), { status: 404, headers: { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store' }, json: { code: 'not_found' } }, path)
  }
  for (const path of ['/docs/../../package.json', '/docs/../docs.ts', '/docs/./../../../../etc/passwd']) {
    const caller = new RawConnection(port).write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    t.match(await caller.readToEnd(), /^HTTP\/1\.1 404 [^]*"code":"not_found"/, path)
  }
})

t.test('of the package only files are used: its plugin is not loaded', async t => {
  const { url } = await startService(t)
  t.equal((await send(`${url}/docs/swagger-ui.css`, { method: 'GET' })).status, 200)
  const loaded = Object.keys(createRequire(import.meta.url).cache)
  t.ok(loaded.some(file => file.includes('/@fastify/swagger/')))
  t.strictSame(loaded.filter(file => /\/@fastify\/(swagger-ui|static)\//.test(file)), [])
})

/** The operation, opened and ready to be tried. */
async function tryOut (page: Page, url: string) {
  await page.goto(`${url}/docs`)
  const operation = page.locator('#operations-directory-create-company-user')
  await operation.getByRole('button', { name: /^POST/ }).click()
  await operation.getByRole('button', { name: 'Try it out' }).click()
  await operation.getByLabel('Request content type').selectOption('multipart/form-data')
  await operation.getByLabel('user[avatar]', { exact: true }).waitFor()
  const field = (name: string) => operation.getByLabel(name, { exact: true })
  const execute = async () => {
    const answer = page.waitForResponse(`${url}/companies/**`)
    await operation.getByRole('button', { name: 'Execute' }).click()
    await operation.locator('.live-responses-table').waitFor()
    return (await answer).status()
  }
  return { operation, field, execute }
}

t.test('in a browser: a user with an avatar is created through it, no other host is asked, and the policy is kept', { skip }, async t => {
  const service = await startService(t)
  const { page, requestedUrls, errors } = await openPage(t)
  const { operation, field, execute } = await tryOut(page, service.url)
  t.equal(await field('company_id').inputValue(), '1234')
  t.equal(await field('user[last_name]').inputValue(), 'Doe', 'the examples are filled in')
  await field('company_id').fill('101')
  await field('run_configurable_validations').selectOption('false')
  await field('Idempotency-Key').fill('docs-1')
  await field('X-Request-Id').fill('ticket-9')
  await field('user[job_title]').fill('Architect')
  await field('user[vendor_id]').fill('')
  await field('user[bid_contact]').selectOption('')
  await field('user[is_employee]').selectOption('true')
  const avatar = png(30_000)
  await field('user[avatar]').setInputFiles({ name: 'jane.png', mimeType: 'image/png', buffer: avatar })
  t.equal(await execute(), 201)
  const answer = operation.locator('.live-responses-table')
  await answer.getByText('201', { exact: true }).waitFor()
  await answer.getByText('"Architect"').waitFor()
  await answer.getByText('x-request-id: ticket-9').waitFor()

  const { path, headers, body } = service.emulator.apiRequests[0] ?? {}
  t.equal(path, '/rest/v1.3/companies/101/users?run_configurable_validations=false')
  t.match(headers, { 'content-type': /^multipart\/form-data/, 'idempotency-token': String })
  t.ok(body?.includes(avatar), 'every byte of it')
  t.ok(body?.includes('name="user[business_phone_extension]"\r\n\r\n123\r\n'))
  t.notOk(body?.includes('user[vendor_id]') ?? true, 'what was emptied counts as absent')
  t.notOk(body?.includes('user[bid_contact]') ?? true)

  t.equal(await execute(), 201)
  await answer.getByText('idempotency-replayed: true').waitFor()
  t.equal(service.emulator.apiRequests.length, 1)

  t.strictSame(errors, [])
  t.ok(requestedUrls.length >= 8)
  t.strictSame(requestedUrls.filter(address => !address.startsWith(`${service.url}/`) && !address.startsWith('data:')), [])
})

t.test('in a browser: faults are shown, and the token goes out and is forgotten', { skip }, async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, { env: issuer.env })
  const { page, requestedUrls } = await openPage(t)
  const { operation, field, execute } = await tryOut(page, service.url)
  t.equal(await execute(), 401)
  await page.getByRole('button', { name: 'Authorize' }).first().click()
  const dialog = page.locator('.modal-ux')
  await dialog.locator('input').fill(await issuer.sign())
  await dialog.getByRole('button', { name: 'Apply credentials' }).click()
  await dialog.getByRole('button', { name: 'Close' }).click()
  await field('user[state_code]').fill('NSW')
  t.equal(await execute(), 422)
  await operation.locator('.live-responses-table').getByText('must be an ISO 3166-2 subdivision of US').waitFor()
  await field('user[state_code]').fill('CA')
  t.equal(await execute(), 201)
  const again = await tryOut(page, service.url)
  t.equal(await again.execute(), 401)
  t.strictSame(await page.evaluate('[localStorage.length, sessionStorage.length, document.cookie]'), [0, 0, ''])
  t.ok(requestedUrls.every(address => address.startsWith(`${service.url}/`) || address.startsWith('data:')))
})

t.test('in a browser: a narrow screen needs no scrolling sideways', { skip }, async t => {
  const service = await startService(t)
  const { page } = await openPage(t)
  await page.setViewportSize({ width: 390, height: 800 })
  const { field, execute } = await tryOut(page, service.url)
  await field('run_configurable_validations').selectOption('false')
  t.equal(await execute(), 201)
  t.ok(await page.evaluate('document.documentElement.scrollWidth <= 390'))
})

t.test('in a browser: another document can\'t be named, by address or by hand', { skip }, async t => {
  const service = await startService(t)
  const { page, requestedUrls, errors } = await openPage(t)
  await page.goto(`${service.url}/docs?url=https://example.com/openapi.json&configUrl=https://example.com/config.json`)
  await page.getByRole('heading', { name: 'Procore backend for frontends' }).waitFor()
  t.equal(await page.locator('.topbar').count(), 0)
  t.strictSame(requestedUrls.filter(address => !address.startsWith(`${service.url}/`) && !address.startsWith('data:')), [])
  t.strictSame(errors, [])
})

/** Controls within the button that opens an operation are Swagger UI's own markup. */
const known = new Set(['nested-interactive'])

t.test('in a browser: axe finds nothing serious but what is known of Swagger UI', { skip }, async t => {
  const service = await startService(t)
  const { page } = await openPage(t)
  await tryOut(page, service.url)
  await page.evaluate(await readFile(join(root, 'node_modules/axe-core/axe.min.js'), 'utf8'))
  const found: Array<{ id: string, impact: string, targets: string[] }> = JSON.parse(await page.evaluate('axe.run().then(({ violations }) => JSON.stringify(violations.map(({ id, impact, nodes }) => ({ id, impact, targets: nodes.map(({ target, any }) => target + \' \' + (any[0]?.message ?? \'\')) }))))'))
  const serious = found.filter(({ id, impact }) => ['serious', 'critical'].includes(impact) && !known.has(id))
  t.strictSame(serious, [])
})
