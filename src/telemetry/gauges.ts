/** What the parts of the service say of themselves when Prometheus asks; between two questions nothing of it costs anything. It changes nothing of them. */
import { Counter, Gauge, type Registry } from 'prom-client'
import { limits } from '../config/limits.ts'
import { metricPrefix } from './metrics.ts'
import { mapDependencies, type ObservedComponents } from '../health/dependencies.ts'

type Labels = Record<string, string>
type SetValue = (value: number, labels?: Labels) => void

/** Adds them to the registry, those of Redis only where there is one. Whoever scrapes pays for reading the parts. */
export function registerGauges (registry: Registry, components: ObservedComponents): void {
  const { inFlight, procore, redis, activeForms } = components
  const { accessTokens, rateLimiter } = procore
  const register = { gauge: metricFactory(registry, Gauge), counter: metricFactory(registry, Counter) }

  register.gauge('requests_in_flight', 'Requests that are under way, without those who watch the status page.', set => set(inFlight.count))
  register.gauge('forms_in_flight', 'Forms that are under way: held, to be sent whole, or streamed.', set => {
    for (const mode of ['buffered', 'streamed'] as const) set(activeForms.count(mode), { mode })
  }, ['way'])
  register.gauge('dependency_up', 'Whether what this service depends on works: Procore\'s login and API hosts, the issuer of callers\' tokens, Redis.', set => {
    for (const [dependency, isUp] of Object.entries(mapDependencies(components, standing => standing.isUp))) set(isUp ? 1 : 0, { dependency })
  }, ['dependency'])
  register.gauge('breaker_open', 'Whether requests to Procore are refused since the API host fails.', set => set(procore.apiStatus.isUp ? 0 : 1))
  register.gauge('connections', 'Connections to Procore\'s hosts: free, busy, and requests queued for one.', set => {
    for (const [host, counts] of Object.entries(procore.connectionStats())) {
      for (const [state, count] of Object.entries(counts)) set(count, { host, state })
    }
  }, ['host', 'state'])

  // Which companies these are changes, so that only each scrape is bounded.
  const subset = `of the ${limits.rateLimit.companiesShown} companies with the fewest at each scrape`
  register.gauge('allowance_remaining', `Requests that Procore still allows, ${subset}.`, set => {
    for (const { companyId, remaining } of rateLimiter.snapshots(limits.rateLimit.companiesShown)) set(remaining, companyLabels(companyId))
  }, ['company_id'])
  register.gauge('allowance_limit', `Requests that Procore allows in all until the reset, where it says so, ${subset}.`, set => {
    for (const { companyId, limit } of rateLimiter.snapshots(limits.rateLimit.companiesShown)) if (limit !== undefined) set(limit, companyLabels(companyId))
  }, ['company_id'])
  register.gauge('allowance_reset_seconds', `Until Procore allows more, ${subset}.`, set => {
    for (const { companyId, resetMs } of rateLimiter.snapshots(limits.rateLimit.companiesShown)) set(resetMs / 1000, companyLabels(companyId))
  }, ['company_id'])
  register.gauge('allowance_waiting', 'Requests that wait for Procore\'s allowance.', set => set(rateLimiter.waitingCount))
  register.counter('allowance_refusals_total', 'Requests that were refused without asking Procore since nothing remained of its allowance.', set => set(rateLimiter.rejectedCount))

  register.gauge('token_age_seconds', 'Age of the token for Procore\'s API; absent when there is none.', set => {
    if (accessTokens.ageMs !== undefined) set(accessTokens.ageMs / 1000)
  })
  register.gauge('token_valid', 'Whether there is a valid token for Procore\'s API, whatever its login host does.', set => set(accessTokens.isValid ? 1 : 0))
  register.counter('tokens_total', 'Tokens for Procore\'s API: renewed, attempts that failed, and those that the API refused.', set => {
    for (const [result, count] of Object.entries(accessTokens.counts)) set(count, { result })
  }, ['result'])
  if (redis === undefined) return
  register.counter('redis_calls_total', 'Calls to Redis.', set => set(redis.counts.calls))
  register.counter('redis_failures_total', 'Calls to Redis that had no answer in time or were refused.', set => set(redis.counts.failures))
}

const companyLabels = (companyId: number | undefined): Labels => ({ company_id: companyId === undefined ? 'all' : String(companyId) })

/** What was set at the last question is forgotten at the next, so that companies do not pile up. */
function metricFactory (registry: Registry, Metric: typeof Gauge | typeof Counter) {
  return (name: string, help: string, collect: (set: SetValue) => void, labelNames: readonly string[] = []): void => {
    registry.registerMetric(new Metric({
      name: metricPrefix + name,
      help,
      labelNames,
      registers: [],
      collect () {
        this.reset()
        // One without labels would be 0 after a reset, which is not the same as unknown.
        if (labelNames.length === 0) this.remove()
        collect((value, labels = {}) => this.inc(labels, value))
      },
    }))
  }
}
