/**
 * What noting a request in the metrics costs, as a share of the processor time of a create: the first by calling it again and again with a
 * request like that of a create, the second by the kernel's account of a service under load, in turn in the same run.
 */
import { Pool } from 'undici'
import { Metrics, type MeasuredRequest } from '../src/telemetry/metrics.ts'
import { startProgram } from '../test/helpers/start-program.ts'
import { getCpuMicros, environmentFor, saveResults, runLoad, median, rounds, seconds } from './helpers.ts'

const calls = 200_000
const upstream = await startProgram('bench/upstream.ts', {})
const service = await startProgram('src/main.ts', environmentFor(upstream.url))
const pool = new Pool(service.url, { connections: 64 })
await runLoad([pool], { concurrency: 64, seconds: Math.min(seconds, 1) })

const metrics = new Metrics()
measureRecordingMicros()
const results = []
for (let round = 0; round < rounds; round++) {
  const before = getCpuMicros(service.child)
  const creates = await runLoad([pool], { concurrency: 64, seconds })
  results.push({ createMicros: (getCpuMicros(service.child) - before) / creates, noteMicros: measureRecordingMicros() })
}
const share = median(results.map(({ createMicros, noteMicros }) => noteMicros / createMicros))
process.stdout.write(`Noting a request in the metrics costs ${(share * 100).toFixed(1)} % of the processor time of a create.\n`)
saveResults('metrics.json', { node: process.version, seconds, rounds, share, raw: results })
await pool.close()
service.child.kill()
upstream.child.kill()

/** Processor time of noting one, in microseconds. */
function measureRecordingMicros (): number {
  const sampleRequest: MeasuredRequest = {
    request: {
      method: 'POST',
      record: { requestId: 'a', upstreamMs: 12.3, upstreamStatus: 201, rateLimitWaitMs: 0.1, bytesIn: 500, outcome: 'created' },
    },
    reply: { elapsedTime: 15.1, getHeader: () => '700' },
    status: 201,
    route: '/companies/:company_id/users',
  }
  const before = process.cpuUsage()
  for (let call = 0; call < calls; call++) metrics.onRequestEnd(sampleRequest)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}
