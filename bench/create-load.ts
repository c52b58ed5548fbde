/** Measures a contestant at full load with JSON creates of 500 bytes. */
import type { RunningContestant } from './contestants.ts'
import { buildCreateRequest, getTotalCpuMicros, isQuickRun, seconds } from './helpers.ts'
import { rawLoad } from './socket-load.ts'

/** Number of connections and of requests in flight. */
export const connections = 64
const warmUpRequests = isQuickRun ? 2000 : 20_000

export interface Saturation {
  /** Processor time per create. */
  cpuMicros: number
  /** Creates per second. */
  rate: number
}

/**
 * Sends a fixed number of requests, not for a fixed time: a slower contestant would otherwise be measured while V8
 * still compiles its code, on the one core that it has.
 */
export async function warmUp ({ url }: RunningContestant, request: () => Buffer): Promise<void> {
  for (let total = 0; total < warmUpRequests;) {
    const { responseCount } = await rawLoad({ url, request, connections, seconds })
    total += responseCount
  }
}

/** Sends as many creates as the contestant takes. Its processor time is what the kernel counts for its processes. */
export async function measureSaturation (
  { url, pids }: RunningContestant, request: () => Buffer
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
