/** Shows in a soak that noisy callers take neither the time nor the memory of a quiet one. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request, type Dispatcher } from 'undici'
import { getPort } from '../helpers/listen.ts'
import { createLargeProcore, memoryAttacks, peakMemoryBytes, runAttack } from '../helpers/noisy-callers.ts'
import type { RawConnection } from '../helpers/requests.ts'
import { startProgram } from '../helpers/start-program.ts'

const quietCreates = 250
/** The quiet caller may wait this many times as long as without the noisy ones. */
const p99MaxRatio = 10
/** Other programs on the machine slow some of the rounds, and an unfair service slows all of them. */
const roundsMax = 3
/** More than one caller may have in flight; they are held, because opening them would load this process as well. */
const noisyConnections = 80
const noisyHoldMs = 2_000
const memoryMaxBytes = 600_000_000

const quietAddress = '192.0.2.1'
const noisyHeaders = ['192.0.2.2', '192.0.2.3'].map(address => `x-forwarded-for: ${address}`)

interface QuietResult { successRatio: number, p99Ms: number }

/** Returns the contradictions, and writes what was measured. */
export async function checkFairness (attackConnections: number): Promise<string[]> {
  const dispatcher = new Agent()
  const procore = createLargeProcore().listen(0, '127.0.0.1')
  await once(procore, 'listening')
  const procoreUrl = `http://127.0.0.1:${getPort(procore)}`
  const contradictions = await checkQuietCaller(procoreUrl, dispatcher)
  for (const name of Object.keys(memoryAttacks)) {
    contradictions.push(...await checkMemory(name, procoreUrl, attackConnections))
  }
  await dispatcher.close()
  procore.closeAllConnections()
  procore.close()
  return contradictions
}

/** Starts a service that identifies callers by their address. */
function startService (procoreUrl: string) {
  return startProgram('src/main.js', {
    PORT: '0',
    PROCORE_API_URL: procoreUrl,
    PROCORE_LOGIN_URL: procoreUrl,
    PROCORE_CLIENT_ID: 'demo-client',
    PROCORE_CLIENT_SECRET: 'demo-secret',
    CALLER_AUTH: 'none',
    TRUSTED_PROXIES: '127.0.0.1',
    CALLER_RATE_PER_MINUTE: '0',
  })
}

async function checkQuietCaller (procoreUrl: string, dispatcher: Dispatcher): Promise<string[]> {
  const service = await startService(procoreUrl)
  await createQuietly(service.url, dispatcher)
  const rounds = [await compareWithNoise(service.url, dispatcher)]
  while (rounds.length < roundsMax && rounds.every(({ p99Ratio }) => p99Ratio > p99MaxRatio)) {
    rounds.push(await compareWithNoise(service.url, dispatcher))
  }
  service.child.kill('SIGTERM')
  await once(service.child, 'exit')
  const p99Ratio = Math.min(...rounds.map(round => round.p99Ratio))
  return [
    ...(rounds.some(({ successRatio }) => successRatio < 1) ? ['creates of the quiet caller failed'] : []),
    ...(p99Ratio > p99MaxRatio ? [`p99 of the quiet caller is ${p99Ratio.toFixed(1)} times as long as alone`] : []),
  ]
}

interface Round { successRatio: number, p99Ratio: number }

/** Sends creates of the quiet caller alone, and then beside the noisy ones. */
async function compareWithNoise (url: string, dispatcher: Dispatcher): Promise<Round> {
  const alone = await createQuietly(url, dispatcher)
  const noise = makeNoise(Number(new URL(url).port))
  const beside = await createQuietly(url, dispatcher)
  await noise.stop()
  const successRatio = Math.min(alone.successRatio, beside.successRatio)
  const p99Ratio = beside.p99Ms / alone.p99Ms
  const p99 = `p99 is ${p99Ratio.toFixed(1)} times as long as alone`
  process.stdout.write(`quiet caller beside two noisy ones: ${successRatio * 100} % succeed, ${p99}\n`)
  return { successRatio, p99Ratio }
}

/** Sends creates one after the other. */
async function createQuietly (url: string, dispatcher: Dispatcher): Promise<QuietResult> {
  const times: number[] = []
  let successes = 0
  for (let index = 0; index < quietCreates; index++) {
    const startedAt = performance.now()
    const body = JSON.stringify({ user: { last_name: 'Doe', email_address: `quiet${index}@example.com` } })
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': quietAddress }
    const response = await request(`${url}/companies/101/users`, { dispatcher, method: 'POST', headers, body })
    await response.body.dump()
    times.push(performance.now() - startedAt)
    if (response.statusCode === 201) successes++
  }
  const sorted = times.toSorted((a, b) => a - b)
  return { successRatio: successes / quietCreates, p99Ms: sorted[Math.floor(quietCreates * 0.99)] ?? 0 }
}

/** Lets two callers attack the memory again and again until it is stopped. */
function makeNoise (port: number) {
  const stopped = new AbortController()
  const callers = noisyHeaders.map(async header => {
    while (!stopped.signal.aborted) {
      for (const attack of Object.values(memoryAttacks)) {
        const connections = await runAttack(attack, port, [header], noisyConnections)
        await sleep(noisyHoldMs)
        closeAll(connections)
      }
    }
  })
  return {
    stop: async () => {
      stopped.abort()
      await Promise.all(callers)
    },
  }
}

async function checkMemory (name: string, procoreUrl: string, attackConnections: number): Promise<string[]> {
  const attack = memoryAttacks[name]
  const [header = ''] = noisyHeaders
  if (attack === undefined) return []
  const service = await startService(procoreUrl)
  const connections = await runAttack(attack, Number(new URL(service.url).port), [header], attackConnections)
  const memoryBytes = peakMemoryBytes(service.child.pid)
  process.stdout.write(`${attackConnections} connections, ${name}: ${memoryBytes >> 20} MiB resident at the peak\n`)
  closeAll(connections)
  service.child.kill('SIGTERM')
  await once(service.child, 'exit')
  return memoryBytes < memoryMaxBytes ? [] : [`${name} took ${memoryBytes} bytes`]
}

function closeAll (connections: readonly RawConnection[]): void {
  for (const { socket } of connections) socket.destroy()
}
