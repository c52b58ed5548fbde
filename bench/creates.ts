/**
 * JSON creates of 500 bytes over 64 connections: the service with all of its protections on, beside its peers, each on the first core alone
 * and in turn. Processor time is the kernel's account of the process; latencies are those at half of its saturation, from when a request was due.
 */
import { cpus } from 'node:os'
import { startProgram } from '../test/helpers/program.ts'
import { inTurn, peers, service, startIssuer, type Contestant } from './contestants.ts'
import { percentile, rawLoad } from './raw-load.ts'
import { cpuMicrosOfAll, createBody, keep, median, peakMegabytesOf, rounds, seconds } from './tools.ts'
import { createsTable } from './tables.ts'

const connections = 64
/** So much load as every Node contestant carries: what waking a core that sleeps costs is then the same for all. */
const sameRate = 4000
const warmUpRequests = seconds * 20_000

interface Measured { cpuMicros: number, sameRateMicros: number, rate: number, p50: number, p99: number, p999: number, peakMegabytes: number }

const upstream = await startProgram('bench/upstream.ts', {})
const issuer = await startIssuer()
const contestants = [await service(issuer), await service(issuer, 'this service, with a key', { headers: { 'idempotency-key': 'KEY' } }), ...peers]
const measured = await inTurn(contestants, measure)
report()
upstream.child.kill()

async function measure ({ headers, start }: Contestant): Promise<Measured> {
  const running = await start(upstream.url)
  const request = requestOf(headers)
  try {
    await warmUp(running.url, request)
    const before = cpuMicrosOfAll(running.pids)
    const { answered, seconds: elapsed } = await rawLoad({ url: running.url, request, connections, seconds })
    const cpuMicros = (cpuMicrosOfAll(running.pids) - before) / answered
    const rate = answered / elapsed
    const { latenciesMs } = await rawLoad({ url: running.url, request, connections, seconds, rate: rate / 2 })
    const beforeSame = cpuMicrosOfAll(running.pids)
    const same = await rawLoad({ url: running.url, request, connections, seconds, rate: sameRate })
    const sameRateMicros = (cpuMicrosOfAll(running.pids) - beforeSame) / same.answered
    return { cpuMicros, sameRateMicros, rate, p50: percentile(latenciesMs, 0.5), p99: percentile(latenciesMs, 0.99), p999: percentile(latenciesMs, 0.999), peakMegabytes: peakMegabytesOf(running.pids) }
  } finally {
    await running.stop()
  }
}

/** By requests and not by time: what is slower would be measured while its code is still being compiled, on the core that it has. */
async function warmUp (url: string, request: () => Buffer): Promise<void> {
  for (let answered = 0; answered < warmUpRequests;) answered += (await rawLoad({ url, request, connections, seconds: Math.min(seconds, 2) })).answered
}

/** A key is another one for each request: `KEY` stands for it. */
function requestOf (headers: Record<string, string>): () => Buffer {
  const lines = Object.entries({ host: 'bench', 'content-type': 'application/json', 'content-length': String(createBody.length), ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  const text = `POST /companies/101/users HTTP/1.1\r\n${lines.join('')}\r\n${createBody}`
  if (!text.includes('KEY')) {
    const request = Buffer.from(text)
    return () => request
  }
  let keys = 0
  return () => Buffer.from(text.replace('KEY', `key-${process.pid}-${Date.now()}-${keys++}`))
}

function report (): void {
  const rows = [...measured].map(([name, results]) => {
    const of = (figure: keyof Measured) => median(results.map(result => result[figure]))
    const cpu = results.map(({ cpuMicros }) => cpuMicros)
    return { name, cpuMicros: of('cpuMicros'), spread: [Math.min(...cpu), Math.max(...cpu)], sameRateMicros: of('sameRateMicros'), rate: of('rate'), p50: of('p50'), p99: of('p99'), p999: of('p999'), peakMegabytes: of('peakMegabytes') }
  })
  process.stdout.write(`${createsTable(rows)}\n`)
  keep('creates.json', { node: process.version, cores: cpus().length, seconds, rounds, connections, rows, raw: Object.fromEntries(measured) })
}
