/** Measures contestants at full load with JSON creates of 500 bytes. */
import { runRounds, type Contestant, type RunningContestant, type Upstream } from './contestants.ts'
import { buildCreateRequest, getTotalCpuMicros, isQuickRun, seconds } from './helpers.ts'
import { rawLoad } from './socket-load.ts'

/** Number of connections and of requests in flight. */
export const connections = 64
const warmUpRequests = isQuickRun ? 2000 : 30_000

export interface Saturation {
  /** Processor time per create. */
  cpuMicros: number
  /** Creates per second. */
  rate: number
}

/** A contestant whose code V8 has compiled. */
export interface WarmContestant {
  name: string
  running: RunningContestant
  /** Builds the next create. */
  request: () => Buffer
}

/**
 * Starts all contestants, warms them up and measures them in rounds. They stay running, so that V8 compiles the code of
 * each only once. Those that wait take no measurable time.
 */
export async function measureWarm<Measurement> (
  contestants: readonly Contestant[],
  upstream: Upstream,
  measure: (contestant: WarmContestant) => Promise<Measurement>
): Promise<Record<string, Measurement[]>> {
  const warm: WarmContestant[] = []
  try {
    for (const { name, headers, start } of contestants) {
      const contestant = { name, running: await start(upstream), request: createRequestBuilder(headers) }
      warm.push(contestant)
      await warmUp(contestant)
    }
    return await runRounds(warm, async contestant => {
      // Connections that were idle for a while are closed. Their handshakes are not measured.
      const { running: { url }, request } = contestant
      await rawLoad({ url, request, connections, seconds: seconds / 4 })
      return measure(contestant)
    })
  } finally {
    for (const { running } of warm) await running.stop()
  }
}

/**
 * Sends a fixed number of requests, not for a fixed time: a slower contestant would otherwise be measured while V8
 * still compiles its code, on the one core that it has.
 */
export async function warmUp ({ running: { url }, request }: WarmContestant): Promise<void> {
  for (let total = 0; total < warmUpRequests;) {
    const { responseCount } = await rawLoad({ url, request, connections, seconds })
    total += responseCount
  }
}

/** Sends as many creates as the contestant takes. Its processor time is what the kernel counts for its processes. */
export async function measureSaturation (
  { running: { url, pids }, request }: WarmContestant
): Promise<Saturation> {
  const microsBefore = getTotalCpuMicros(pids)
  const { responseCount, seconds: elapsed } = await rawLoad({ url, request, connections, seconds })
  return { cpuMicros: (getTotalCpuMicros(pids) - microsBefore) / responseCount, rate: responseCount / elapsed }
}

/** Returns a function that builds the next request. `KEY` in a header is replaced by a different key each time. */
export function createRequestBuilder (headers: Record<string, string>): () => Buffer {
  const text = buildCreateRequest(headers)
  if (!text.includes('KEY')) {
    const request = Buffer.from(text)
    return () => request
  }
  let keyCount = 0
  return () => Buffer.from(text.replace('KEY', `key-${process.pid}-${Date.now()}-${keyCount++}`))
}
