/**
 * Measures how long the service takes to become ready, its memory when idle, and what authenticating a caller with a
 * cached JWT costs.
 */
import { spawn } from 'node:child_process'
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
import { environmentFor, getMegabytes, rounds, saveResults } from './helpers.ts'
import type { StartupMeasurement } from './result-schemas.ts'
import { startupSentence } from './tables.ts'

const calls = 200_000
/** Time after which a service that became ready is idle. */
const idleMs = 1000
const upstream = await startProgram('bench/upstream.ts', {})
const issuer = await startIssuer()
// The first start fills the compile cache.
await measureStart()
const measurements: StartupMeasurement[] = []
for (let round = 0; round < rounds; round++) {
  const { readyMs } = await measureStart({ NODE_DISABLE_COMPILE_CACHE: '1' })
  const { readyMs: cachedReadyMs, idleMegabytes } = await measureStart()
  measurements.push({ readyMs, cachedReadyMs, idleMegabytes, knownCallerMicros: await measureKnownCaller() })
}
saveResults('startup.json', { measurements })
process.stdout.write(`${startupSentence(measurements)}\n\n`)
upstream.child.kill()

async function measureStart (
  env: Record<string, string> = {}
): Promise<{ readyMs: number, idleMegabytes: number }> {
  const port = await freePort()
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...getNodeFlags('src/main.js'), 'src/main.js'], {
    env: { ...environmentFor(upstream.url), ...issuer.env, ...env, PORT: String(port) },
    stdio: 'ignore',
  })
  while (!await isReady(`http://127.0.0.1:${port}/readyz`)) await sleep(5)
  const readyMs = performance.now() - startedAt
  await sleep(idleMs)
  const idleMegabytes = getMegabytes([child.pid ?? 0])
  // Node writes the compile cache only when the process exits in an orderly way.
  child.kill('SIGTERM')
  await once(child, 'exit')
  return { readyMs, idleMegabytes }
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
