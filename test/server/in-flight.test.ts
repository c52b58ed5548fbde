// The count of requests in flight: which requests are counted, and what else does not change it.
import type { RequestRecord } from '../../src/telemetry/request-record.ts'
import t from 'tap'
import { parseSamples } from '../helpers/prometheus-samples.ts'
import { get } from '../helpers/request-builders.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const env = { STATUS_PAGE: 'true' }

/** Returns `procore_bff_requests_in_flight` without the request for the metrics itself. */
async function readGauge ({ url }: Service): Promise<number> {
  const samples = parseSamples((await get(`${url}/metrics`)).text)
  const gauge = samples.find(({ name }) => name === 'procore_bff_requests_in_flight')
  return (gauge?.value ?? NaN) - 1
}

/** Opens an event stream of the status page and waits for its first event. */
async function openEventStream (service: Service): Promise<AbortController> {
  const controller = new AbortController()
  const { body } = await fetch(`${service.url}/status/events`, { signal: controller.signal })
  await body?.getReader().read()
  return controller
}

t.test('a listener for the start of draining does not change the count', async t => {
  const service = await startService(t, { env })
  const { inFlight } = service.app
  t.equal(inFlight.count, 0)
  const unsubscribe = inFlight.onDraining(() => {})
  t.equal(inFlight.count, 0, 'with a listener')
  t.equal(await readGauge(service), 0, 'with a listener')
  unsubscribe()
  t.equal(inFlight.count, 0, 'without it')
  t.equal(await readGauge(service), 0, 'without it')
})

t.test('an event stream of the status page is not counted, whether or not there are other listeners', async t => {
  const service = await startService(t, { env })
  const { inFlight } = service.app
  const stream = await openEventStream(service)
  t.equal(inFlight.count, 0)
  t.equal(await readGauge(service), 0)
  inFlight.onDraining(() => {})
  t.equal(inFlight.count, 0, 'with a further listener')
  t.equal(await readGauge(service), 0, 'with a further listener')
  stream.abort()
  await waitUntil(() => service.lines.some(({ msg, route }) => msg === 'request' && route === '/status/events'))
  t.equal(inFlight.count, 0, 'after the stream')
  t.equal(await readGauge(service), 0, 'after the stream')
})

t.test('a request is counted until it ends, beside an event stream and a listener', async t => {
  const service = await startService(t, { env })
  const { emulator, app: { inFlight }, usersUrl } = service
  await openEventStream(service)
  inFlight.onDraining(() => {})
  emulator.faults.add({ kind: 'delay', delayMs: 300 })
  const pending = sendJson(usersUrl, { user: jane })
  await waitUntil(() => emulator.apiRequests.length === 1)
  t.equal(inFlight.count, 1)
  t.equal(await readGauge(service), 1)
  t.equal((await pending).status, 201)
  t.equal(await readGauge(service), 0)
})

t.test('an event stream that draining ends is not counted before or after its end', async t => {
  const service = await startService(t, { env })
  const { inFlight } = service.app
  await openEventStream(service)
  const draining = Promise.withResolvers<void>()
  inFlight.onDraining(draining.resolve)
  inFlight.startDraining()
  await draining.promise
  t.equal(inFlight.count, 0)
  await waitUntil(() => service.lines.some(({ msg, route }) => msg === 'request' && route === '/status/events'))
  t.equal(inFlight.count, 0)
  t.equal(await inFlight.waitUntilIdle(5000), true)
})

t.test('a write to the record of a request that has ended throws', async t => {
  const records: RequestRecord[] = []
  const { url, lines } = await startService(t, {
    extend: async fastify => {
      fastify.get('/open', async ({ inFlight }) => {
        if (inFlight !== null) records.push(inFlight.record)
        return ''
      })
    },
  })
  t.equal((await get(`${url}/open`)).status, 200)
  await waitUntil(() => lines.some(({ msg }) => msg === 'request'))
  const [record] = records
  t.throws(() => { if (record !== undefined) record.code = 'internal' }, TypeError)
  t.equal(record?.code, undefined)
})
