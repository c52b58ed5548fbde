// Every command of the documentation that can be run is run, and prints what the page says.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { copyRepository } from '../helpers/copy-repository.ts'
import { pagePaths, readPage } from '../helpers/markdown.ts'
import { sendJson } from '../helpers/requests.ts'
import { root } from '../helpers/spawn-program.ts'

// The soak mostly waits.
t.jobs = 2

const exec = promisify(execFile)

const readme = readPage('README.md')
const [quickStart = '', curlForm = '', tests = ''] = readme.codeBlocks('sh')
const [created = ''] = readme.codeBlocks('json')
const errorsPage = readPage('docs/errors.md')
const [curlInvalid = '', soak = ''] = errorsPage.codeBlocks('sh')
const [invalid = ''] = errorsPage.codeBlocks('json')
const apiPage = readPage('docs/api.md')
const [curlJson = '', curlApiForm = '', curlAvatar = '', curlValidate = '', curlList = ''] = apiPage.codeBlocks('sh')
const [validated = ''] = apiPage.codeBlocks('json')
const importPage = readPage('docs/import.md')
const [curlImport = ''] = importPage.codeBlocks('sh')
const [imported = ''] = importPage.codeBlocks('json')
const [emulator = '', start = ''] = readPage('docs/deployment.md').codeBlocks('sh')
const [openapi = ''] = readPage('docs/adding-an-endpoint.md').codeBlocks('sh')
const [fuzz = ''] = readPage('SECURITY.md').codeBlocks('sh')

// example.test.ts runs the commands of docs/adding-an-endpoint.md.
t.test('the pages have no command that this file does not know', async t => {
  const counts = pagePaths.map(path => [path, readPage(path).codeBlocks('sh').length])
  t.strictSame(Object.fromEntries(counts.filter(([, count]) => count !== 0)), {
    'CONTRIBUTING.md': 1,
    'README.md': 3,
    'SECURITY.md': 1,
    'docs/adding-an-endpoint.md': 4,
    'docs/api.md': 5,
    'docs/deployment.md': 2,
    'docs/errors.md': 2,
    'docs/import.md': 1,
    'docs/observability.md': 1,
    'docs/performance.md': 1,
  })
  t.equal(tests, 'npm test')
  t.strictSame(readPage('docs/performance.md').codeBlocks('sh'), ['npm run bench'])
  // Needs a Docker engine. test/deploy/observe.test.ts checks its files.
  t.strictSame(readPage('docs/observability.md').codeBlocks('sh'), ['docker compose --profile observe up'])
})

t.test('the README has at most 200 lines', async t => {
  t.ok(readme.text.trimEnd().split('\n').length <= 200)
})

t.test('the README names the page that the demo prints, and its pictures exist', async t => {
  t.match(readme.text, 'http://127.0.0.1:3000/demo')
  t.ok((await readFile(join(root, 'tools/demo/index.ts'), 'utf8')).includes('url}/demo\n'))
  for (const [, path = ''] of readme.text.matchAll(/(?:src|srcset)="([\w./-]+)"/g)) {
    t.equal((await readFile(join(root, path))).toString('latin1', 1, 4), 'PNG', path)
  }
})

t.test('every create in pages, banner and /docs has an e-mail address of its own', async t => {
  const examples = await readFile(join(root, 'src/endpoints/company-users.ts'), 'utf8')
  const texts = [
    ...pagePaths.map(path => readPage(path).codeBlocks('sh').join('\n')),
    await readFile(join(root, 'tools/demo/index.ts'), 'utf8'),
    // The description repeats its example in several operations.
    ...new Set(examples.match(/[\w.]+@example\.com/g)),
  ]
  const addresses = texts.flatMap(text => text.match(/[\w.]+@example\.com/g) ?? [])
  t.ok(addresses.length >= 6)
  t.strictSame(addresses.filter((address, index) => addresses.indexOf(address) !== index), [])
})

interface Program { child: ChildProcess, url: Promise<string> }

/** Runs a command in a shell with a process group of its own, so that all its processes can be ended. */
function shell (command: string, cwd: string, env: Record<string, string>): Program {
  const child = spawn('bash', ['-c', command], {
    cwd, detached: true, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { promise: url, resolve, reject } = Promise.withResolvers<string>()
  createInterface({ input: child.stdout }).on('line', line => {
    const listening = /"msg":"listening".*"url":"([^"]+)"|"url":"([^"]+)".*"msg":"listening"/.exec(line)
    if (listening !== null) resolve(listening[1] ?? listening[2] ?? '')
  })
  child.once('exit', code => reject(new Error(`exited with ${code}`)))
  t.teardown(() => end(child))
  return { child, url }
}

async function end (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  process.kill(-child.pid, 'SIGTERM')
  await once(child, 'exit')
}

/** Replaces what differs from run to run. */
const normalize = (text: string) => text
  .replace(/\d{4}-\d\d-\d\dT[\d:]+Z/g, 'TIME')
  .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID')
  .replace(/127\.0\.0\.1:\d+/g, 'HOST')
  .trim()

t.test('on a clean clone, `npm run demo` serves every curl line of the pages', async t => {
  const clone = t.testdir()
  await copyRepository(clone, file => !file.startsWith('test/'))
  // npm checks that the lock file fits. The packages are links to those of this run, because unpacking them once more
  // takes half a minute. Their caches are left out, because other tests are writing them.
  const packages = `find '${join(root, 'node_modules')}' -mindepth 1 -maxdepth 1 ! -name .cache`
  const link = `mkdir node_modules && ${packages} -exec cp -al -t node_modules {} +`
  const install = `npm ci --dry-run --loglevel=error && ${link}`
  const { child, url } = shell(quickStart.replace('npm ci', install), clone, { PORT: '0' })
  const service = await url
  const curl = async (command: string) => {
    const { stdout } = await exec('bash', ['-c', command.replace('http://127.0.0.1:3000', service)], { cwd: root })
    return normalize(stdout)
  }
  await t.test('README: a form creates a user', async t => t.equal(await curl(curlForm), normalize(created)))
  await t.test('errors: an invalid body is a problem', async t => t.equal(await curl(curlInvalid), normalize(invalid)))
  await t.test('api: JSON creates a user', async t => t.match(await curl(curlJson), /"email_address":"jane\.json@/))
  await t.test('api: a form creates a user', async t => {
    t.match(await curl(curlApiForm), /"email_address":"jane\.form@/)
  })
  await t.test('api: an avatar is fetched', async t => {
    const directory = t.testdir()
    await exec('bash', ['-c', curlAvatar.replace('http://127.0.0.1:3000', service)], { cwd: directory })
    t.equal((await readFile(join(directory, 'avatar'))).toString('latin1', 1, 4), 'PNG')
  })
  await t.test('api: a body is validated', async t => t.equal(await curl(curlValidate), normalize(validated)))
  await t.test('import: each row of a file has a line', async t => {
    const ids = /"id":\d+/g
    t.equal((await curl(curlImport)).replaceAll(ids, ''), normalize(imported).replaceAll(ids, ''))
  })
  await t.test('api: users are listed', async t => t.match(await curl(curlList), /^\[\{.*\}\]$/))
  await end(child)
  await t.test('adding an endpoint: the OpenAPI documents are up to date', async t => {
    await exec('bash', ['-c', openapi], { cwd: clone })
    for (const file of ['openapi/openapi.yaml', 'openapi/client.yaml', 'openapi/postman.json', 'client/openapi.ts']) {
      t.ok((await readFile(join(clone, file))).equals(await readFile(join(root, file))), file)
    }
  })
})

t.test('the emulator and `npm start` work together as docs/deployment.md says', async t => {
  const upstream = await shell(emulator, root, { EMULATOR_PORT: '0' }).url
  const service = shell(start.replaceAll('http://127.0.0.1:4010', upstream), root, { PORT: '0' })
  const user = { last_name: 'Doe', email_address: 'jane@example.com' }
  t.equal((await sendJson(`${await service.url}/companies/1234/users`, { user })).status, 201)
})

t.test('the soak finds no lost, double or misreported create', async t => {
  // One batch of creates is sent in any case, and has faults of every kind.
  const env = { ...process.env, SOAK_SECONDS: '1', SOAK_SEED: '1', SOAK_CONNECTIONS: '100' }
  const { stdout } = await exec('bash', ['-c', soak], { cwd: root, env })
  t.match(stdout, /[1-9]\d* creates, [1-9]\d* users in Procore, 0 contradictions/)
  t.match(stdout, /201 {2}recovered/)
})

t.test('the fuzzer has no findings', async t => {
  const { stdout } = await exec('bash', ['-c', fuzz], {
    cwd: root, env: { ...process.env, FUZZ_COUNT: '2000', FUZZ_SEED: '1' },
  })
  t.match(stdout, /^0 findings/m)
})
