// docker-compose.yml starts what its files and the Dockerfile describe. No Docker engine runs here.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Type, type TObject, type TProperties } from '@sinclair/typebox'
import t from 'tap'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/index.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { parseDockerfile } from '../helpers/dockerfile.ts'
import { root } from '../helpers/spawn-program.ts'

/** An object of the Compose specification: a name that is not listed is a mistake. */
const strict = <T extends TProperties> (properties: T): TObject<T> =>
  Type.Object(properties, { additionalProperties: false })
const Strings = Type.Array(Type.String())

const ServiceSchema = strict({
  image: Type.Optional(Type.String({ pattern: '^[\\w./-]+:v?\\d[\\w.-]*$' })),
  build: Type.Optional(strict({ context: Type.Literal('.'), target: Type.String() })),
  deploy: Type.Optional(strict({ replicas: Type.Integer() })),
  profiles: Type.Optional(Type.Array(Type.Literal('observe'))),
  command: Type.Optional(Strings),
  environment: Type.Optional(Type.Record(Type.String(), Type.String())),
  volumes: Type.Optional(Type.Array(Type.String({ pattern: '^(\\./[\\w./-]+:/[\\w./-]+:ro|\\w+:/\\w+)$' }))),
  ports: Type.Optional(Type.Array(Type.String({ pattern: '^127\\.0\\.0\\.1:\\d+:\\d+$' }))),
  depends_on: Type.Optional(Type.Union([
    Strings, Type.Record(Type.String(), strict({ condition: Type.Literal('service_healthy') })),
  ])),
  read_only: Type.Optional(Type.Boolean()),
  tmpfs: Type.Optional(Strings),
  cap_drop: Type.Optional(Strings),
  security_opt: Type.Optional(Strings),
  stop_grace_period: Type.Optional(Type.String()),
})
const ComposeSchema = strict({
  services: Type.Record(Type.String(), ServiceSchema),
  networks: strict({
    default: strict({ ipam: strict({ config: Type.Array(strict({ subnet: Type.String() })) }) }),
  }),
  volumes: Type.Record(Type.String(), Type.Null()),
})

const read = (file: string) => readFile(join(root, file), 'utf8')
const { services, networks, volumes } = assertSchema(ComposeSchema, parse(await read('docker-compose.yml')))
const service = services['service']
const mounts = Object.values(services).flatMap(({ volumes = [] }) => volumes.map(mount => mount.split(':')))

/** Returns the file of the repository that a container has under the path. */
const findMounted = (path: string): string | undefined => mounts.find(([, target]) => target === path)?.[0]

t.test('starts the gateway, three replicas, Redis and the emulator, and with a profile two programs more', async t => {
  const names = (profile?: string) => Object.entries(services)
    .filter(([, { profiles = [] }]) => profiles[0] === profile).map(([name]) => name)
  t.strictSame(names(), ['gateway', 'service', 'redis', 'emulator'])
  t.strictSame(names('observe'), ['prometheus', 'grafana'])
  t.equal(service?.deploy?.replicas, 3)
})

t.test('runs Redis with a password, and without eviction or loss', async t => {
  for (const word of ['--requirepass', '--appendonly', 'noeviction']) {
    t.ok(services['redis']?.command?.includes(word), word)
  }
})

t.test('gives the replicas a valid configuration, which trusts the network of the gateway', async t => {
  const config = loadConfig(service?.environment ?? {})
  t.match(config, { procore: { apiUrl: 'http://emulator:4010' }, shutdown: { drainDelayMs: 5000 } })
  t.equal(service?.environment?.['TRUSTED_PROXIES'], networks.default.ipam.config[0]?.subnet)
})

t.test('restricts the replicas', async t => {
  t.match(service, { read_only: true, cap_drop: ['ALL'] })
})

t.test('gives the gateway the name and the port of the replicas', async t => {
  t.match(await read('deploy/nginx.conf'), 'set $replicas service:3000;')
  t.match(await read('Dockerfile'), /PORT=3000\nEXPOSE 3000/)
  t.match(await read(findMounted('/etc/nginx/listen.conf') ?? ''), 'listen 8080;')
})

t.test('builds the stages of the Dockerfile', async t => {
  const stageNames = parseDockerfile(await read('Dockerfile')).map(({ name }) => name)
  for (const { build } of Object.values(services)) t.ok(build === undefined || stageNames.includes(build.target))
  t.equal(service?.build?.target, 'service')
})

t.test('mounts only files that exist and volumes that are declared', async t => {
  for (const [source = ''] of mounts) {
    t.ok(source.startsWith('.') ? existsSync(join(root, source)) : source in volumes, source)
  }
})
