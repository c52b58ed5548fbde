/** Measures how long the service takes to become ready, and what authenticating a caller with a cached JWT costs. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { JwksCache } from '../src/auth/jwks.ts'
import { JwtAuthenticator } from '../src/auth/jwt.ts'
import { loadConfig } from '../src/config/index.ts'
import { createLog } from '../src/telemetry/logger.ts'
import { freePort } from '../test/helpers/free-port.ts'
import { getNodeFlags } from '../test/helpers/spawn-program.ts'
import { startProgram } from '../test/helpers/start-program.ts'
import { startIssuer } from './contestants.ts'
import { environmentFor, saveResults, median, rounds } from './helpers.ts'

const calls = 200_000
const starts = Math.max(rounds, 3)
const upstream = await startProgram('bench/upstream.ts', {})
const issuer = await startIssuer()
// The first start fills the compile cache.
await measureTimeToReady()
const readyMs = []
const cachedReadyMs = []
for (let start = 0; start < starts; start++) {
  readyMs.push(await measureTimeToReady({ NODE_DISABLE_COMPILE_CACHE: '1' }))
  cachedReadyMs.push(await measureTimeToReady())
}
const knownCallerMicros = await measureKnownCaller()
const cachedMs = Math.round(median(cachedReadyMs))
const uncachedMs = Math.round(median(readyMs))
process.stdout.write(
  `From the start to /readyz: ${cachedMs} ms with the compile cache, ${uncachedMs} ms without it. ` +
  `A known caller costs ${knownCallerMicros.toFixed(1)} µs a request.\n\n`
)
saveResults('startup.json', {
  node: process.version,
  readyMs: median(readyMs),
  cachedReadyMs: median(cachedReadyMs),
  knownCallerMicros,
  raw: { readyMs, cachedReadyMs },
})
upstream.child.kill()

async function measureTimeToReady (env: Record<string, string> = {}): Promise<number> {
  const port = await freePort()
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...getNodeFlags('src/main.js'), 'src/main.js'], {
    env: { ...environmentFor(upstream.url), ...issuer.env, ...env, PORT: String(port) },
    stdio: 'ignore',
  })
  while (!await isReady(`http://127.0.0.1:${port}/readyz`)) await new Promise(resolve => setTimeout(resolve, 5))
  const ms = performance.now() - startedAt
  // Node writes the compile cache only when the process exits in an orderly way.
  child.kill('SIGTERM')
  await once(child, 'exit')
  return ms
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
