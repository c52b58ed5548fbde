/**
 * Measures how long the service takes to become ready, its memory when idle, and what authenticating a caller with a
 * cached JWT costs.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { JwksCache } from '../src/auth/jwks.ts'
import { JwtAuthenticator } from '../src/auth/jwt.ts'
import { loadConfig } from '../src/config/index.ts'
import { createLog } from '../src/telemetry/logger.ts'
import { freePort } from '../test/helpers/free-port.ts'
import { getNodeFlags } from '../test/helpers/spawn-program.ts'
import { startProgram } from '../test/helpers/start-program.ts'
import { startIssuer } from './contestants.ts'
import { environmentFor, getFileMegabytes, getMegabytes, isQuickRun, rounds, saveResults } from './helpers.ts'
import type { IdleMeasurement, StartupMeasurement } from './result-schemas.ts'
import { startupSentence } from './tables.ts'

const calls = 200_000
/**
 * Time after which a service that became ready is idle: it requests garbage collections for five seconds, and V8
 * returns pages up to 16 seconds after the last of them.
 */
const idleMs = isQuickRun ? 1000 : 25_000
const upstream = await startProgram('bench/upstream.ts', {})
const issuer = await startIssuer()
// The first start fills the compile cache.
await stop(await startReady())
const measurements: StartupMeasurement[] = []
for (let round = 0; round < rounds; round++) {
  const uncached = await startReady({ NODE_DISABLE_COMPILE_CACHE: '1' })
  await stop(uncached)
  const cached = await startReady()
  await stop(cached)
  const knownCallerMicros = await measureKnownCaller()
  measurements.push({ readyMs: uncached.readyMs, cachedReadyMs: cached.readyMs, knownCallerMicros })
}
const idle = await measureIdle()
saveResults('startup.json', { measurements, idle })
process.stdout.write(`${startupSentence({ measurements, idle })}\n\n`)
upstream.child.kill()

interface ReadyService { child: ChildProcess, readyMs: number }

async function startReady (env: Record<string, string> = {}): Promise<ReadyService> {
  const port = await freePort()
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...getNodeFlags('src/main.js'), 'src/main.js'], {
    env: { ...environmentFor(upstream.url), ...issuer.env, ...env, PORT: String(port) },
    stdio: 'ignore',
  })
  while (!await isReady(`http://127.0.0.1:${port}/readyz`)) await sleep(5)
  return { child, readyMs: performance.now() - startedAt }
}

/** Node writes the compile cache only when the process exits in an orderly way. */
async function stop ({ child }: ReadyService): Promise<void> {
  child.kill('SIGTERM')
  await once(child, 'exit')
}

/** Measures one process for each round. They are idle at the same time. */
async function measureIdle (): Promise<IdleMeasurement[]> {
  const services: ReadyService[] = []
  for (let round = 0; round < rounds; round++) services.push(await startReady())
  await sleep(idleMs)
  const idle = services.map(({ child: { pid = 0 } }) => ({
    megabytes: getMegabytes([pid]), fileMegabytes: getFileMegabytes([pid]),
  }))
  for (const service of services) await stop(service)
  return idle
}

function isReady (url: string): Promise<boolean> {
  return fetch(url).then(({ status }) => status === 200, () => false)
}

/** Returns the processor time of authenticating a caller whose JWT was verified before, in microseconds. */
async function measureKnownCaller (): Promise<number> {
  const { auth, proxy } = loadConfig({ ...environmentFor('http://127.0.0.1'), ...issuer.env })
  if (auth.jwt === undefined) throw new Error('The environment of the issuer does not set CALLER_AUTH=jwt.')
  const jwks = new JwksCache(auth.jwt.jwksUrl, proxy, createLog({ level: 'silent' }, { write: () => {} }))
  const authenticator = new JwtAuthenticator(auth.jwt, jwks)
  const headers = { authorization: `Bearer ${await issuer.sign('caller')}` }
  await authenticator.authenticate(headers, () => undefined)
  const usageBefore = process.cpuUsage()
  for (let call = 0; call < calls; call++) authenticator.authenticate(headers, () => undefined)
  const { user, system } = process.cpuUsage(usageBefore)
  await jwks.close()
  return (user + system) / calls
}
