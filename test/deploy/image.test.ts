// Replays the stages of the Dockerfile in a fresh directory, which needs no Docker engine, and runs the results.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { getArguments, parseDockerfile, replayStages } from '../helpers/dockerfile.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startTestEmulator } from '../helpers/service.ts'
import { root, spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'

const exec = promisify(execFile)
const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8')
const stages = parseDockerfile(dockerfile)
const stageNames = stages.map(({ name }) => name)

/** @param keyword of an instruction that has an exec form: `["node", "src/main.js"]` */
function parseCommand (stageName: string, keyword: 'CMD' | 'HEALTHCHECK'): string[] {
  const argument = getArguments(stages, stageName, keyword).at(-1) ?? ''
  const command: unknown = JSON.parse(/\[.*\]$/.exec(argument)?.[0] ?? '[]')
  return Array.isArray(command) ? command.map(String) : []
}

t.test('every stage is built from the pinned Node', async t => {
  const images = stages.map(({ base }) => base).filter(base => !stageNames.includes(base))
  t.equal(images.length, 1)
  const pinned = `node:${packageJson.devDependencies.node}-slim`
  const [name, digest] = images[0]?.split('@') ?? []
  t.equal(name, pinned)
  if (digest !== undefined) t.match(digest, /^sha256:[0-9a-f]{64}$/)
})

t.test('`service` is the last stage, and so the default target', async t => {
  t.equal(stageNames.at(-1), 'service')
})

for (const stageName of ['service', 'emulator']) {
  t.test(`the image of the ${stageName} runs as the user node`, async t => {
    t.strictSame(getArguments(stages, stageName, 'USER'), ['node'])
    const runtime = stages.find(({ name }) => name === 'runtime')
    t.ok(runtime?.instructions.some(({ keyword }) => keyword === 'USER'), 'set in the stage below CMD')
    t.notOk(runtime?.instructions.some(({ keyword }) => keyword === 'CMD'))
  })
}

t.test('the stages of the images have the working directory of the stage that compiles', async t => {
  for (const stageName of ['build', 'service', 'emulator']) {
    t.strictSame(getArguments(stages, stageName, 'WORKDIR'), ['/app'], stageName)
  }
})

t.test('.dockerignore lets in every path that is copied from the build context', async t => {
  const ignore = await readFile(join(root, '.dockerignore'), 'utf8')
  const allowed = ignore.split('\n').filter(line => line.startsWith('!')).map(line => line.slice(1))
  const copies = stages.flatMap(({ instructions }) => instructions)
    .filter(({ keyword, argument }) => keyword === 'COPY' && !argument.startsWith('--from='))
  const sources = copies.flatMap(({ argument }) => argument.split(' ').slice(0, -1))
  t.strictSame([...new Set(sources.map(path => path.split('/')[0]))].sort(), allowed.sort())
})

/** Stands for the user `node` of the image, which this machine need not have. */
const unprivilegedUid = '65534'
const skip = process.getuid?.() !== 0 && process.env['CI'] !== 'true' && 'only root can switch to another user'

t.test('the images of the Dockerfile', { skip }, async t => {
  // The unprivileged user cannot read the directory of the tests, and perhaps not the Node that runs them.
  const directory = await mkdtemp(join(tmpdir(), 'image-'))
  t.teardown(() => rm(directory, { recursive: true }))
  await chmod(directory, 0o755)
  const node = join(directory, 'node')
  await cp(process.execPath, node)

  const runCommands: string[] = []
  const run = async (command: string, app: string) => {
    runCommands.push(command)
    if (command.startsWith('npm ci ')) {
      const [install] = command.split(' && ')
      await exec('bash', ['-c', `${install} --prefer-offline --no-audit --no-fund`], { cwd: app })
      return
    }
    const asUnprivileged = command
      .replace('-o node', `-o ${unprivilegedUid}`)
      .replace('--reuid=node', `--reuid=${unprivilegedUid}`)
    await exec('bash', ['-c', asUnprivileged], { cwd: app, env: { PATH: `${directory}:${process.env['PATH']}` } })
  }
  const directories = await replayStages(stages, { context: root, directory, run })
  const app = directories.get('service') ?? ''
  const emulatorApp = directories.get('emulator') ?? ''

  // Without the variables that tap sets in every process: Node would write coverage and compiled code because of them.
  const unprivileged = [
    'env', '--unset=NODE_OPTIONS', '--unset=NODE_COMPILE_CACHE',
    'setpriv', `--reuid=${unprivilegedUid}`, '--clear-groups', node,
  ]
  const listFiles = async () => (await readdir(app, { recursive: true })).sort()
  const filesBefore = await listFiles()
  const mainFile = parseCommand('service', 'CMD').at(-1) ?? ''

  await t.test('only production dependencies are installed', async t => {
    t.match(runCommands[0], /^npm ci --omit=dev --ignore-scripts /)
    const modules = await readdir(join(app, 'node_modules'))
    t.ok(modules.includes('fastify'))
    t.strictSame(modules.filter(name => ['tap', 'typescript', 'eslint', 'node'].includes(name)), [])
  })

  await t.test('the image of the service contains the sources, the packages and nothing of tools', async t => {
    t.strictSame((await readdir(app)).sort(), ['node_modules', 'openapi', 'package.json', 'src'])
    t.ok((await readdir(join(app, 'node_modules/.cache/compiled'))).length > 0, 'a compile cache')
  })

  await t.test('the image of the emulator adds the emulator only', async t => {
    t.strictSame((await readdir(emulatorApp)).sort(), ['node_modules', 'openapi', 'package.json', 'src', 'tools'])
    t.strictSame(await readdir(join(emulatorApp, 'tools')), ['emulator'])
  })

  await t.test('Node accepts the compiled code', async t => {
    // Without configuration the service exits with an error, after its modules were loaded.
    const service = spawnProgram(t, mainFile, { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' }, app, unprivileged)
    await service.exit
    const stderr = service.stderr()
    t.match(stderr, /app\.ts was accepted/)
    t.notMatch(stderr, /\/app\/src\/\S+ was rejected/)
  })

  await t.test('the service starts, serves, is healthy, stops on SIGTERM and writes no file', async t => {
    const emulator = await startTestEmulator(t)
    const environment = { ...serviceEnvironment(emulator), NODE_ENV: 'production', HOST: '0.0.0.0' }
    const service = spawnProgram(t, mainFile, environment, app, unprivileged)
    const { port } = new URL(await service.listening)
    const url = `http://127.0.0.1:${port}`
    t.equal((await sendJson(`${url}/companies/101/users`, { user: jane })).status, 201)
    t.equal((await send(`${url}/docs/scalar.js`, { method: 'GET' })).status, 200)

    const [, ...healthcheck] = parseCommand('service', 'HEALTHCHECK')
    t.ok(healthcheck.length > 0)
    const check = spawn(process.execPath, healthcheck, { cwd: app, env: { HOST: '0.0.0.0', PORT: port } })
    const exit: readonly unknown[] = await once(check, 'exit')
    t.equal(exit[0], 0)
    service.child.kill('SIGTERM')
    t.equal((await service.exit).code, 0)
    t.equal(service.stderr(), '')
    t.strictSame(await listFiles(), filesBefore, 'a read-only file system is enough')
  })

  await t.test('the emulator starts and stops on SIGTERM', async t => {
    const [, emulatorFile = ''] = parseCommand('emulator', 'CMD')
    const emulator = spawnProgram(t, emulatorFile, { EMULATOR_PORT: '0' }, emulatorApp, unprivileged)
    t.equal((await send(`${await emulator.listening}/__emulator/settings`, { method: 'GET' })).status, 200)
    emulator.child.kill('SIGTERM')
    t.equal((await emulator.exit).code, 0)
  })
})

t.test('the image of the service runs the same command as npm start', async t => {
  t.equal(parseCommand('service', 'CMD').join(' '), packageJson.scripts.start)
})

t.test('the image of the emulator runs the same command as npm run emulator', async t => {
  t.equal(parseCommand('emulator', 'CMD').join(' '), packageJson.scripts.emulator)
})
