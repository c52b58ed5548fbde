// With traces, the histograms name the trace of a request that took so long, in the OpenMetrics format.
import t from 'tap'
import { startOtlpReceiver } from '../helpers/otlp-receiver.ts'
import { hasPrometheus, startPrometheusWithExemplars } from '../helpers/prometheus.ts'
import { parseFamilies, parseSamples } from '../helpers/prometheus-samples.ts'
import { get } from '../helpers/request-builders.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const skip = !hasPrometheus && process.env['CI'] !== 'true' && 'prometheus is not installed'
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const unsampledId = '5bf92f3577b34da6a3ce929d0e0e4736'
const traceparentOf = (id: string, flags: string) => `00-${id}-00f067aa0ba902b7-${flags}`
const openMetrics = { accept: 'application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3' }
const isText = /^text\/plain; version=0\.0\.4/

/** Starts a service that exports traces, and creates two users: in a trace that is sampled and in one that is not. */
async function startTracedService (t: Parameters<typeof startService>[0]) {
  const receiver = await startOtlpReceiver(t)
  const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } })
  const users = [{ ...jane, email_address: 'a@example.com' }, { ...jane, email_address: 'b@example.com' }]
  await sendJson(service.usersUrl, { user: users[0] }, { traceparent: traceparentOf(traceId, '01') })
  await sendJson(service.usersUrl, { user: users[1] }, { traceparent: traceparentOf(unsampledId, '00') })
  await waitUntil(() => service.app.inFlight.count === 0)
  return service
}

t.test('with traces, OpenMetrics has exemplars of sampled traces, and the text format has none', async t => {
  const { url } = await startTracedService(t)
  const [first, text, again] = [
    await get(`${url}/metrics`, openMetrics), await get(`${url}/metrics`), await get(`${url}/metrics`, openMetrics),
  ]
  for (const { headers, text } of [first, again]) {
    t.match(headers, { 'content-type': /^application\/openmetrics-text; version=1\.0\.0/, vary: /accept/ })
    const exemplar = `# {trace_id="${traceId}"} `
    const lines = text.split('\n').filter(line => line.includes(exemplar))
    const names = lines.map(line => line.slice(0, line.indexOf('{')))
    t.strictSame(new Set(names), new Set([
      'procore_bff_request_duration_seconds_bucket', 'procore_bff_upstream_duration_seconds_bucket',
    ]))
    t.notOk(text.includes(unsampledId))
    t.ok(text.endsWith('\n# EOF\n'))
    t.equal(text.split('# EOF').length, 2)
    t.notMatch(text, /\n\n/, 'a blank line is not valid')
    t.equal(parseFamilies(text).get('procore_bff_requests'), 'counter')
    t.match(text, /^procore_bff_requests_total\{/m)
    t.notMatch(text, /_total_total/)
  }
  t.match(text.headers['content-type'], isText)
  t.notMatch(text.text, /trace_id|EOF/)
  t.equal(parseFamilies(text.text).get('procore_bff_requests_total'), 'counter')
  const nameOf = ({ name, labels }: ReturnType<typeof parseSamples>[number]) => `${name} ${JSON.stringify(labels)}`
  const withoutExemplars = first.text.replaceAll(/ # \{.*$/gm, '')
  const series = (text: string) => new Set(parseSamples(text).map(nameOf))
  const difference = [...series(text.text).symmetricDifference(series(withoutExemplars))]
  const isOwn = (name: string) => name.startsWith('procore_bff_') && !name.includes('"route":"/metrics"')
  t.strictSame(difference.filter(isOwn), [], 'both formats have the same series')
})

t.test('without traces, only the text format is offered', async t => {
  const { url, usersUrl } = await startService(t)
  await sendJson(usersUrl, { user: jane }, { traceparent: traceparentOf(traceId, '01') })
  const { headers, text } = await get(`${url}/metrics`, openMetrics)
  t.match(headers['content-type'], isText)
  t.notMatch(text, /trace_id|EOF/)
})

t.test('Prometheus stores the exemplars', { skip }, async t => {
  const { url } = await startTracedService(t)
  const findExemplars = await startPrometheusWithExemplars(t, [new URL(url).host])
  const expression = 'procore_bff_request_duration_seconds_bucket'
  await waitUntil(async () => (await findExemplars(expression)).length > 0)
  const exemplars = (await findExemplars(expression)).flatMap(series => series.exemplars)
  t.strictSame(new Set(exemplars.map(({ labels }) => labels['trace_id'])), new Set([traceId]))
})
