// The tables of the documentation agree with the code.
import { existsSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import packageJson from '../../package.json' with { type: 'json' }
import { EnvSchema, renamedVariables, secretFileVariables } from '../../src/config/env-schema.ts'
import { limits } from '../../src/config/limits.ts'
import * as fields from '../../src/endpoints/fields.ts'
import { createEndpoints } from '../../src/endpoints/index.ts'
import { problemCodes, problemTable } from '../../src/server/problem.ts'
import { outcomeMeanings, problemMeanings } from '../../src/ui/docs/problem-meanings.ts'
import { png } from '../helpers/images.ts'
import { csvOf, sendImport } from '../helpers/imports.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { readPage } from '../helpers/markdown.ts'
import { parseFamilies } from '../helpers/prometheus-samples.ts'
import { janeParts, multipartBody, send, sendJson, sendMultipart } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { root } from '../helpers/spawn-program.ts'
import { readSources } from '../repository/source-files.ts'

t.test('docs/api.md lists every endpoint', async t => {
  const endpoints = createEndpoints({ stateCodes: 'iso', permissionTemplateIds: new Set() })
  t.strictSame(
    readPage('docs/api.md').tableRows('operation'),
    endpoints.map(({ name, method, path, procorePath = '-', summary }) => {
      return [name, `${method} ${path}`, procorePath, summary]
    })
  )
})

t.test('docs/adding-an-endpoint.md names every member of a description and of its body', async t => {
  const page = readPage('docs/adding-an-endpoint.md')
  const namesOf = (heading: string) => page.tableRows(heading).flatMap(([names = '']) => names.split(', '))
  const endpointTypes = ['EndpointBase', 'Effect', 'Endpoint', 'LocalEndpoint', 'ImportEffect']
  t.strictSame(namesOf('member').sort(), membersOf(endpointTypes))
  t.strictSame(namesOf('member of `body`').sort(), membersOf(['RecordDescription', 'RecordBody', 'RecordListBody']))
  for (const name of membersOf(['SuccessResponse'])) t.ok(page.text.includes(`\`${name}\``), name)
})

/** Returns the members of types of src/endpoints/endpoint.ts, without those that only exclude a member. */
function membersOf (typeNames: readonly string[]): string[] {
  const nodes = readSources('src/endpoints/endpoint.ts').flatMap(source => source.nodes)
  const types = nodes.filter(node => ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node))
  const names = new Set<string>()
  const collect = (node: ts.Node): void => {
    if (!ts.isPropertySignature(node)) ts.forEachChild(node, collect)
    else if (node.type?.kind !== ts.SyntaxKind.NeverKeyword) names.add(node.name.getText())
  }
  for (const type of types.filter(({ name }) => typeNames.includes(name.text))) collect(type)
  return [...names].sort()
}

t.test('docs/adding-an-endpoint.md names every helper that creates fields', async t => {
  const { text } = readPage('docs/adding-an-endpoint.md')
  const helpers = Object.entries(fields)
    .filter(([name, value]) => !['string', 'number'].includes(typeof value) && name !== 'isDateTime')
  t.ok(helpers.length > 15)
  for (const [name] of helpers) t.ok(text.includes(`\`${name}\``), name)
})

t.test('docs/configuration.md lists every variable with its default', async t => {
  const page = readPage('docs/configuration.md')
  const rows = page.tableRows('variable')
  t.strictSame(rows.map(([name]) => name), Object.keys(EnvSchema.properties))
  const required = new Set<string>(EnvSchema.required)
  for (const [name = '', value = ''] of rows) {
    const schema = Object.entries(EnvSchema.properties).find(([key]) => key === name)?.[1]
    const fallback: unknown = schema?.['default']
    const expected = fallback === undefined && required.has(name) ? 'required' : String(fallback)
    t.equal(value.replace(/^empty.*$/, ''), expected, name)
  }
  for (const name of secretFileVariables) t.ok(page.text.includes(`\`${name}_FILE\``), name)
})

t.test('docs/configuration.md lists every renamed variable with its new name', async t => {
  const rows = readPage('docs/configuration.md').tableRows('old name')
  t.strictSame(Object.fromEntries(rows.map(([oldName = '', newName]) => [oldName, newName])), renamedVariables)
})

t.test('.env.example lists every variable', async t => {
  const text = readFileSync(join(root, '.env.example'), 'utf8')
  const names = [...text.matchAll(/^#? ?([A-Z][A-Z0-9_]+)=/gm)].map(([, name = '']) => name)
  t.strictSame(Object.keys(EnvSchema.properties).filter(name => !names.includes(name)), [])
})

t.test('docs/errors.md says of every problem code and outcome what /docs/problems says', async t => {
  const { text } = readPage('docs/errors.md')
  for (const code of problemCodes) {
    const status = code === 'procore_rejected' ? 'theirs' : problemTable[code].status
    t.ok(text.includes(`| ${status} | \`${code}\` | ${problemMeanings[code]} |\n`), code)
  }
  t.equal(readPage('docs/errors.md').tableRows('status').length, problemCodes.length)
  for (const [outcome, { meaning, remedy }] of Object.entries(outcomeMeanings)) {
    t.ok(text.includes(`| \`${outcome}\` | ${meaning} | ${remedy} |\n`), outcome)
  }
})

t.test('docs/observability.md lists every field of an access log line', async t => {
  const rows = readPage('docs/observability.md').tableRows('field')
  const named = new Set(rows.flatMap(([names = '']) => names.split(', ')))
  const issuer = await startIssuer(t)
  const service = await startService(t, { env: { ...issuer.env, LOG_LEVEL: 'info' } })
  const bearer = bearerHeader(await issuer.sign())
  const avatar = { name: 'user[avatar]', filename: 'a.png', data: png(500_000) }
  service.emulator.faults.add({ kind: 'reset-after-body' })
  const form = multipartBody([...janeParts, avatar])
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const { json: user } = await sendMultipart(service.usersUrl, form, { ...bearer, 'idempotency-key': 'a', traceparent })
  await send(`${service.usersUrl}/${String(user['id'])}/avatar`, { method: 'GET', headers: bearer })
  await sendMultipart(service.usersUrl, form, { ...bearer, 'idempotency-key': 'a' })
  await sendJson(service.usersUrl, { user: { last_name: 'Doe', email_address: 'b@example.com' } }, bearer)
  await sendJson(service.usersUrl, { user: {} }, bearer)
  await sendImport(`${service.usersUrl}/import`, csvOf(1), bearer)
  await send(`${service.url}/companies/101/trades`, { method: 'GET', headers: bearer })
  await sendJson(service.usersUrl, {})
  const requests = service.lines.filter(({ msg }) => msg === 'request')
  const seen = new Set(requests.flatMap(line => Object.keys(line)))
  t.strictSame([...seen].filter(name => !named.has(name)), [], 'fields that the page does not list')
  const rare = ['rateLimitWaitMs', 'omittedCount']
  t.strictSame([...named].filter(name => !seen.has(name) && !rare.includes(name)), [], 'fields that no line has')
})

t.test('docs/observability.md lists every metric of the service with its type', async t => {
  const { url } = await startService(t)
  const families = parseFamilies((await send(`${url}/metrics`, { method: 'GET' })).text)
  const own = [...families].filter(([name]) => name.startsWith('procore_bff_'))
  const listed = readPage('docs/observability.md').tableRows('metric').flatMap(([names = '', type = '']) =>
    names.split(', ').map(name => [name, type] as const))
  const withoutRedis = listed.filter(([name]) => !name.startsWith('procore_bff_redis_'))
  t.strictSame(withoutRedis.sort(), own.sort())
})

t.test('docs/observability.md says how many companies the metrics show', async t => {
  t.match(readPage('docs/observability.md').text, `the ${limits.rateLimit.companiesShown} companies`)
})

t.test('docs/architecture.md gives the purpose of every production dependency and of no other', async t => {
  const named = readPage('docs/architecture.md').tableRows('package').flatMap(([names = '']) => names.split(', '))
  t.strictSame(named.sort(), Object.keys(packageJson.dependencies).sort())
})

t.test('docs/architecture.md lists the folders of src', async t => {
  const tree = readPage('docs/architecture.md').codeBlocks('').find(block => block.startsWith('src/')) ?? ''
  const named = [...tree.matchAll(/^ {2}(\w+)\/ /gm)].map(([, name = '']) => name)
  const entries = await readdir(join(root, 'src'), { withFileTypes: true })
  t.strictSame(named.sort(), entries.filter(entry => entry.isDirectory()).map(({ name }) => name).sort())
})

t.test('the README names every folder of src, and only files that its folders have', async t => {
  const rows = readPage('README.md').tableRows('folder')
  const entries = await readdir(join(root, 'src'), { withFileTypes: true })
  const folders = entries.filter(entry => entry.isDirectory()).map(({ name }) => `src/${name}/`)
  t.strictSame(folders.filter(folder => !rows.some(([named]) => named === folder)), [])
  for (const [folder = '', , files = ''] of rows) {
    for (const [file] of files.matchAll(/[\w/-]+\.[jt]s\b/g)) {
      t.ok(existsSync(join(root, folder, file)), join(folder, file))
    }
  }
})
