// Checks the routes of the demo page: only the demo has them, their headers, and that no credential is shown.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createCompanyUser } from '../../src/endpoints/company-users.ts'
import { openDemo, skip, startDemo } from '../helpers/demo.ts'
import { root, spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startTestEmulator, startService } from '../helpers/service.ts'

const contentSecurityPolicy = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", 'img-src data: blob:', "connect-src 'self'",
  "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
].join(';')

t.test('`npm start` does not serve the demo page', async t => {
  const emulator = await startTestEmulator(t)
  const url = await spawnProgram(t, 'src/main.js', serviceEnvironment(emulator)).listening
  const paths = [
    '/demo', '/demo/', '/demo/page.css', '/demo/received', '/demo/client/client.ts', '/demo/tools/demo/page/main.ts',
    '/client.js', '/import', '/demo/import.css', '/demo/sample.csv', '/demo/csv-parse.js',
    '/demo/tools/demo/import/main.ts',
  ]
  for (const path of paths) {
    await t.test(`GET ${path}`, async t => {
      t.match(await send(url + path, { method: 'GET' }), { status: 404, json: { code: 'not_found' } })
    })
  }
  await t.test('POST /demo/next/nothing', async t => {
    t.match(await send(`${url}/demo/next/nothing`, { method: 'POST' }), { status: 404 })
  })
})

t.test('the service has no route of the demo and does not mention it', async t => {
  const { app } = await startService(t)
  t.notMatch(app.fastify.printRoutes({ commonPrefix: false }), /demo/)
  for (const file of ['src/app.ts', 'src/server/process.ts', 'src/config/limits.ts']) {
    t.notMatch(await readFile(join(root, file), 'utf8'), /demo/, file)
  }
})

t.test('the files of the page have a strict Content-Security-Policy and reference no other host', async t => {
  const emulator = await startTestEmulator(t)
  const url = await spawnProgram(t, 'tools/demo/service.ts', serviceEnvironment(emulator)).listening
  const seen = new Set<string>()
  const follow = async (path: string): Promise<void> => {
    if (seen.has(path)) return
    seen.add(path)
    const { status, headers, text } = await send(url + path, { method: 'GET' })
    t.equal(status, 200, path)
    t.match(headers, {
      'content-security-policy': contentSecurityPolicy,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    }, path)
    t.notMatch(text, /https?:\/\/(?!(?:www\.w3\.org|bff\.example\.com))/, path)
    const references = [...text.matchAll(/(?:href|src)="(\/[^"]+)"|from '(\.[^']+)'/g)]
      .map(([, absolute, relative]) => absolute ?? relative ?? '')
    for (const name of references) {
      const { pathname } = new URL(name, url + path)
      // The header links to other pages, which have tests of their own.
      if (pathname.startsWith('/demo')) await follow(pathname)
    }
  }
  for (const path of ['/demo', '/import']) await follow(path)
  const modules = ['/demo/client/client.ts', '/demo/tools/demo/page/main.ts', '/demo/tools/demo/import/main.ts']
  for (const path of [...modules, '/demo/page.css', '/demo/import.css', '/demo/sample.csv']) {
    t.ok(seen.has(path), path)
  }
})

t.test('a page that imports /client.js creates a user, and has the conversion of images', { skip }, async t => {
  const { page, errors } = await openDemo(t)
  const result = await page.evaluate(`import('/client.js').then(async ({ createClient, toJpeg }) => {
    const user = { last_name: 'Doe', email_address: 'jane@example.com' }
    const { status } = await createClient({ baseUrl: '' }).createUser(1234, user)
    return { status, toJpeg: typeof toJpeg }
  })`)
  t.strictSame(result, { status: 201, toJpeg: 'function' })
  t.strictSame(errors, [])
})

t.test('the form has an input for every field of a create', async t => {
  const { body } = createCompanyUser({ stateCodes: 'iso', permissionTemplateIds: new Set() })
  const html = await readFile(join(root, 'tools/demo/page/page.html'), 'utf8')
  const names = [...html.matchAll(/ name="(\w+)"/g)].map(([, name]) => name).filter(name => name !== 'viewport')
  t.strictSame(names.sort(), [...Object.keys(body?.fields.properties ?? {}), 'avatar'].sort())
})

t.test('the received requests contain no credentials', async t => {
  const { url } = await startDemo(t)
  await sendJson(`${url}/companies/1234/users`, { user: jane })
  const { text, json } = await send(`${url}/demo/received`, { method: 'GET' })
  t.match(json, [
    { method: 'POST', path: '/rest/v1.3/companies/1234/users', status: 201, json: { user: jane } },
    { path: '/oauth/token' },
  ])
  t.notMatch(text, /authorization|demo-secret|demo-client|eyJ\./i)
})

t.test('only existing scenarios are accepted, and a new one replaces the last', async t => {
  const { url } = await startDemo(t)
  t.match(await send(`${url}/demo/next/none`, { method: 'POST' }), { status: 404, json: { code: 'not_found' } })
  const pages = await Promise.all(['page', 'import'].map(folder => {
    return readFile(join(root, `tools/demo/${folder}/page.html`), 'utf8')
  }))
  const [select = '', otherSelect = ''] = pages.map(html => /<select id="scenario"[^]*?<\/select>/.exec(html)?.[0])
  const names = [...(select + otherSelect).matchAll(/<option value="(\w+)">/g)].map(([, name = '']) => name)
  t.equal(names.length, 12)
  for (const name of names) {
    t.equal((await send(`${url}/demo/next/${name}`, { method: 'POST' })).status, 204, name)
  }
  await send(`${url}/demo/next/email_taken`, { method: 'POST' })
  await send(`${url}/demo/next/nothing`, { method: 'POST' })
  t.equal((await sendJson(`${url}/companies/1234/users`, { user: jane })).status, 201)
})
