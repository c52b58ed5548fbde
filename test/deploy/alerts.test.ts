// Evaluates the alerts of docs/operate by Prometheus' own tool: each fires, stays silent below its threshold, and stays
// silent for another program with the same metrics.
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { assertSchema } from '../helpers/assert-schema.ts'
import { root } from '../helpers/spawn-program.ts'

const hasPromtool = spawnSync('promtool', ['--version']).status === 0
const skip = !hasPromtool && process.env['CI'] !== 'true' && 'promtool (prometheus) is not installed'

const rulesFile = join(root, 'docs/operate/alerts.yaml')
const RulesSchema = Type.Object({
  groups: Type.Array(Type.Object({
    rules: Type.Array(Type.Object({
      alert: Type.Optional(Type.String()),
      labels: Type.Optional(Type.Record(Type.String(), Type.String())),
      annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
    })),
  })),
})
const alerts = assertSchema(RulesSchema, parse(await readFile(rulesFile, 'utf8')))
  .groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined)

/** Values of series by metric and labels, in the notation of promtool: one value for each minute. */
type Series = Record<string, string>
interface Scenario {
  /** With these series the alert fires at `at`. */
  fires: Series
  /** With these it does not: an incident that is too small, too short, or over. */
  silent: Record<string, Series>
  at: string
  /** Labels of the alert besides `job` and those of its rule. */
  labels?: Record<string, string>
}

const route = 'route="/companies/:company_id/users"'
const failed = `procore_bff_requests_total{${route},status_class="5xx",code="procore_unavailable"}`
const succeeded = `procore_bff_requests_total{${route},status_class="2xx",code=""}`
const ready = 'procore_bff_requests_total{route="/readyz",status_class="5xx",code="procore_unavailable"}'
const limited = `procore_bff_requests_total{${route},status_class="4xx",code="procore_rate_limited"}`
const limit = 'procore_bff_rate_limit_limit{company_id="101"}'
const remaining = 'procore_bff_rate_limit_remaining{company_id="101"}'
const reset = 'procore_bff_rate_limit_reset_seconds{company_id="101"}'
const hour = 'procore_bff_rate_limit_hour_used_ratio{company_id="101"}'
const queued = 'procore_bff_connections{host="api",state="queued"}'
const login = 'procore_bff_dependency_up{dependency="login"}'
const redis = 'procore_bff_dependency_up{dependency="redis"}'
const identity = 'procore_bff_dependency_up{dependency="identity"}'
const unknown = 'procore_bff_outcomes_total{outcome="unknown"}'
const refused = 'procore_bff_tokens_total{result="refused"}'
const dropped = 'procore_bff_log_lines_dropped_total{kind="audit"}'

const instance = 'replica-1:3000'
const ofReplica = { instance }
const ofCompany = { company_id: '101' }

const scenarios: Record<string, Scenario> = {
  ProcoreBffBudgetBurnsFast: {
    at: '70m',
    fires: { [failed]: '0+10x70', [succeeded]: '0+90x70' },
    silent: {
      'at a twentieth': { [failed]: '0+5x70', [succeeded]: '0+95x70' },
      'with a few failures among few requests': { [failed]: '0x66 1 2 3 4', [succeeded]: '0x70' },
      'after the failures ended': { [failed]: '0+10x60 600x10', [succeeded]: '0+90x70' },
      'with failures of other routes': { [ready]: '0+10x70', [succeeded]: '0+90x70' },
    },
  },
  ProcoreBffBudgetBurnsSlowly: {
    at: '80m',
    fires: { [failed]: '0+4x80', [succeeded]: '0+96x80' },
    silent: {
      'at a fiftieth': { [failed]: '0+2x80', [succeeded]: '0+98x80' },
      'with a few failures among few requests': { [failed]: '0x60 1 2 3 4x17', [succeeded]: '0x80' },
      'after the failures ended': { [failed]: '0+10x40 400x40', [succeeded]: '0+90x80' },
    },
  },
  ProcoreBffDown: {
    at: '5m',
    fires: {},
    silent: {
      'while one of two replicas answers': {
        'up{}': '1x5', 'up{instance="replica-2:3000"}': '0x5',
      },
      'for one failed scrape': { 'up{}': '1x3 0 1' },
    },
  },
  ProcoreBffReplicaDown: {
    at: '10m',
    labels: ofReplica,
    fires: { 'up{}': '0x10' },
    silent: { 'for a restart of two minutes': { 'up{}': '1x3 0 0 1x5' } },
  },
  ProcoreBffUnknownOutcome: {
    at: '10m',
    fires: { [unknown]: '0x5 1x5' },
    silent: {
      'without another one': { [unknown]: '7x10' },
      'for creates that were rejected': { 'procore_bff_outcomes_total{outcome="rejected"}': '0+1x10' },
    },
  },
  ProcoreBffTokenMissing: {
    at: '5m',
    labels: ofReplica,
    fires: { 'procore_bff_token_valid{}': '0x5', 'procore_bff_token_valid{instance="replica-2:3000"}': '1x5' },
    silent: { 'for a minute': { 'procore_bff_token_valid{}': '0 0 1x3' } },
  },
  ProcoreBffTokenFailing: {
    at: '8m',
    labels: { ...ofReplica, dependency: 'login' },
    fires: { [login]: '0x8' },
    silent: { 'for three minutes': { [login]: '0x3 1x5' } },
  },
  ProcoreBffTokenRefused: {
    at: '10m',
    fires: { [refused]: '0+1x10' },
    silent: { 'for two tokens': { [refused]: '0x5 1 2x4' } },
  },
  ProcoreBffProcoreDown: {
    at: '8m',
    fires: { 'procore_bff_breaker_open{}': '1x8', [failed]: '0+5x8' },
    silent: {
      'without requests': { 'procore_bff_breaker_open{}': '1x8', [failed]: '5x8' },
      'while the breaker is closed': { 'procore_bff_breaker_open{}': '0x8', [failed]: '0+5x8' },
    },
  },
  ProcoreBffRateLimitNearlyExhausted: {
    at: '5m',
    labels: ofCompany,
    fires: { [limit]: '3600x5', [remaining]: '300x5', [reset]: '1800x5' },
    silent: {
      'with a fifth remaining': { [limit]: '3600x5', [remaining]: '720x5', [reset]: '1800x5' },
      'shortly before the reset': { [limit]: '3600x5', [remaining]: '300x5', [reset]: '30x5' },
    },
  },
  ProcoreBffRateLimitHourMostlyUsed: {
    at: '5m',
    labels: ofCompany,
    fires: { [hour]: '0.9x5' },
    silent: { 'at three quarters': { [hour]: '0.75x5' } },
  },
  ProcoreBffRequestsRateLimited: {
    at: '10m',
    fires: { [limited]: '0x5 1x5' },
    silent: { 'without another one': { [limited]: '7x10' } },
  },
  ProcoreBffRedisDown: {
    at: '5m',
    fires: { [redis]: '0x5' },
    silent: { 'for a minute': { [redis]: '0 0 1x3' } },
  },
  ProcoreBffCallersUnverifiable: {
    at: '8m',
    fires: { [identity]: '0x8' },
    silent: { 'for three minutes': { [identity]: '0x3 1x5' } },
  },
  ProcoreBffConnectionsExhausted: {
    at: '8m',
    labels: ofReplica,
    fires: { [queued]: '3x8' },
    silent: { 'for three minutes': { [queued]: '3x3 0x5' } },
  },
  ProcoreBffEventLoopSlow: {
    at: '8m',
    labels: ofReplica,
    fires: { 'nodejs_eventloop_lag_p99_seconds{}': '0.5x8' },
    silent: { 'at a tenth of a second': { 'nodejs_eventloop_lag_p99_seconds{}': '0.1x8' } },
  },
  ProcoreBffCompanyNotConnected: {
    at: '40m',
    fires: { 'procore_bff_companies_not_connected{}': '1x40' },
    silent: { 'until the next check': { 'procore_bff_companies_not_connected{}': '1x20 0x20' } },
  },
  ProcoreBffLogLinesLost: {
    at: '10m',
    labels: ofReplica,
    fires: { [dropped]: '0x5 4x5' },
    silent: { 'without another one': { [dropped]: '4x10' } },
  },
}

/** Adds the labels that Prometheus adds at a scrape. */
function scraped (series: Series, job: string): Array<{ series: string, values: string }> {
  return Object.entries(series).map(([name, values]) => {
    const target = name.includes('instance=') ? `job="${job}"` : `job="${job}",instance="${instance}"`
    const labelled = name.replace('{}', `{${target}}`)
    return { series: labelled === name ? name.replace('}', `,${target}}`) : labelled, values }
  })
}

interface Case {
  alert: string
  name: string
  input: ReturnType<typeof scraped>
  isFiring: boolean
}

const serviceIsUp = scraped({ 'up{}': '1x80' }, 'procore-bff')
/** The series of another program, beside a service that works. For an absent service, the other program works. */
function ofAnotherJob (alert: string, { fires }: Scenario): ReturnType<typeof scraped> {
  return [...scraped(alert === 'ProcoreBffDown' ? { 'up{}': '0x80' } : fires, 'other-program'), ...serviceIsUp]
}

const cases: Case[] = Object.entries(scenarios).flatMap(([alert, scenario]) => [
  { alert, name: 'fires', input: scraped(scenario.fires, 'procore-bff'), isFiring: true },
  ...Object.entries(scenario.silent).map(([name, series]) => ({
    alert, name: `does not fire ${name}`, input: scraped(series, 'procore-bff'), isFiring: false,
  })),
  { alert, name: 'does not fire for another job', input: ofAnotherJob(alert, scenario), isFiring: false },
])
cases.push({
  alert: 'ProcoreBffDown',
  name: 'fires if only another program answers',
  input: scraped({ 'up{}': '1x5' }, 'other-program'),
  isFiring: true,
}, {
  alert: 'ProcoreBffDown',
  name: 'fires if every replica is a target and none answers',
  input: scraped({ 'up{}': '0x5', 'up{instance="replica-2:3000"}': '0x5' }, 'procore-bff'),
  isFiring: true,
}, {
  alert: 'ProcoreBffUnknownOutcome',
  name: 'fires for a row of an import',
  input: scraped({ 'procore_bff_import_rows_total{status="unknown"}': '0x5 1x5' }, 'procore-bff'),
  isFiring: true,
})

/** Returns the alert as Prometheus sends it. */
function expectedAlert (alert: string): { exp_labels: Series, exp_annotations: Series } {
  const rule = alerts.find(rule => rule.alert === alert)
  const annotations = Object.entries(rule?.annotations ?? {}).map(([name, text]) => [
    name, text.replace('{{ $labels.instance }}', instance).replace('{{ $labels.company_id }}', '101'),
  ] as const)
  return {
    exp_labels: { job: 'procore-bff', ...rule?.labels, ...scenarios[alert]?.labels },
    exp_annotations: Object.fromEntries(annotations),
  }
}

const toTestFile = ({ alert, input, isFiring }: Case) => stringify({
  rule_files: [rulesFile],
  evaluation_interval: '1m',
  tests: [{
    interval: '1m',
    input_series: input,
    alert_rule_test: [{
      eval_time: scenarios[alert]?.at, alertname: alert, exp_alerts: isFiring ? [expectedAlert(alert)] : [],
    }],
  }],
})

t.test('every alert has a scenario', async t => {
  t.strictSame(Object.keys(scenarios).sort(), alerts.map(({ alert }) => alert).sort())
})

t.test('an alert', { skip }, async t => {
  const directory = t.testdir(Object.fromEntries(cases.map((one, index) => [`${index}.yaml`, toTestFile(one)])))
  const files = cases.map((_, index) => join(directory, `${index}.yaml`))
  const { stdout, stderr } = spawnSync('promtool', ['test', 'rules', ...files], { encoding: 'utf8' })
  t.comment(stderr)
  const results = stdout.split('Unit Testing:')
  for (const [index, { alert, name }] of cases.entries()) {
    t.test(`${alert} ${name}`, async t => {
      t.match(results.find(text => text.includes(`/${index}.yaml\n`)), /^ {2}SUCCESS$/m)
    })
  }
})
