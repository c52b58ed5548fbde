// Tests the API reference and the page of problems, over HTTP and in a browser.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Page } from 'playwright-core'
import { problemCodes, problemTable } from '../../src/server/problem.ts'
import { hasBrowser, openPage } from '../helpers/browser.ts'
import { contentSecurityPolicy } from '../helpers/content-security-policy.ts'
import { png } from '../helpers/images.ts'
import { startIssuer } from '../helpers/issuer.ts'
import { root } from '../helpers/spawn-program.ts'
import { RawConnection, send } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

// Each test has a service and a page of its own.
t.jobs = 2

const skip = !hasBrowser && process.env['CI'] !== 'true' && 'chromium is not installed'

const files = [
  { path: '/docs', type: 'text/html; charset=utf-8' },
  { path: '/docs/', type: 'text/html; charset=utf-8' },
  { path: '/docs/reference.js', type: 'text/javascript; charset=utf-8' },
  { path: '/docs/scalar.js', type: 'text/javascript; charset=utf-8' },
  { path: '/docs/problems', type: 'text/html; charset=utf-8' },
  { path: '/docs/problems.css', type: 'text/css; charset=utf-8' },
]

/** Scalar needs inline styles and images that it makes itself. */
const referencePolicy = contentSecurityPolicy
  .replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
  .replace('img-src data:', 'img-src data: blob:')

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
          'content-security-policy': path.includes('problems') ? contentSecurityPolicy : referencePolicy,
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

t.test('the pages have no references to other hosts and no inline styles or scripts', async t => {
  const { url } = await startService(t)
  for (const path of ['/docs', '/docs/problems']) {
    t.notMatch((await send(url + path, { method: 'GET' })).text, /https?:\/\/|style=|<script>/, path)
  }
})

t.test('the type of a problem refers to its section of the page of problems', async t => {
  const { url, usersUrl } = await startService(t)
  const { json: { code, type } } = await send(usersUrl, { method: 'DELETE' })
  t.equal(code, 'method_not_allowed')
  const { pathname, hash } = new URL(String(type), usersUrl)
  const { text } = await send(url + pathname, { method: 'GET' })
  t.ok(text.includes(`<section id="${hash.slice(1)}">`))
  for (const code of problemCodes) {
    t.ok(text.includes(`<section id="${code}">\n<h2>${problemTable[code].title}</h2>`), code)
  }
})

const unknownPaths = [
  '/docs/none.js',
  '/docs/scalar.js.map',
  '/docs/index.html',
  '/docs/..%2f..%2fpackage.json',
  '/docs/%2e%2e%2fdocs.ts',
  '/docs/reference.js%00.html',
  '/docs//reference.js',
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

/** Returns the URLs that are of another host than the service. */
function listForeignUrls (urls: readonly string[], serviceUrl: string): string[] {
  return urls.filter(url => !url.startsWith(`${serviceUrl}/`) && !/^(?:data|blob):/.test(url))
}

/** The operation that creates a user by a form. */
const createHash = '#tag/directory/POST/companies/{company_id}/users/multipart'
const createButton = /Test Request.*\/users\/multipart/

/** Opens the request of the operation that creates a user by a form. */
async function openRequest (page: Page, url: string) {
  await page.goto(`${url}/docs${createHash}`)
  await page.getByRole('button', { name: createButton }).click()
  const dialog = page.getByRole('dialog')
  const row = (name: string) => dialog.locator(`[id="${name}"]`)
  const fill = async (name: string, value: string) => {
    await row(name).getByRole('combobox', { name: 'Value' }).fill(value)
    await row(name).getByRole('checkbox').setChecked(true, { force: true })
  }
  const sendRequest = async () => {
    const response = page.waitForResponse(`${url}/companies/**`)
    await dialog.getByRole('button', { name: /^Send/ }).first().click()
    return (await response).status()
  }
  return { dialog, row, fill, sendRequest }
}

t.test('in a browser: the page creates a user with an avatar and sends nothing to other hosts', { skip }, async t => {
  const service = await startService(t)
  const { page, requestedUrls, errors } = await openPage(t)
  await page.setViewportSize({ width: 1440, height: 1600 })
  const { dialog, row, fill, sendRequest } = await openRequest(page, service.url)
  await fill('Idempotency-Key', 'docs-1')
  const avatar = png(30_000)
  const chooser = page.waitForEvent('filechooser')
  await row('user[avatar]').getByRole('button', { name: 'Select File' }).click()
  await (await chooser).setFiles({ name: 'jane.png', mimeType: 'image/png', buffer: avatar })
  await row('user[avatar]').getByTitle('jane.png').waitFor()
  t.equal(await sendRequest(), 201, 'the values of the examples are valid')
  await dialog.getByText('201 Created').waitFor()

  const { path, headers, body } = service.emulator.apiRequests[0] ?? {}
  t.equal(path, '/rest/v1.3/companies/1234/users?run_configurable_validations=false')
  t.match(headers, { 'content-type': /^multipart\/form-data/, 'idempotency-token': String })
  t.ok(body?.includes('name="user[last_name]"\r\n\r\nDoe\r\n'))
  t.ok(body?.includes(avatar), 'the avatar arrives unchanged')

  t.equal(await sendRequest(), 201)
  t.equal(service.emulator.apiRequests.length, 1, 'the second response is a replay')

  t.strictSame(errors, [])
  t.ok(requestedUrls.length >= 5)
  t.strictSame(listForeignUrls(requestedUrls, service.url), [])
})

t.test('in a browser: the access token is sent, and a reload forgets it', { skip }, async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, { env: issuer.env })
  const { page } = await openPage(t)
  await page.setViewportSize({ width: 1440, height: 1600 })
  const { dialog, sendRequest } = await openRequest(page, service.url)
  t.equal(await sendRequest(), 401)
  await dialog.getByRole('button', { name: /Authentication/ }).click()
  const token = await issuer.sign()
  await dialog.getByRole('textbox', { name: /token/i }).fill(token)
  t.equal(await sendRequest(), 201)
  await page.reload()
  const stored = await page.evaluate<string>('JSON.stringify([localStorage, sessionStorage, document.cookie])')
  t.notOk(stored.includes(token))
  t.equal(await (await openRequest(page, service.url)).sendRequest(), 401)
})

t.test('in a browser: neither the URL nor the page lets a user open another document', { skip }, async t => {
  const service = await startService(t)
  const { page, requestedUrls, errors } = await openPage(t)
  await page.setViewportSize({ width: 390, height: 800 })
  const query = ['url', 'spec-url', 'configUrl'].map(name => `${name}=https://example.com/a.json`).join('&')
  await page.goto(`${service.url}/docs?${query}`)
  await page.getByRole('heading', { name: 'Procore backend for frontends' }).waitFor()
  t.strictSame(listForeignUrls(requestedUrls, service.url), [])
  t.strictSame(errors, [])
  t.ok(await page.evaluate('document.documentElement.scrollWidth <= 390'), 'a narrow screen is not scrolled sideways')
})

interface AxeViolation {
  id: string
  impact: string
  targets: string[]
}

const axeScript = `axe.run().then(({ violations }) => violations.map(({ id, impact, nodes }) => {
  return { id, impact, targets: nodes.map(({ target, any }) => target + ' ' + (any[0]?.message ?? '')) }
}))`

const findViolations = async (page: Page): Promise<AxeViolation[]> => {
  await page.evaluate(await readFile(join(root, 'node_modules/axe-core/axe.min.js'), 'utf8'))
  return page.evaluate<AxeViolation[]>(axeScript)
}

/** In Scalar's own markup two regions have the same name. */
const knownViolations = new Set(['landmark-unique'])

for (const colorScheme of ['light', 'dark'] as const) {
  t.test(`in a browser: the pages are accessible in ${colorScheme} mode`, { skip }, async t => {
    const service = await startService(t)
    const { page } = await openPage(t)
    await page.emulateMedia({ colorScheme })
    await page.goto(`${service.url}/docs/problems#avatar_type`)
    t.strictSame(await findViolations(page), [])
    await page.goto(`${service.url}/docs${createHash}`)
    await page.getByRole('button', { name: createButton }).waitFor()
    t.strictSame((await findViolations(page)).filter(({ id }) => !knownViolations.has(id)), [])
  })
}
