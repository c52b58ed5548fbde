// The examples for Envoy and Traefik, which no test runs, have values that fit the settings of the service.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/index.ts'
import { limits } from '../../src/config/limits.ts'
import { getLongestWaitMs } from '../../src/config/longest-wait.ts'
import { problemTable } from '../../src/server/problem.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { root } from '../helpers/spawn-program.ts'

const config = loadConfig({ PROCORE_CLIENT_ID: 'id', PROCORE_CLIENT_SECRET: 'hunter2hunter2', CALLER_AUTH: 'none' })
const longestWaitMs = getLongestWaitMs(config.procore)
const readExample = async (name: string): Promise<unknown> =>
  parse(await readFile(join(root, 'deploy/gateways', name), 'utf8'))

const Seconds = Type.String({ pattern: '^\\d+s$' })
const toMs = (seconds: string) => parseInt(seconds, 10) * 1000

const ProblemSchema = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  code: Type.Literal('overloaded'),
  outcome: Type.String(),
})
const RouteSchema = Type.Object({
  match: Type.Object({ safe_regex: Type.Object({ regex: Type.String() }) }),
  route: Type.Object({
    timeout: Seconds, idle_timeout: Seconds, retry_policy: Type.Object({ retry_on: Type.Literal('connect-failure') }),
  }),
})
const ManagerSchema = Type.Object({
  use_remote_address: Type.Literal(true),
  max_request_headers_kb: Type.Integer(),
  stream_idle_timeout: Seconds,
  http_filters: Type.Array(Type.Object({ name: Type.String() })),
  route_config: Type.Object({ virtual_hosts: Type.Array(Type.Object({ routes: Type.Array(RouteSchema) })) }),
  local_reply_config: Type.Object({
    mappers: Type.Array(Type.Object({
      filter: Type.Object({
        and_filter: Type.Object({
          filters: Type.Tuple([
            Type.Object({ response_flag_filter: Type.Object({ flags: Type.Array(Type.String()) }) }), Type.Unknown(),
          ]),
        }),
      }),
      status_code: Type.Integer(),
      body_format_override: Type.Object({ json_format: ProblemSchema }),
    })),
  }),
})
const EnvoySchema = Type.Object({
  static_resources: Type.Object({
    listeners: Type.Tuple([Type.Object({
      filter_chains: Type.Tuple([Type.Object({
        filters: Type.Tuple([Type.Object({ typed_config: ManagerSchema })]),
      })]),
    })]),
    clusters: Type.Tuple([Type.Object({
      type: Type.Literal('STRICT_DNS'),
      typed_extension_protocol_options: Type.Record(Type.String(), Type.Object({
        common_http_protocol_options: Type.Object({ idle_timeout: Seconds }),
      })),
    })]),
  }),
})

t.test('Envoy', async t => {
  const { static_resources: { listeners, clusters } } = assertSchema(EnvoySchema, await readExample('envoy.yaml'))
  const manager = listeners[0].filter_chains[0].filters[0].typed_config
  const routes = manager.route_config.virtual_hosts.flatMap(({ routes }) => routes)
  const [importRoute, otherRoute] = routes

  await t.test('buffers no body', async t => {
    t.strictSame(manager.http_filters.map(({ name }) => name), ['envoy.filters.http.router'])
  })

  await t.test('waits longer than the service, and for an import as long as it may take', async t => {
    for (const timeout of [manager.stream_idle_timeout, otherRoute?.route.timeout, otherRoute?.route.idle_timeout]) {
      t.ok(toMs(timeout ?? '') > longestWaitMs)
    }
    for (const timeout of [importRoute?.route.timeout, importRoute?.route.idle_timeout]) {
      t.ok(toMs(timeout ?? '') >= limits.imports.timeoutMs)
    }
  })

  await t.test('closes an idle connection before the service does', async t => {
    const [options] = Object.values(clusters[0].typed_extension_protocol_options)
    t.ok(toMs(options?.common_http_protocol_options.idle_timeout ?? '') < config.keepAliveTimeoutMs)
  })

  await t.test('accepts a head of the size that the service accepts', async t => {
    t.equal(manager.max_request_headers_kb * 1024, limits.server.headersMaxBytes)
  })

  await t.test('forwards the API only', async t => {
    const patterns = routes.map(({ match }) => new RegExp(`^${match.safe_regex.regex}$`))
    const isForwarded = (path: string) => patterns.some(pattern => pattern.test(path))
    for (const path of ['/companies', '/companies/1/users', '/rest/v1.0/companies', '/docs/problems']) {
      t.ok(isForwarded(path), path)
    }
    for (const path of ['/livez', '/metrics', '/docs', '/companiesx']) t.notOk(isForwarded(path), path)
  })

  await t.test('states in its own problems that a create was not sent if no connection was made', async t => {
    const { status, title } = problemTable.overloaded
    const problem = { type: '/docs/problems#overloaded', title, status }
    t.match(manager.local_reply_config.mappers, [
      { status_code: status, body_format_override: { json_format: { ...problem, outcome: 'not_sent' } } },
      { status_code: status, body_format_override: { json_format: { ...problem, outcome: 'unknown' } } },
    ])
    const flags = manager.local_reply_config.mappers.map(({ filter }) =>
      filter.and_filter.filters[0].response_flag_filter.flags)
    t.strictSame(flags[0], ['UF', 'UH', 'UO'], 'connection failure, no healthy replica, overflow')
  })
})

const TraefikSchema = Type.Object({
  entryPoints: Type.Object({
    gateway: Type.Object({
      transport: Type.Object({ respondingTimeouts: Type.Object({ readTimeout: Seconds, writeTimeout: Seconds }) }),
    }),
  }),
})
const RoutesSchema = Type.Object({
  http: Type.Object({
    middlewares: Type.Record(Type.String(), Type.Object({})),
    serversTransports: Type.Object({
      replicas: Type.Object({
        forwardingTimeouts: Type.Object({ responseHeaderTimeout: Seconds, idleConnTimeout: Seconds }),
      }),
    }),
  }),
})

t.test('Traefik', async t => {
  const { entryPoints } = assertSchema(TraefikSchema, await readExample('traefik.yml'))
  const { http } = assertSchema(RoutesSchema, await readExample('traefik-routes.yml'))
  const { forwardingTimeouts } = http.serversTransports.replicas

  await t.test('has no middleware that retries or buffers', async t => {
    t.strictSame(Object.values(http.middlewares).flatMap(middleware => Object.keys(middleware)), [
      'headers', 'inFlightReq',
    ])
  })

  await t.test('waits longer than the service, and for an import as long as it may take', async t => {
    t.ok(toMs(forwardingTimeouts.responseHeaderTimeout) > longestWaitMs)
    const { readTimeout, writeTimeout } = entryPoints.gateway.transport.respondingTimeouts
    t.ok(toMs(readTimeout) >= limits.imports.timeoutMs)
    t.equal(toMs(writeTimeout), 0)
  })

  await t.test('closes an idle connection before the service does', async t => {
    t.ok(toMs(forwardingTimeouts.idleConnTimeout) < config.keepAliveTimeoutMs)
  })
})

t.test('HAProxy waits longer than the service, and for an import as long as it may take', async t => {
  const haproxy = await readFile(join(root, 'deploy/gateways/haproxy.cfg'), 'utf8')
  const readMs = (pattern: RegExp) => toMs(pattern.exec(haproxy)?.[1] ?? '')
  t.ok(readMs(/^ {2}timeout server (\d+s)$/m) > longestWaitMs)
  t.ok(readMs(/set-timeout server (\d+s) if .*users\/import/) >= limits.imports.timeoutMs)
  t.ok(readMs(/^ {2}timeout client (\d+s)$/m) > config.body.idleTimeoutMs)
})
