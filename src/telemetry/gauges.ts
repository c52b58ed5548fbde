/** What the parts of the service say of themselves when Prometheus asks; between two questions nothing of it costs anything. It changes nothing of them. */
import { Counter, Gauge, type Registry } from 'prom-client'
import { limits } from '../config/limits.ts'
import { metricPrefix } from './metrics.ts'
import { dependenciesOf, type Parts } from '../health/dependencies.ts'

type Labels = Record<string, string>
type Set = (value: number, labels?: Labels) => void

/** Adds them to the registry, those of Redis only where there is one. Whoever scrapes pays for reading the parts. */
export function addGauges (registry: Registry, parts: Parts): void {
  const { lifecycle, procore, store, forms } = parts
  const { tokens, allowance } = procore
  const add = { gauge: adder(registry, Gauge), counter: adder(registry, Counter) }

  add.gauge('requests_in_flight', 'Requests that are under way, without those who watch the status page.', set => set(lifecycle.underWay))
  add.gauge('forms_in_flight', 'Forms that are under way: held, to be sent whole, or streamed.', set => {
    for (const way of ['held', 'streamed'] as const) set(forms.count(way), { way })
  }, ['way'])
  add.gauge('dependency_up', 'Whether what this service depends on works: Procore\'s login and API hosts, the issuer of callers\' tokens, Redis.', set => {
    for (const [dependency, isUp] of Object.entries(dependenciesOf(parts, standing => standing.isUp))) set(isUp ? 1 : 0, { dependency })
  }, ['dependency'])
  add.gauge('breaker_open', 'Whether requests to Procore are refused since the API host fails.', set => set(procore.api.isUp ? 0 : 1))
  add.gauge('connections', 'Connections to Procore\'s hosts: free, busy, and requests queued for one.', set => {
    for (const [host, counts] of Object.entries(procore.connections())) {
      for (const [state, count] of Object.entries(counts)) set(count, { host, state })
    }
  }, ['host', 'state'])

  // Which companies these are changes, so that only each scrape is bounded.
  const shown = `of the ${limits.rateLimit.companiesShown} companies with the fewest at each scrape`
  add.gauge('allowance_remaining', `Requests that Procore still allows, ${shown}.`, set => {
    for (const { companyId, remaining } of allowance.standings(limits.rateLimit.companiesShown)) set(remaining, labelOf(companyId))
  }, ['company_id'])
  add.gauge('allowance_limit', `Requests that Procore allows in all until the reset, where it says so, ${shown}.`, set => {
    for (const { companyId, limit } of allowance.standings(limits.rateLimit.companiesShown)) if (limit !== undefined) set(limit, labelOf(companyId))
  }, ['company_id'])
  add.gauge('allowance_reset_seconds', `Until Procore allows more, ${shown}.`, set => {
    for (const { companyId, resetMs } of allowance.standings(limits.rateLimit.companiesShown)) set(resetMs / 1000, labelOf(companyId))
  }, ['company_id'])
  add.gauge('allowance_waiting', 'Requests that wait for Procore\'s allowance.', set => set(allowance.waiting))
  add.counter('allowance_refusals_total', 'Requests that were refused without asking Procore since nothing remained of its allowance.', set => set(allowance.refused))

  add.gauge('token_age_seconds', 'Age of the token for Procore\'s API; absent when there is none.', set => {
    if (tokens.ageMs !== undefined) set(tokens.ageMs / 1000)
  })
  add.gauge('token_valid', 'Whether there is a valid token for Procore\'s API, whatever its login host does.', set => set(tokens.isValid ? 1 : 0))
  add.counter('tokens_total', 'Tokens for Procore\'s API: renewed, attempts that failed, and those that the API refused.', set => {
    for (const [result, count] of Object.entries(tokens.counts)) set(count, { result })
  }, ['result'])
  if (store === undefined) return
  add.counter('redis_calls_total', 'Calls to Redis.', set => set(store.counts.calls))
  add.counter('redis_failures_total', 'Calls to Redis that had no answer in time or were refused.', set => set(store.counts.failures))
}

const labelOf = (companyId: number | undefined): Labels => ({ company_id: companyId === undefined ? 'all' : String(companyId) })

/** What was set at the last question is forgotten at the next, so that companies do not pile up. */
function adder (registry: Registry, Metric: typeof Gauge | typeof Counter) {
  return (name: string, help: string, ask: (set: Set) => void, labelNames: readonly string[] = []): void => {
    registry.registerMetric(new Metric({
      name: metricPrefix + name,
      help,
      labelNames,
      registers: [],
      collect () {
        this.reset()
        // One without labels would be 0 after a reset, which is not the same as unknown.
        if (labelNames.length === 0) this.remove()
        ask((value, labels = {}) => this.inc(labels, value))
      },
    }))
  }
}
