// A real Prometheus scrapes a service in use, and evaluates every panel of the dashboard.
import t from 'tap'
import { version } from '../../src/config/product.ts'
import { dashboard, resolveVariables, sendEachKind } from '../helpers/dashboard.ts'
import { hasPrometheus, startPrometheus, type Vector } from '../helpers/prometheus.ts'
import { startRedis } from '../helpers/redis.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { hasRedis } from '../helpers/redis.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const hasPrograms = hasPrometheus && hasRedis
const skip = !hasPrograms && process.env['CI'] !== 'true' && 'prometheus or redis-server is not installed'

const hasValue = (vector: Vector) => vector.some(({ value: [, text] }) => text !== 'NaN')

/** Sends twice as many creates as Procore allows in a second. */
async function waitForRateLimit ({ usersUrl }: Service): Promise<void> {
  await Promise.all(Array.from({ length: 8 }, (_, index) => {
    return sendJson(usersUrl, { user: { ...jane, email_address: `limited${index}@example.com` } })
  }))
}

t.test('every panel of the dashboard, for two replicas in use', { skip }, async t => {
  const redis = await startRedis(t)
  // A short life of access tokens: they are renewed during the test.
  const service = await startService(t, { env: { REDIS_URL: redis.url }, emulator: { expiresInSeconds: 1 } })
  const limited = await startService(t, {
    env: { RATE_LIMIT_MAX_WAIT_MS: '10000' }, emulator: { rateLimit: 4, rateWindowSeconds: 1 },
  })
  const query = await startPrometheus(t, [service, limited].map(({ port }) => `127.0.0.1:${port}`))
  const isScraped = async (expression: string) => (await query(expression)).length > 0
  // A histogram has no series before its first value, so that Prometheus sees an increase with the second.
  for (const [index, email] of ['a@example.com', 'b@example.com'].entries()) {
    await waitUntil(() => isScraped(`sum(procore_bff_outcomes_total{outcome="replayed"}) == ${index}`))
    await sendEachKind(`${service.url}/companies/101`, email)
  }
  await waitUntil(() => isScraped('procore_bff_outcomes_total{outcome="replayed"} == 2'))
  await waitForRateLimit(limited)
  await waitUntil(() => isScraped('increase(procore_bff_rate_limit_wait_seconds_count[1m]) > 0'))
  await waitUntil(() => isScraped('procore_bff:failing:ratio_rate30d >= 0'))
  await waitUntil(() => isScraped('increase(procore_bff_token_request_duration_seconds_count[1m]) > 0'))

  for (const { title, targets = [] } of dashboard.panels) {
    for (const { expr, legendFormat } of targets) {
      // Gauges have no value while a scrape fails, as it may on a busy machine.
      await t.test(`${title}, ${legendFormat}: has a value`, async () => {
        await waitUntil(async () => hasValue(await query(resolveVariables(expr))))
      })
    }
  }
  for (const { name, expr } of dashboard.annotations.list) {
    t.test(`the annotation ${name} shows the version of the service`, async t => {
      t.match(await query(resolveVariables(expr)), [{ metric: { version } }])
    })
  }
})

t.test('the first row answers whether the service is well', async t => {
  const first = dashboard.panels.filter(({ gridPos, type }) => gridPos.y === 1 && type === 'stat')
  t.strictSame(first.map(({ title }) => title), [
    'Replicas that answer', 'Creates and changes that succeed', 'Rate limit that remains', 'p99', 'Budget that remains',
    'Alerts that fire',
  ])
})
