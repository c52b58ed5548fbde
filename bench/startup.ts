/** How long the service takes from its start to `/readyz`, and what a caller costs whose token is known. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { JwtAuthenticator } from '../src/auth/jwt.ts'
import { freePort } from '../test/helpers/free-port.ts'
import { startProgram } from '../test/helpers/start-program.ts'
import { startIssuer } from './contestants.ts'
import { environmentFor, saveResults, median, rounds } from './helpers.ts'

const calls = 200_000
const starts = Math.max(rounds, 3)
const upstream = await startProgram('bench/upstream.ts', {})
const issuer = await startIssuer()
await measureTimeToReady()
const readyMs = []
const cachedReadyMs = []
for (let start = 0; start < starts; start++) {
  readyMs.push(await measureTimeToReady({ NODE_DISABLE_COMPILE_CACHE: '1' }))
  cachedReadyMs.push(await measureTimeToReady())
}
const knownCallerMicros = await measureKnownCaller()
process.stdout.write(`From the start to /readyz: ${Math.round(median(cachedReadyMs))} ms with the compiled code that is kept; ${Math.round(median(readyMs))} ms without it. A known caller costs ${knownCallerMicros.toFixed(1)} µs a request.\n\n`)
saveResults('start.json', { node: process.version, readyMs: median(readyMs), cachedReadyMs: median(cachedReadyMs), knownCallerMicros, raw: { readyMs, cachedReadyMs } })
upstream.child.kill()

async function measureTimeToReady (env: Record<string, string> = {}): Promise<number> {
  const port = await freePort()
  const startedAt = performance.now()
  const child = spawn(process.execPath, ['src/main.ts'], { env: { ...environmentFor(upstream.url), ...issuer.env, ...env, PORT: String(port) }, stdio: 'ignore' })
  while (await fetch(`http://127.0.0.1:${port}/readyz`).then(({ status }) => status, () => 0) !== 200) await new Promise(resolve => setTimeout(resolve, 5))
  const ms = performance.now() - startedAt
  // Only a process that ends in order writes the cache.
  child.kill('SIGTERM')
  await once(child, 'exit')
  return ms
}

/** Processor time of knowing one, in microseconds. */
async function measureKnownCaller (): Promise<number> {
  const { JWT_ISSUER = '', JWT_AUDIENCE = '' } = issuer.env
  const identities = new JwtAuthenticator({ jwksUrl: '', issuer: JWT_ISSUER, audience: JWT_AUDIENCE, companiesClaim: '', scopePrefix: '' }, { getKey: async () => issuer.publicKey })
  const headers = { authorization: `Bearer ${await issuer.sign('caller')}` }
  await identities.authenticate(headers)
  const before = process.cpuUsage()
  for (let call = 0; call < calls; call++) identities.authenticate(headers)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}
