/**
 * `node bench/compare.ts FOLDER [FOLDER]`: compares JSON creates of the service in two folders with a copy of this
 * repository, by default in the first and in this one. Both run on the first core and are measured in turn, many times
 * for a short time, so that other load on the machine affects both alike. Prints the processor time of the second as a
 * multiple of that of the first: the median, and the quartiles of all rounds. Two processes of the same code differ by
 * several percent, so a smaller difference shows nothing.
 *
 * `BENCH_ROUNDS` (default 50): number of rounds. `BENCH_KEYED`: each create has an idempotency key.
 */
import { resolve } from 'node:path'
import { root } from '../test/helpers/spawn-program.ts'
import { startProgram } from '../test/helpers/start-program.ts'
import { createServiceContestant, startIssuer } from './contestants.ts'
import { connections, createRequestBuilder, warmUp, type WarmContestant } from './create-load.ts'
import { fail, getCpuNanos } from './helpers.ts'
import { rawLoad } from './socket-load.ts'
import { percentile } from './statistics.ts'

const [first = fail('The first folder is missing.'), second = root] = process.argv.slice(2)
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 50)
const sliceSeconds = 0.3
const headers = process.env['BENCH_KEYED'] === undefined ? {} : { 'idempotency-key': 'KEY' }
const upstream = await startProgram('bench/upstream.ts', {})
const issuer = await startIssuer()
const services: WarmContestant[] = []
for (const folder of [first, second]) {
  const contestant = await createServiceContestant(issuer, folder, { headers, folder: resolve(folder) })
  const running = await contestant.start(upstream)
  services.push({ name: folder, running, request: createRequestBuilder(contestant.headers) })
}
for (const service of services) await warmUp(service)
const nanos: number[][] = services.map(() => [])
for (let round = 0; round < rounds; round++) {
  for (const [index, service] of services.entries()) nanos[index]?.push(await measure(service))
}
for (const { running } of services) await running.stop()
upstream.child.kill()
const ratios = (nanos[1] ?? []).map((value, round) => value / (nanos[0]?.[round] ?? NaN)).sort((a, b) => a - b)
const [median, low, high] = [0.5, 0.25, 0.75].map(share => percentile(ratios, share).toFixed(3))
process.stdout.write(`${median} (${low}-${high})\n`)

async function measure ({ running: { url, pids }, request }: WarmContestant): Promise<number> {
  const before = getCpuNanos(pids)
  const { responseCount } = await rawLoad({ url, request, connections, seconds: sliceSeconds })
  return (getCpuNanos(pids) - before) / responseCount
}
