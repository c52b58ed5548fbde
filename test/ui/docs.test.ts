// Tests the API reference page, over HTTP and in a browser, and creates a user with an avatar through it.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import type { Page } from 'playwright-core'
import { hasBrowser, openPage } from '../helpers/browser.ts'
import { contentSecurityPolicy } from '../helpers/content-security-policy.ts'
import { png } from '../helpers/images.ts'
import { startIssuer } from '../helpers/issuer.ts'
import { root } from '../helpers/spawn-program.ts'
import { RawConnection, send } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const skip = !hasBrowser && process.env['CI'] !== 'true' && 'chromium is not installed'

const files = [
  { path: '/docs', type: 'text/html; charset=utf-8' },
  { path: '/docs/', type: 'text/html; charset=utf-8' },
  { path: '/docs/page.css', type: 'text/css; charset=utf-8' },
  { path: '/docs/page.js', type: 'text/javascript; charset=utf-8' },
  { path: '/docs/swagger-ui.css', type: 'text/css; charset=utf-8' },
  { path: '/docs/swagger-ui-bundle.js', type: 'text/javascript; charset=utf-8' },
]

t.test('the files of the page are served to GET and HEAD, with validation by ETag', async t => {
  const service = await startService(t)
  for (const { path, type } of files) {
    await t.test(`${path} is served as ${type}`, async t => {
      const url = service.url + path
      const { status, headers, text } = await send(url, { method: 'GET' })
      t.match({ status, headers }, {
        status: 200,
        headers: {
          'content-type': type,
          'cache-control': 'no-cache',
          'content-length': String(Buffer.byteLength(text)),
          'content-security-policy': contentSecurityPolicy,
          'x-content-type-options': 'nosniff',
          'referrer-policy': 'no-referrer',
          'x-request-id': String,
        },
      })
      const etag = String(headers['etag'])
      t.match(await send(url, { method: 'HEAD' }), {
        status: 200,
        text: '',
        headers: { 'content-type': type, 'content-length': headers['content-length'], etag },
      })
      const notModified = await send(url, { method: 'GET', headers: { 'if-none-match': etag } })
      t.match(notModified, { status: 304, text: '', headers: { etag } })
      t.match(await send(url, { method: 'GET', headers: { 'if-none-match': '"another"' } }), { status: 200 })
      t.match(await send(url, { method: 'POST' }), {
        status: 405,
        headers: { allow: 'GET, HEAD' },
        json: { code: 'method_not_allowed' },
      })
    })
  }
})

t.test('the page has no references to other hosts and no inline styles or scripts', async t => {
  const { url } = await startService(t)
  t.notMatch((await send(`${url}/docs`, { method: 'GET' })).text, /https?:\/\/|style=|<script>/)
})

const unknownPaths = [
  '/docs/none.js',
  '/docs/swagger-ui-bundle.js.map',
  '/docs/index.html',
  '/docs/..%2f..%2fpackage.json',
  '/docs/%2e%2e%2fdocs.ts',
  '/docs/page.js%00.html',
  '/docs//page.js',
  '/docs/..%5cdocs.ts',
]

const unnormalizedPaths = ['/docs/../../package.json', '/docs/../docs.ts', '/docs/./../../../../etc/passwd']

t.test('no path leads to a file that is not part of the page', async t => {
  const { url, port } = await startService(t)
  for (const path of unknownPaths) {
    await t.test(`${path} is not found`, async t => {
      t.match(await send(url + path, { method: 'GET' }), {
        status: 404,
        headers: { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store' },
        json: { code: 'not_found' },
      })
    })
  }
  for (const path of unnormalizedPaths) {
    await t.test(`${path}, sent without normalization, is not found`, async t => {
      const connection = new RawConnection(port)
      connection.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      t.match(await connection.readToEnd(), /^HTTP\/1\.1 404 [^]*"code":"not_found"/)
    })
  }
})

t.test('the plugin of @fastify/swagger-ui is not loaded', async t => {
  const { url } = await startService(t)
  t.equal((await send(`${url}/docs/swagger-ui.css`, { method: 'GET' })).status, 200)
  const loaded = Object.keys(createRequire(import.meta.url).cache)
  t.ok(loaded.some(file => file.includes('/@fastify/swagger/')))
  t.strictSame(loaded.filter(file => /\/@fastify\/(swagger-ui|static)\//.test(file)), [])
})

/** Returns the URLs that are of another host than the service. */
function listForeignUrls (urls: readonly string[], serviceUrl: string): string[] {
  return urls.filter(url => !url.startsWith(`${serviceUrl}/`) && !url.startsWith('data:'))
}

/** Opens the create operation with Swagger UI's "Try it out". */
async function tryOut (page: Page, url: string) {
  await page.goto(`${url}/docs`)
  const operation = page.locator('#operations-directory-create-company-user')
  await operation.getByRole('button', { name: /^POST/ }).click()
  await operation.getByRole('button', { name: 'Try it out' }).click()
  await operation.getByLabel('Request content type').selectOption('multipart/form-data')
  await operation.getByLabel('user[avatar]', { exact: true }).waitFor()
  const field = (name: string) => operation.getByLabel(name, { exact: true })
  const execute = async () => {
    const response = page.waitForResponse(`${url}/companies/**`)
    await operation.getByRole('button', { name: 'Execute' }).click()
    await operation.locator('.live-responses-table').waitFor()
    return (await response).status()
  }
  return { operation, field, execute }
}

t.test('in a browser: the page creates a user with an avatar and sends nothing to other hosts', { skip }, async t => {
  const service = await startService(t)
  const { page, requestedUrls, errors } = await openPage(t)
  const { operation, field, execute } = await tryOut(page, service.url)
  t.equal(await field('company_id').inputValue(), '1234')
  t.equal(await field('user[last_name]').inputValue(), 'Doe', 'the inputs have the values of the examples')
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
  const response = operation.locator('.live-responses-table')
  await response.getByText('201', { exact: true }).waitFor()
  await response.getByText('"Architect"').waitFor()
  await response.getByText('x-request-id: ticket-9').waitFor()

  const { path, headers, body } = service.emulator.apiRequests[0] ?? {}
  t.equal(path, '/rest/v1.3/companies/101/users?run_configurable_validations=false')
  t.match(headers, { 'content-type': /^multipart\/form-data/, 'idempotency-token': String })
  t.ok(body?.includes(avatar), 'the avatar arrives unchanged')
  t.ok(body?.includes('name="user[business_phone_extension]"\r\n\r\n123\r\n'))
  t.notOk(body?.includes('user[vendor_id]') ?? true, 'an emptied input counts as absent')
  t.notOk(body?.includes('user[bid_contact]') ?? true)

  t.equal(await execute(), 201)
  await response.getByText('idempotency-replayed: true').waitFor()
  t.equal(service.emulator.apiRequests.length, 1)

  t.strictSame(errors, [])
  t.ok(requestedUrls.length >= 8)
  t.strictSame(listForeignUrls(requestedUrls, service.url), [])
})

t.test('in a browser: field errors are shown, and a reload forgets the access token', { skip }, async t => {
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
  const reloaded = await tryOut(page, service.url)
  t.equal(await reloaded.execute(), 401)
  t.strictSame(await page.evaluate('[localStorage.length, sessionStorage.length, document.cookie]'), [0, 0, ''])
  t.strictSame(listForeignUrls(requestedUrls, service.url), [])
})

t.test('in a browser: the page fits a narrow screen without horizontal scrolling', { skip }, async t => {
  const service = await startService(t)
  const { page } = await openPage(t)
  await page.setViewportSize({ width: 390, height: 800 })
  const { field, execute } = await tryOut(page, service.url)
  await field('run_configurable_validations').selectOption('false')
  t.equal(await execute(), 201)
  t.ok(await page.evaluate('document.documentElement.scrollWidth <= 390'))
})

t.test('in a browser: neither the URL nor the page lets a user open another document', { skip }, async t => {
  const service = await startService(t)
  const { page, requestedUrls, errors } = await openPage(t)
  const query = 'url=https://example.com/openapi.json&configUrl=https://example.com/config.json'
  await page.goto(`${service.url}/docs?${query}`)
  await page.getByRole('heading', { name: 'Procore backend for frontends' }).waitFor()
  t.equal(await page.locator('.topbar').count(), 0)
  t.strictSame(listForeignUrls(requestedUrls, service.url), [])
  t.strictSame(errors, [])
})

interface AxeViolation {
  id: string
  impact: string
  targets: string[]
}

const axeScript = `axe.run().then(({ violations }) => violations.map(({ id, impact, nodes }) => {
  return { id, impact, targets: nodes.map(({ target, any }) => target + ' ' + (any[0]?.message ?? '')) }
}))`

/** Swagger UI's own markup has controls inside the button that opens an operation. */
const knownViolations = new Set(['nested-interactive'])

t.test('in a browser: axe finds no serious violation except the known one of Swagger UI', { skip }, async t => {
  const service = await startService(t)
  const { page } = await openPage(t)
  await tryOut(page, service.url)
  await page.evaluate(await readFile(join(root, 'node_modules/axe-core/axe.min.js'), 'utf8'))
  const violations = await page.evaluate<AxeViolation[]>(axeScript)
  const isSerious = ({ impact }: AxeViolation) => ['serious', 'critical'].includes(impact)
  t.strictSame(violations.filter(violation => isSerious(violation) && !knownViolations.has(violation.id)), [])
})
