// The demo's page: where it is and where it is not, what it is served with, what it may show, and that no field is missing.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createCompanyUser } from '../../src/endpoints/company-users.ts'
import { startDemo } from '../helpers/demo.ts'
import { root, spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startTestEmulator, startService } from '../helpers/service.ts'

const policy = "default-src 'none';script-src 'self';style-src 'self';img-src data: blob:;connect-src 'self';base-uri 'none';form-action 'none';frame-ancestors 'none'"

t.test('`npm start` does not have it', async t => {
  const emulator = await startTestEmulator(t)
  const url = await spawnProgram(t, 'src/main.ts', serviceEnvironment(emulator)).listening
  for (const path of ['/demo', '/demo/', '/demo/page.css', '/demo/received', '/demo/client/client.ts', '/demo/tools/demo/page/main.ts']) {
    t.match(await send(url + path, { method: 'GET' }), { status: 404, json: { code: 'not_found' } }, path)
  }
  t.match(await send(`${url}/demo/next/nothing`, { method: 'POST' }), { status: 404 })
})

t.test('no module of the service asks for it', async t => {
  const { app } = await startService(t)
  t.notMatch(app.fastify.printRoutes({ commonPrefix: false }), /demo/)
  t.notMatch(await readFile(join(root, 'src/app.ts'), 'utf8') + await readFile(join(root, 'src/server/process.ts'), 'utf8'), /demo/)
})

t.test('its files come from here, under a strict policy, and name nothing else', async t => {
  const emulator = await startTestEmulator(t)
  const url = await spawnProgram(t, 'tools/demo/service.ts', serviceEnvironment(emulator)).listening
  const seen = new Set<string>()
  const follow = async (path: string): Promise<void> => {
    if (seen.has(path)) return
    seen.add(path)
    const { status, headers, text } = await send(url + path, { method: 'GET' })
    t.match({ status, headers }, { status: 200, headers: { 'content-security-policy': policy, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' } }, path)
    t.notMatch(text, /https?:\/\/(?!(?:www\.w3\.org|bff\.example\.com))/, path)
    const named = [...text.matchAll(/(?:href|src)="(\/[^"]+)"|from '(\.[^']+)'/g)].map(([, absolute, relative]) => absolute ?? relative ?? '')
    for (const name of named) await follow(new URL(name, url + path).pathname)
  }
  await follow('/demo')
  t.ok(seen.has('/demo/client/client.ts') && seen.has('/demo/page.css') && seen.has('/demo/tools/demo/page/main.ts'))
})

t.test('it has an input for every field of the create', async t => {
  const { body } = createCompanyUser({ stateCodes: 'iso', permissionTemplateIds: new Set() })
  const html = await readFile(join(root, 'tools/demo/page/page.html'), 'utf8')
  const named = [...html.matchAll(/ name="(\w+)"/g)].map(([, name]) => name).filter(name => name !== 'viewport')
  t.strictSame(named.filter(name => name !== 'color').sort(), [...Object.keys(body?.fields.properties ?? {}), 'avatar'].sort())
})

t.test('what Procore received is told without credentials', async t => {
  const { url } = await startDemo(t)
  await sendJson(`${url}/companies/1234/users`, { user: jane })
  const { text, json } = await send(`${url}/demo/received`, { method: 'GET' })
  t.match(json, [{ method: 'POST', path: '/rest/v1.3/companies/1234/users', status: 201, json: { user: jane } }, { path: '/oauth/token' }])
  t.notMatch(text, /authorization|demo-secret|demo-client|eyJ\./i)
})

t.test('only scenarios that there are can be chosen, and one takes the place of the other', async t => {
  const { url } = await startDemo(t)
  t.match(await send(`${url}/demo/next/none`, { method: 'POST' }), { status: 404, json: { code: 'not_found' } })
  const html = await readFile(join(root, 'tools/demo/page/page.html'), 'utf8')
  for (const [, name] of html.matchAll(/<option value="(\w+)">/g)) t.equal((await send(`${url}/demo/next/${name}`, { method: 'POST' })).status, 204, String(name))
  await send(`${url}/demo/next/email_taken`, { method: 'POST' })
  await send(`${url}/demo/next/nothing`, { method: 'POST' })
  t.equal((await sendJson(`${url}/companies/1234/users`, { user: jane })).status, 201)
})
