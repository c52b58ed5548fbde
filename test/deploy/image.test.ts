// What the Dockerfile's lines do, in a fresh directory, where no Docker engine is at hand: copied files, production dependencies only,
// the start command with nothing between it and the signal, on a file system that is not written to.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { root, spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startTestEmulator } from '../helpers/service.ts'

const exec = promisify(execFile)
const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8')
const lines = dockerfile.replaceAll('\\\n', '').split('\n').filter(line => line !== '' && !line.startsWith('#'))
const after = (start: string) => lines.filter(line => line.startsWith(start)).map(line => line.slice(start.length))

t.test('the base is the pinned Node, and nobody is root', async t => {
  t.strictSame(after('FROM '), [`node:${packageJson.devDependencies.node}-slim`])
  t.strictSame(after('USER '), ['node'])
  t.ok(lines.findIndex(line => line.startsWith('USER')) < lines.findIndex(line => line.startsWith('CMD')))
})

/** Stands for the image's user `node`, whom the machine need not know. */
const nobody = '65534'
const skip = process.getuid?.() !== 0 && process.env['CI'] !== 'true' && 'only root can become somebody else'

t.test('its lines make a service that starts, is healthy and stops on SIGTERM', { timeout: 110_000, skip }, async t => {
  // Others can't read the directory of the tests, perhaps not even the Node that runs them.
  const directory = await mkdtemp(join(tmpdir(), 'image-'))
  t.teardown(() => rm(directory, { recursive: true }))
  await chmod(directory, 0o755)
  const node = join(directory, 'node')
  await cp(process.execPath, node)
  const app = join(directory, 'app')
  for (const copied of after('COPY ')) {
    const [target = '', ...sources] = copied.split(' ').reverse()
    for (const source of sources) {
      await mkdir(join(app, target), { recursive: true })
      await cp(join(root, source), sources.length === 1 ? join(app, target) : join(app, target, source), { recursive: true })
    }
  }
  const [install, compile = ''] = after('RUN ')
  t.match(install, /^npm ci --omit=dev /)
  await exec('npm', ['ci', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: app })
  const modules = await readdir(join(app, 'node_modules'))
  t.strictSame(modules.filter(name => ['tap', 'typescript', 'eslint', 'node'].includes(name)), [])
  await exec('bash', ['-c', compile.replace('-o node', `-o ${nobody}`).replace('--reuid=node', `--reuid=${nobody}`)], { cwd: app, env: { PATH: `${directory}:${process.env['PATH']}` } })

  const contents = async () => (await readdir(app, { recursive: true })).sort()
  const before = await contents()
  const [, file = ''] = JSON.parse(after('CMD ')[0] ?? '[]')
  // Without what the tests put into every process, which would fail to write of it.
  const as = ['env', '--unset=NODE_OPTIONS', '--unset=NODE_COMPILE_CACHE', 'setpriv', `--reuid=${nobody}`, '--clear-groups']
  const [command = '', ...rest] = [...as, node, file]
  const { stderr } = await exec(command, rest, { cwd: app, env: { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' } }).catch(error => error)
  t.match(stderr, /app\.ts was accepted/, 'compiled code is at hand')

  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, file, { ...serviceEnvironment(emulator), NODE_ENV: 'production', HOST: '0.0.0.0' }, app, [...as, node])
  const { port } = new URL(await service.listening)
  t.equal((await sendJson(`http://127.0.0.1:${port}/companies/101/users`, { user: jane })).status, 201)
  t.equal((await send(`http://127.0.0.1:${port}/docs/swagger-ui-bundle.js`, { method: 'GET' })).status, 200)

  const health = JSON.parse(/\["node".+\]/.exec(dockerfile.slice(dockerfile.indexOf('HEALTHCHECK')))?.[0] ?? '[]')
  const [code] = await once(spawn(process.execPath, health.slice(1), { cwd: app, env: { HOST: '0.0.0.0', PORT: port } }), 'exit')
  t.equal(code, 0)
  service.child.kill('SIGTERM')
  t.equal((await service.exit).code, 0)
  t.equal(service.stderr(), '')
  t.strictSame(await contents(), before, 'nothing was written, so a read-only file system will do')
})

t.test('the image starts the very file that npm start does', async t => {
  t.equal(JSON.parse(after('CMD ')[0] ?? '[]').join(' '), packageJson.scripts.start)
})
