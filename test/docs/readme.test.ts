// The README: every command in it that can be run is run, what it says to be printed is printed, and its tables are what the code says.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { createEndpoints } from '../../src/endpoints/index.ts'
import { EnvSchema, secretFileVariables } from '../../src/config/env-schema.ts'
import { limits } from '../../src/config/limits.ts'
import { problemCodes, problemTable } from '../../src/server/problem.ts'
import { root } from '../helpers/spawn-program.ts'
import { codeBlocks, readme, tableRows } from '../helpers/readme.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, janeParts, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const exec = promisify(execFile)

// By itself a file has half a minute, in which `npm ci` alone may not end.
t.setTimeout(110_000)

const [demo = '', tests = '', curlForm = '', curlJson = '', soak = '', emulator = '', start = '', fuzz = '', , openapi = ''] = codeBlocks('sh')
const [created = '', refused = ''] = codeBlocks('json')

t.test('all of its commands are known here', async t => {
  t.equal(codeBlocks('sh').length, 10)
  t.equal(tests, 'npm ci && npm test', 'which is running now')
})

t.test('the page it names is the one that the demo prints, and both of its pictures are there', async t => {
  t.match(readme, 'http://127.0.0.1:3000/demo')
  t.ok((await readFile(join(root, 'tools/demo/index.ts'), 'utf8')).includes('url}/demo\n'))
  for (const [, path = ''] of readme.matchAll(/(?:src|srcset)="([\w./-]+)"/g)) t.equal((await readFile(join(root, path))).toString('latin1', 1, 4), 'PNG', path)
})

/** A command of the README in a shell of its own group, so that all of it can be ended. */
function shell (command: string, cwd: string, env: Record<string, string>): { child: ChildProcess, url: Promise<string> } {
  const child = spawn('bash', ['-c', command], { cwd, detached: true, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  const { promise: url, resolve, reject } = Promise.withResolvers<string>()
  createInterface({ input: child.stdout }).on('line', line => {
    if (line.includes('"msg":"listening"')) resolve(JSON.parse(line).url)
  })
  child.once('exit', code => reject(new Error(`ended with ${code}`)))
  t.teardown(() => end(child))
  return { child, url }
}

async function end (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  process.kill(-child.pid, 'SIGTERM')
  await once(child, 'exit')
}

/** Only what happens to differ from run to run is evened out. */
const even = (text: string) => text.replace(/\d{4}-\d\d-\d\dT[\d:]+Z/g, 'TIME').replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID').replace(/127\.0\.0\.1:\d+/g, 'HOST').trim()

t.test('on a clean clone, the first command serves the curl lines as they are printed, and the last one leaves the document as it is', { timeout: 110_000 }, async t => {
  const { stdout } = await exec('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  const clone = t.testdir()
  for (const file of stdout.split('\0').filter(file => file !== '' && !file.startsWith('test/'))) {
    await mkdir(join(clone, dirname(file)), { recursive: true })
    await cp(join(root, file), join(clone, file))
  }
  const { child, url } = shell(demo.replace('npm ci', 'npm ci --prefer-offline --no-audit --no-fund'), clone, { PORT: '0' })
  const service = await url
  const curl = async (command: string) => even((await exec('bash', ['-c', command.replace('http://127.0.0.1:3000', service)], { cwd: root })).stdout)
  t.equal(await curl(curlForm), even(created))
  t.equal(await curl(curlJson), even(refused))
  await end(child)
  await exec('bash', ['-c', openapi], { cwd: clone })
  t.ok((await readFile(join(clone, 'openapi/openapi.yaml'))).equals(await readFile(join(root, 'openapi/openapi.yaml'))))
})

t.test('the demo taken apart, and started by npm', async t => {
  const upstream = await shell(emulator, root, { EMULATOR_PORT: '0' }).url
  const service = shell(start.replaceAll('http://127.0.0.1:4010', upstream), root, { PORT: '0' })
  t.equal((await sendJson(`${await service.url}/companies/1234/users`, { user: { last_name: 'Doe', email_address: 'jane@example.com' } })).status, 201)
  t.equal(emulator, 'npm run emulator')
})

t.test('the soak, for some seconds: nothing lost, nothing double, no untrue answer', { timeout: 110_000 }, async t => {
  const { stdout } = await exec('bash', ['-c', soak], { cwd: root, env: { ...process.env, SOAK_SECONDS: '5', SOAK_SEED: '1' } })
  t.match(stdout, /[1-9]\d* creates, [1-9]\d* users held by Procore, 0 untrue answers/)
  t.match(stdout, /201 {2}recovered/)
})

t.test('the fuzzing, for some seconds', { timeout: 110_000 }, async t => {
  const { stdout } = await exec('bash', ['-c', fuzz], { cwd: root, env: { ...process.env, FUZZ_COUNT: '2000', FUZZ_SEED: '1' } })
  t.match(stdout, /^0 findings/m)
})

t.test('the number of companies that metrics show is the one that there is', async t => {
  t.match(readme, `the ${limits.rateLimit.companiesShown} companies with the least left`)
})

t.test('the endpoint of the worked example works as it stands', async t => {
  const example = codeBlocks('ts').find(block => block.startsWith('// src/endpoints/')) ?? ''
  const file = join(t.testdir(), 'trades.ts')
  await writeFile(file, example.replaceAll('from \'./', `from '${pathToFileURL(join(root, 'src/endpoints'))}/`).replace('\'@sinclair/typebox\'', `'${import.meta.resolve('@sinclair/typebox')}'`))
  t.ok(example.split('\n').length <= 30)
  const { createTrade } = await import(pathToFileURL(file).href)
  const { url, emulator } = await startService(t, { endpoints: [createTrade] })
  emulator.faults.add({ kind: 'status', status: 201, body: '{"id":7}' })
  t.match(await sendJson(`${url}/companies/101/trades`, { trade: { name: 'Masonry', active: true } }), { status: 201, text: '{"id":7}' })
  t.match(emulator.apiRequests[0], { path: '/rest/v1.0/companies/101/trades' })
  t.equal(emulator.apiRequests[0]?.body.toString(), '{"trade":{"name":"Masonry","active":true}}')
  t.match((await sendJson(`${url}/companies/101/trades`, { trade: { colour: 'red' } })).json, { errors: [{ pointer: '/trade/name' }, { pointer: '/trade/colour' }] })
  const document = (await send(`${url}/openapi.json`, { method: 'GET' })).json
  t.ok(Object.hasOwn(Object(document['paths']), '/companies/{company_id}/trades'))
})

t.test('the table of endpoints has every one of them', async t => {
  const described = createEndpoints({ stateCodes: 'iso', permissionTemplateIds: new Set() })
  t.strictSame(tableRows('operation').map(cells => cells.join(' ')), described.map(({ name, method, path, procorePath }) => `${name} ${method} ${path} ${procorePath ?? '-'}`))
})

t.test('the configuration table has every variable with its default', async t => {
  const rows = tableRows('variable')
  t.strictSame(rows.map(([name]) => name), Object.keys(EnvSchema.properties))
  const required = new Set<string>(EnvSchema.required)
  for (const [name = '', value = ''] of rows) {
    const fallback: unknown = Object.entries(EnvSchema.properties).find(([key]) => key === name)?.[1]['default']
    t.equal(value.replace(/^empty.*$/, ''), fallback === undefined && required.has(name) ? 'required' : String(fallback), name)
  }
  for (const name of secretFileVariables) t.ok(readme.includes(`\`${name}_FILE\``), name)
})

t.test('the error table has every code with its status', async t => {
  const rows = tableRows('status').map(([status, code]) => `${status} ${code}`)
  t.strictSame(rows, problemCodes.map(code => `${code === 'procore_rejected' ? 'theirs' : problemTable[code].status} ${code}`))
})

t.test('the table of log fields has every field that a line has', async t => {
  const named = new Set(tableRows('field').flatMap(([names = '']) => names.split(', ')))
  const service = await startService(t, { env: { LOG_LEVEL: 'info' } })
  const avatar = { name: 'user[avatar]', filename: 'a.png', data: png(500_000) }
  service.emulator.faults.add({ kind: 'reset-after-body' })
  await sendMultipart(service.usersUrl, multipartBody([...janeParts, avatar]), { 'idempotency-key': 'a', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' })
  await sendMultipart(service.usersUrl, multipartBody([...janeParts, avatar]), { 'idempotency-key': 'a' })
  await sendJson(service.usersUrl, { user: { last_name: 'Doe', email_address: 'b@example.com' } })
  await sendJson(service.usersUrl, { user: {} })
  await send(`${service.url}/companies/101/trades`, { method: 'GET' })
  const requests = service.lines.filter(({ msg }) => msg === 'request')
  const seen = new Set(requests.flatMap(line => Object.keys(line)))
  t.strictSame([...seen].filter(name => !named.has(name)), [])
  const waited: ReadonlySet<string> = new Set(['waitMs'])
  t.strictSame([...named].filter(name => !seen.has(name) && !waited.has(name)), [])
})

t.test('every production dependency has its reason, and no other is named', async t => {
  const named = tableRows('package').flatMap(([names = '']) => names.split(', ')).sort()
  t.strictSame(named, Object.keys(packageJson.dependencies).sort())
})

t.test('the files and rooms it speaks of are there', async t => {
  for (const [, path = ''] of readme.matchAll(/\]\(([\w./-]+)\)/g)) t.resolves(exec('test', ['-e', join(root, path)]), path)
  const rooms = [...(codeBlocks('').find(block => block.startsWith('src/')) ?? '').matchAll(/^ {2}(\w+)\/ /gm)].map(match => match[1] ?? '')
  const directories = (await readdir(join(root, 'src'), { withFileTypes: true })).filter(entry => entry.isDirectory()).map(({ name }) => name)
  t.strictSame(rooms.sort(), directories.sort())
})
