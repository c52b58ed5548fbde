// The files in deploy/, docker-compose.yml and the client wait longer than the service does with its defaults.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { parse } from 'yaml'
import { limits as clientLimits } from '../../client/limits.ts'
import { loadConfig } from '../../src/config/index.ts'
import { limits } from '../../src/config/limits.ts'
import { getConnectionWaitMs, getLongestWaitMs } from '../../src/config/longest-wait.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { root } from '../helpers/spawn-program.ts'

const minimalEnv = { PROCORE_CLIENT_ID: 'id', PROCORE_CLIENT_SECRET: 'hunter2hunter2', CALLER_AUTH: 'none' }
const config = loadConfig(minimalEnv)
const gateway = await readFile(join(root, 'deploy/nginx.conf'), 'utf8')

/** Returns the time of a directive of nginx in milliseconds. */
function readGatewayMs (directive: string): number {
  const seconds = new RegExp(`^\\s*${directive} (\\d+)s;`, 'm').exec(gateway)?.[1]
  if (seconds === undefined) throw new Error(`nginx.conf has no ${directive} in seconds.`)
  return Number(seconds) * 1000
}

t.test('the gateway waits for a response longer than the service can take for it', async t => {
  t.ok(readGatewayMs('proxy_read_timeout') > getLongestWaitMs(config.procore))
})

t.test('the gateway waits for a pause in a body longer than the service does', async t => {
  t.ok(readGatewayMs('proxy_send_timeout') > config.body.idleTimeoutMs)
  t.ok(readGatewayMs('client_body_timeout') >= config.body.idleTimeoutMs)
})

t.test('the gateway waits for an import as long as it may take', async t => {
  const [, location = ''] = gateway.split('users/import$')
  for (const directive of ['proxy_send_timeout', 'proxy_read_timeout']) {
    const seconds = new RegExp(`${directive} (\\d+)s;`).exec(location)?.[1]
    t.ok(Number(seconds) * 1000 >= limits.imports.timeoutMs, directive)
  }
  const [, mebibytes] = /client_max_body_size (\d+)m;/.exec(location) ?? []
  t.ok(Number(mebibytes) * 1_048_576 > limits.imports.maxBytes)
})

t.test('the gateway accepts a line of a head that the service accepts', async t => {
  const [, kibibytes] = /large_client_header_buffers 4 (\d+)k;/.exec(gateway) ?? []
  t.ok(Number(kibibytes) * 1024 >= limits.server.headersMaxBytes)
})

t.test('a replica that is stopped accepts requests until the gateway knows', async t => {
  const compose = await readCompose()
  const { shutdown } = loadConfig(compose.services.service.environment)
  const [, seconds] = /resolver .* valid=(\d+)s/.exec(gateway) ?? []
  t.ok(shutdown.drainDelayMs >= Number(seconds) * 1000)
})

t.test('the gateway accepts the largest form that the service accepts', async t => {
  const mebibytes = Number(/client_max_body_size (\d+)m;/.exec(gateway)?.[1])
  t.ok(mebibytes * 1_048_576 > config.body.avatarMaxBytes + limits.multipart.textMaxBytes)
})

t.test('a call of the client waits for the largest upload and the response of the gateway', async t => {
  t.ok(clientLimits.callTimeoutMs > config.body.timeoutMs + readGatewayMs('proxy_read_timeout'))
})

t.test('the client waits for a create with the same idempotency key longer than the service takes for it', async t => {
  const { procore } = config
  const { timeoutMs: lookupMs, existingTimeoutMs } = limits.lookup
  const startMs = procore.rateLimitMaxWaitMs + limits.accessToken.timeoutMs + getConnectionWaitMs(procore)
  // A create with an avatar that Procore rejects as a duplicate, after which the service looks for the other user.
  const createMs = startMs + procore.formTimeoutMs + lookupMs + existingTimeoutMs
  // The pause that exceeds the limit does not take place.
  t.ok(clientLimits.inProgressDelayTotalMaxMs - clientLimits.backoffMaxMs > createMs)
})

const ComposeSchema = Type.Object({
  services: Type.Object({
    service: Type.Object({
      environment: Type.Record(Type.String(), Type.String()),
      stop_grace_period: Type.String({ pattern: '^\\d+s$' }),
    }),
  }),
})

async function readCompose () {
  return assertSchema(ComposeSchema, parse(await readFile(join(root, 'docker-compose.yml'), 'utf8')))
}

t.test('Docker Compose stops a replica after it has had the time for a request with an avatar', async t => {
  const { environment, stop_grace_period: stopGracePeriod } = (await readCompose()).services.service
  const { procore, shutdown } = loadConfig(environment)
  t.ok(shutdown.graceMs > procore.formTimeoutMs)
  const stopMs = shutdown.drainDelayMs + shutdown.graceMs + limits.server.shutdownHardLimitMs
  t.ok(parseInt(stopGracePeriod, 10) * 1000 >= stopMs)
})

t.test('the longest wait follows', async t => {
  // A reactivation may wait three times for the rate limit: it reads the user and the list of inactive users first.
  for (const [name, factor] of [['UPSTREAM_FORM_TIMEOUT_MS', 2], ['RATE_LIMIT_MAX_WAIT_MS', 3]] as const) {
    await t.test(name, async t => {
      const waitMs = (ms: number) => getLongestWaitMs(loadConfig({ ...minimalEnv, [name]: String(ms) }).procore)
      t.equal(waitMs(200_000) - waitMs(100_000), factor * 100_000)
    })
  }
  await t.test('UPSTREAM_TIMEOUT_MS if it is the longer one', async t => {
    const env = { ...minimalEnv, UPSTREAM_TIMEOUT_MS: '100000' }
    t.ok(getLongestWaitMs(loadConfig(env).procore) > 400_000)
  })
  await t.test('UPSTREAM_TIMEOUT_MS for each of the three requests of a reactivation', async t => {
    const env = { ...minimalEnv, UPSTREAM_TIMEOUT_MS: '100000', UPSTREAM_FORM_TIMEOUT_MS: '100000' }
    t.ok(getLongestWaitMs(loadConfig(env).procore) > 600_000)
  })
  await t.test('the time of an avatar that is fetched if all others are shorter', async t => {
    const env = { UPSTREAM_TIMEOUT_MS: '1000', UPSTREAM_FORM_TIMEOUT_MS: '1000', RATE_LIMIT_MAX_WAIT_MS: '0' }
    const { procore } = loadConfig({ ...minimalEnv, ...env })
    const readMs = 2 * (limits.accessToken.timeoutMs + getConnectionWaitMs(procore) + procore.timeoutMs)
    t.equal(getLongestWaitMs(procore), readMs + procore.files.timeoutMs)
  })
})
