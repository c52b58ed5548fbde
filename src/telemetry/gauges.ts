/** Defines the metrics that are read from the components on each scrape. Between scrapes they cost nothing. */
import { Counter, Gauge, type Registry } from '@prometheus-io/client'
import { limits } from '../config/limits.ts'
import { version } from '../config/product.ts'
import { metricPrefix } from './metrics.ts'
import { mapDependencies, type ObservedComponents } from './dependencies.ts'

type Labels = Record<string, string>
/** Adds metrics whose values are read on each scrape. */
interface MetricFactories {
  gauge: ReturnType<typeof metricFactory>
  counter: ReturnType<typeof metricFactory>
}
type SetValue = (value: number, labels?: Labels) => void

/** Adds the metrics of the components to the registry; those of Redis only if it is configured. */
export function addGauges (registry: Registry, components: ObservedComponents): void {
  const { inFlight, procore, redis, activeForms, logOutput } = components
  const { accessTokens } = procore
  const register = { gauge: metricFactory(registry, Gauge), counter: metricFactory(registry, Counter) }
  addRateLimitMetrics(register, procore)
  register.gauge('build_info', 'Version of the service, as a label; the value is always 1.', set => {
    set(1, { version })
  }, ['version'])

  register.gauge('requests_in_flight', 'Requests in flight, without the event streams of the status page.', set => {
    set(inFlight.count)
  })
  register.gauge('forms_in_flight', 'Forms in flight: buffered, to be sent whole, or streamed.', set => {
    for (const mode of ['buffered', 'streamed'] as const) set(activeForms.count(mode), { mode })
  }, ['mode'])
  const dependencies = 'Procore\'s login and API hosts, the issuer of the callers\' JWTs, Redis'
  register.gauge('dependency_up', `Whether a dependency of the service works: ${dependencies}.`, set => {
    for (const [dependency, isUp] of Object.entries(mapDependencies(components, status => status.isUp))) {
      set(isUp ? 1 : 0, { dependency })
    }
  }, ['dependency'])
  register.gauge('breaker_open', 'Whether the circuit breaker rejects requests, because the API host fails.', set => {
    set(procore.apiStatus.isUp ? 0 : 1)
  })
  const notConnectedHelp = 'Companies of PROCORE_COMPANY_IDS that Procore does not list for the app.'
  register.gauge('companies_not_connected', notConnectedHelp, set => set(procore.connectedCompanies.missing.length))
  register.gauge('connections', 'Connections to Procore\'s hosts: free, busy, and requests queued for one.', set => {
    for (const [host, { free, busy, queued }] of Object.entries(procore.connectionStats())) {
      for (const [state, count] of Object.entries({ free, busy, queued })) set(count, { host, state })
    }
  }, ['host', 'state'])

  register.gauge('token_age_seconds', 'Age of the access token for Procore\'s API; absent if there is none.', set => {
    if (accessTokens.ageMs !== undefined) set(accessTokens.ageMs / 1000)
  })
  register.gauge('token_valid', 'Whether there is a valid access token for Procore\'s API.', set => {
    set(accessTokens.isValid ? 1 : 0)
  })
  const tokensHelp = 'Access tokens for Procore\'s API: renewed, failed requests for one, refused by the API.'
  register.counter('tokens_total', tokensHelp, set => {
    for (const [result, count] of Object.entries(accessTokens.counts)) set(count, { result })
  }, ['result'])
  const droppedHelp = 'Lines of the log and of the audit trail that could not be written.'
  register.counter('log_lines_dropped_total', droppedHelp, set => {
    for (const [kind, count] of Object.entries(logOutput.droppedLines)) set(count, { kind })
  }, ['kind'])
  if (redis === undefined) return
  register.counter('redis_calls_total', 'Calls to Redis.', set => set(redis.counts.calls))
  register.counter('redis_failures_total', 'Calls to Redis that failed or timed out.', set => {
    set(redis.counts.failures)
  })
}

function addRateLimitMetrics (register: MetricFactories, { rateLimiter }: ObservedComponents['procore']): void {
  // Each scrape is bounded, but not the set of all companies that were ever shown.
  const shownCompanies = () => rateLimiter.snapshots(limits.rateLimit.companiesShown)
  const subset = `of the ${limits.rateLimit.companiesShown} companies with the fewest remaining at each scrape`
  register.gauge('rate_limit_remaining', `Requests that Procore's rate limit still allows, ${subset}.`, set => {
    for (const { companyId, remaining } of shownCompanies()) set(remaining, companyLabels(companyId))
  }, ['company_id'])
  register.gauge('rate_limit_limit', `Requests that Procore allows until the reset, if it says so, ${subset}.`, set => {
    for (const { companyId, limit } of shownCompanies()) {
      if (limit !== undefined) set(limit, companyLabels(companyId))
    }
  }, ['company_id'])
  register.gauge('rate_limit_reset_seconds', `Time until Procore's rate limit is reset, ${subset}.`, set => {
    for (const { companyId, resetMs } of shownCompanies()) set(resetMs / 1000, companyLabels(companyId))
  }, ['company_id'])
  const hourHelp = `Share of Procore's hourly rate limit that is used, by our own count or by Procore's, of the ${
    limits.rateLimit.companiesShown} companies with the largest share at each scrape.`
  register.gauge('rate_limit_hour_used_ratio', hourHelp, set => {
    for (const { companyId, used, limit } of rateLimiter.hourUsages(limits.rateLimit.companiesShown)) {
      set(used / limit, companyLabels(companyId))
    }
  }, ['company_id'])
  register.gauge('rate_limit_waiting', 'Requests that wait for Procore\'s rate limit.', set => {
    set(rateLimiter.waitingCount)
  })
  const rejectionsHelp = 'Requests rejected without asking Procore because its rate limit was exhausted.'
  register.counter('rate_limit_rejections_total', rejectionsHelp, set => set(rateLimiter.rejectedCount))
}

function companyLabels (companyId: number | undefined): Labels {
  return { company_id: companyId === undefined ? 'all' : String(companyId) }
}

/** Returns a function that registers a metric whose value is collected anew on each scrape. */
function metricFactory (registry: Registry, Metric: typeof Gauge | typeof Counter) {
  return (name: string, help: string, collect: (set: SetValue) => void, labelNames: readonly string[] = []): void => {
    registry.registerMetric(new Metric({
      name: metricPrefix + name,
      help,
      labelNames,
      registers: [],
      collect () {
        // Removes the series of the last scrape, so that series of companies do not accumulate.
        this.reset()
        // A metric without labels is 0 after a reset. Without a value it must be absent instead.
        if (labelNames.length === 0) this.remove()
        collect((value, labels = {}) => this.inc(labels, value))
      },
    }))
  }
}
