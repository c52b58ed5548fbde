/**
 * Measures what recording a request in the metrics costs, as a share of the processor time of a create. The recording
 * is called repeatedly in this process, the create is measured on a service under load, in turn within one run.
 */
import { Pool } from 'undici'
import { Metrics, type MeasuredRequest } from '../src/telemetry/metrics.ts'
import { startProgram } from '../test/helpers/start-program.ts'
import { environmentFor, getCpuMicros, rounds, runLoad, saveResults, seconds } from './helpers.ts'
import type { MetricsMeasurement } from './result-schemas.ts'
import { metricsSentence } from './tables.ts'

const calls = 200_000
const concurrency = 64
const upstream = await startProgram('bench/upstream.ts', {})
const service = await startProgram('src/main.js', environmentFor(upstream.url))
const pool = new Pool(service.url, { connections: concurrency })
await runLoad([pool], { concurrency, seconds: Math.min(seconds, 1) })

const metrics = new Metrics()
measureRecordingMicros()
const measurements: MetricsMeasurement[] = []
for (let round = 0; round < rounds; round++) {
  const microsBefore = getCpuMicros(service.child)
  const creates = await runLoad([pool], { concurrency, seconds })
  const createMicros = (getCpuMicros(service.child) - microsBefore) / creates
  measurements.push({ createMicros, recordMicros: measureRecordingMicros() })
}
saveResults('metrics.json', { measurements })
process.stdout.write(`${metricsSentence(measurements)}\n`)
await pool.close()
service.child.kill()
upstream.child.kill()

/** Returns the processor time of recording one request, in microseconds. */
function measureRecordingMicros (): number {
  const sampleRequest: MeasuredRequest = {
    record: {
      requestId: 'a',
      upstreamMs: 12.3,
      upstreamStatus: 201,
      rateLimitWaitMs: 0.1,
      bytesIn: 500,
      outcome: 'created',
    },
    request: { method: 'POST' },
    reply: { elapsedTime: 15.1, getHeader: () => '700' },
    status: 201,
    route: '/companies/:company_id/users',
  }
  const usageBefore = process.cpuUsage()
  for (let call = 0; call < calls; call++) metrics.onRequestEnd(sampleRequest)
  const { user, system } = process.cpuUsage(usageBefore)
  return (user + system) / calls
}
