// A module that is loaded before it is needed costs memory and delays the start.
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { startTestEmulator } from '../helpers/service.ts'
import { root, serviceEnvironment, spawnProgram } from '../helpers/spawn-program.ts'
import { waitUntil } from '../helpers/wait-until.ts'

/** A module that reports on stderr each file that is loaded, each use of the locale, and Node's copy of undici. */
const reportLoads = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  const report = text => process.stderr.write(text + '\\n')
  registerHooks({
    load (url, context, nextLoad) {
      report(url)
      return nextLoad(url, context)
    },
  })
  for (const [owner, name] of [
    [Intl, 'Collator'], [Intl, 'DateTimeFormat'], [Intl, 'NumberFormat'],
    [Number.prototype, 'toLocaleString'], [Date.prototype, 'toLocaleString'], [String.prototype, 'localeCompare'],
  ]) {
    const original = owner[name]
    owner[name] = function (...args) {
      report('locale: ' + name)
      return new.target ? Reflect.construct(original, args) : Reflect.apply(original, this, args)
    }
  }
  const ownUndici = 'NativeModule internal/deps/undici/undici'
  process.on('exit', () => report('undici of Node: ' + process.moduleLoadList.includes(ownUndici)))
`)}`

t.test('a start loads no module that only other settings or rare requests need', async t => {
  const emulator = await startTestEmulator(t)
  const commandLine = [process.execPath, '--import', reportLoads]
  const service = spawnProgram(t, 'src/main.js', serviceEnvironment(emulator), root, commandLine)
  const url = await service.listening
  // The access token has then been fetched.
  await waitUntil(async () => (await fetch(`${url}/readyz`)).ok)
  service.child.kill('SIGTERM')
  t.equal((await service.exit).code, 0)
  const loads = service.stderr()

  t.strictSame(Object.keys(packageJson.dependencies).filter(name => !loads.includes(`/node_modules/${name}/`)), [
    '@fastify/type-provider-typebox',
    '@opentelemetry/exporter-trace-otlp-proto',
    '@opentelemetry/resources',
    '@opentelemetry/sdk-trace',
    '@scalar/fastify-api-reference',
    'ioredis',
  ])
  t.match(loads, 'undici of Node: false')
  t.notMatch(loads, 'locale: ', 'the data of locales has 9 MB')
})
