// The unit of deploy/systemd is valid, confined, and in step with `npm start` and its environment file.
import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { loadConfig } from '../../src/config/index.ts'
import { root } from '../helpers/spawn-program.ts'

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0
const skip = !hasSystemd && process.env['CI'] !== 'true' && 'systemd-analyze (systemd) is not installed'

const unit = await readFile(join(root, 'deploy/systemd/procore-bff.service'), 'utf8')
const environment = await readFile(join(root, 'deploy/systemd/procore-bff.env'), 'utf8')
const valuesOf = (name: string) => unit.split('\n')
  .filter(line => line.startsWith(`${name}=`)).map(line => line.slice(name.length + 1))

t.test('systemd accepts the unit, and rates its exposure as small', { skip }, async t => {
  const file = join(t.testdir(), 'procore-bff.service')
  // The Node of this machine may be elsewhere.
  await writeFile(file, unit.replace('/usr/bin/node', process.execPath))
  const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' })
  t.strictSame([verified.status, verified.stderr], [0, ''])
  // In tenths: 0 is least exposed, 100 is most.
  const args = ['security', '--offline=true', '--threshold=25', file]
  const rated = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
  t.equal(rated.status, 0, rated.stdout)
})

t.test('the unit starts the command of npm start', async t => {
  t.strictSame(valuesOf('ExecStart'), [`/usr/bin/${packageJson.scripts.start}`])
})

t.test('the service loads the environment file, with the secrets from files', async t => {
  const directory = t.testdir()
  const files = valuesOf('Environment').map(line => line.split('='))
  const credentials = valuesOf('LoadCredential').map(line => line.split(':')[0])
  t.strictSame(files.map(([, path]) => path), credentials.map(name => `%d/${name}`))
  for (const name of credentials) await writeFile(join(directory, name ?? ''), `value of ${name}\n`)
  const secrets = Object.fromEntries(files.map(([name = '', path = '']) => [name, path.replace('%d', directory)]))
  const config = loadConfig({ ...parseEnv(environment), ...secrets })
  t.equal(config.listen.port, 3000)
})

t.test('systemd waits for the whole shutdown', async t => {
  const { DRAIN_DELAY_MS: drain, SHUTDOWN_GRACE_MS: grace } = parseEnv(environment)
  t.strictSame(valuesOf('TimeoutStopSec'), [String((Number(drain) + Number(grace)) / 1000 + 5)])
})
