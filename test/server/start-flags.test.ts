// V8 flags are on the command line of the service. A flag that is set at run time can crash Node, and V8 prints an
// error at each start once it has removed the flag.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { limits } from '../../src/config/limits.ts'
import { send } from '../helpers/requests.ts'
import { startTestEmulator } from '../helpers/service.ts'
import { getNodeFlags, root, serviceEnvironment, spawnProgram } from '../helpers/spawn-program.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const exec = promisify(execFile)

/** A module that reports every call of `v8.setFlagsFromString` on stderr. */
const reportFlags = `data:text/javascript,${encodeURIComponent(`
  import v8 from 'node:v8'
  import { syncBuiltinESMExports } from 'node:module'
  v8.setFlagsFromString = flag => process.stderr.write('V8 flag set at run time: ' + flag)
  syncBuiltinESMExports()
`)}`

t.test('a start sets no V8 flag at run time and prints nothing on stderr', async t => {
  const emulator = await startTestEmulator(t)
  const commandLine = [process.execPath, '--import', reportFlags]
  const service = spawnProgram(t, 'src/main.js', serviceEnvironment(emulator), root, commandLine)
  await service.listening
  service.child.kill('SIGTERM')
  t.equal((await service.exit).code, 0)
  t.equal(service.stderr(), '')
})

/** A module that reports on stderr whether Node's TypeScript parser (amaro) was loaded. */
const reportParser = `data:text/javascript,${encodeURIComponent(`
  process.on('exit', () => process.stderr.write(String(process.moduleLoadList.some(name => name.includes('amaro')))))
`)}`

t.test('a start whose compiled code is cached does not load the TypeScript parser of Node', async t => {
  const emulator = await startTestEmulator(t)
  const commandLine = [process.execPath, '--import', reportParser]
  let stderr = ''
  // The first start may fill the cache.
  for (let start = 0; start < 2; start++) {
    const service = spawnProgram(t, 'src/main.js', serviceEnvironment(emulator), root, commandLine)
    await service.listening
    service.child.kill('SIGTERM')
    t.equal((await service.exit).code, 0)
    stderr = service.stderr()
  }
  t.equal(stderr, 'false')
})

/** A module that makes Node report another version. */
const reportOldNode = `data:text/javascript,${encodeURIComponent(`
  Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })
`)}`

for (const file of ['src/main.js', 'src/server/require-node.js']) {
  t.test(`${file} exits with one sentence if Node is too old`, async t => {
    const program = spawnProgram(t, file, {}, root, [process.execPath, '--import', reportOldNode])
    t.equal((await program.exit).code, 1)
    t.match(program.stderr(), /^procore-bff needs Node 24 or later, and this is Node 20\.20\.2 [^\n]+\n$/)
  })

  t.test(`${file} loads no TypeScript before the version of Node is checked`, async t => {
    const source = await readFile(join(root, file), 'utf8')
    const specifiers = [...source.matchAll(/^import .*'(.+)'$/gm)].map(([, specifier]) => specifier)
    t.strictSame(specifiers.filter(specifier => specifier?.endsWith('.ts')), [])
    t.equal(specifiers.length, 1)
  })
}

t.test('`npm start` checks the version of Node before it passes flags to it', async t => {
  t.equal(packageJson.scripts.prestart, 'node src/server/require-node.js')
})

t.test('Node knows the flags of `npm start`', async t => {
  const flags = getNodeFlags('src/main.js')
  t.strictSame(flags, ['--disable-sigusr1', '--no-allocation-site-pretenuring', '--expose-gc'])
  const { stderr } = await exec(process.execPath, [...flags, '--eval', ''])
  t.equal(stderr, '')
})

t.test('SIGUSR1 starts no debugger, and the service goes on', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.js', serviceEnvironment(emulator))
  const url = await service.listening
  service.child.kill('SIGUSR1')
  // The process handles signals in the order of their numbers, and USR2 writes a line.
  service.child.kill('SIGUSR2')
  await waitUntil(() => service.lines.some(line => line.includes('log level set to debug')))
  t.equal((await send(`${url}/livez`, { method: 'GET' })).status, 200)
  service.child.kill('SIGTERM')
  t.equal((await service.exit).code, 0)
  t.equal(service.stderr(), '')
})

t.test('streamed bytes cause minor collections if V8 exposes its garbage collector', async t => {
  const script = `
    import { hintMinorGc } from ${JSON.stringify(join(root, 'src/server/gc-hint.ts'))}
    for (let chunk = 0; chunk < 64; chunk++) hintMinorGc(${limits.body.minorGcEveryBytes / 4})
  `
  const countCollections = async (flags: readonly string[]) => {
    const args = [...flags, '--trace-gc', '--input-type=module', '--eval', script]
    const { stdout } = await exec(process.execPath, args)
    return stdout.split('\n').filter(line => line.includes('Scavenge')).length
  }
  const withoutGc = await countCollections([])
  t.ok(await countCollections(['--expose-gc']) >= withoutGc + 8)
})

/** A module that reports on stderr when the young generation has grown, and when it has shrunk again. */
const reportYoungGeneration = `data:text/javascript,${encodeURIComponent(`
  import v8 from 'node:v8'
  const getBytes = () => v8.getHeapSpaceStatistics().find(space => space.space_name === 'new_space').physical_space_size
  let hasGrown = false
  setInterval(() => {
    const bytes = getBytes()
    if (!hasGrown && bytes > 8_000_000) {
      hasGrown = true
      process.stderr.write('grown ')
    } else if (hasGrown && bytes < 4_000_000) {
      process.stderr.write('shrunk ')
      hasGrown = false
    }
  }, 100).unref()
`)}`

t.test('the young generation, which grows at the start, shrinks when the service is idle', async t => {
  const emulator = await startTestEmulator(t)
  const commandLine = [process.execPath, '--import', reportYoungGeneration]
  const service = spawnProgram(t, 'src/main.js', serviceEnvironment(emulator), root, commandLine)
  await service.listening
  await waitUntil(() => service.stderr().includes('shrunk'))
  t.equal(service.stderr(), 'grown shrunk ')
})
