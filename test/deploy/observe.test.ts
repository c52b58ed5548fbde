// The files of `docker compose --profile observe up` fit each other, the service, its alerts and its dashboard.
import { spawnSync } from 'node:child_process'
import { copyFile, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { parse } from 'yaml'
import { assertSchema } from '../helpers/assert-schema.ts'
import { hasPrometheus, startPrometheus } from '../helpers/prometheus.ts'
import { startService } from '../helpers/service.ts'
import { root } from '../helpers/spawn-program.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const skip = !hasPrometheus && process.env['CI'] !== 'true' && 'prometheus is not installed'

const ContainerSchema = Type.Object({
  volumes: Type.Array(Type.String()), ports: Type.Array(Type.String()), environment: Type.Optional(Type.Unknown()),
})
const ComposeSchema = Type.Object({
  services: Type.Object({ prometheus: ContainerSchema, grafana: ContainerSchema, service: Type.Object({}) }),
})
const PrometheusSchema = Type.Object({
  global: Type.Object({ scrape_interval: Type.String() }),
  rule_files: Type.Array(Type.String()),
  scrape_configs: Type.Array(Type.Object({
    dns_sd_configs: Type.Array(Type.Object({ names: Type.Array(Type.String()), port: Type.Integer() })),
  })),
})
const DatasourcesSchema = Type.Object({
  datasources: Type.Array(Type.Object({
    uid: Type.String(),
    type: Type.String(),
    url: Type.String(),
    isDefault: Type.Boolean(),
    jsonData: Type.Object({ timeInterval: Type.String() }),
  })),
})
const ProvidersSchema = Type.Object({
  providers: Type.Array(Type.Object({ type: Type.Literal('file'), options: Type.Object({ path: Type.String() }) })),
})
const DashboardSchema = Type.Object({
  templating: Type.Object({ list: Type.Array(Type.Object({ name: Type.String(), query: Type.Unknown() })) }),
})

const read = (file: string) => readFile(join(root, file), 'utf8')
const { services } = assertSchema(ComposeSchema, parse(await read('docker-compose.yml')))
const prometheus = assertSchema(PrometheusSchema, parse(await read('deploy/observe/prometheus.yml')))
const { datasources } = assertSchema(DatasourcesSchema, parse(await read('deploy/observe/datasources.yml')))

/** Returns the file of the repository that a container has under the path. */
function findMounted ({ volumes }: typeof services.grafana, path: string): string | undefined {
  return volumes.map(volume => volume.split(':')).find(([, target]) => target === path)?.[0]
}

t.test('promtool accepts the configuration, with the rules where Compose mounts them', { skip }, async t => {
  const directory = t.testdir()
  const { prometheus: container } = services
  for (const path of ['prometheus.yml', 'alerts.yaml']) {
    const file = findMounted(container, `/etc/prometheus/${path}`) ?? ''
    await copyFile(join(root, file), join(directory, path))
  }
  const { status, stdout, stderr } = spawnSync(
    'promtool', ['check', 'config', join(directory, 'prometheus.yml')], { encoding: 'utf8' }
  )
  t.equal(status, 0, stderr)
  t.match(stdout, /1 rule files found[^]*SUCCESS: [1-9]\d rules found/)
})

t.test('Prometheus asks the DNS for the replicas, by the name and the port of docker-compose.yml', async t => {
  t.match(prometheus.scrape_configs, [{ dns_sd_configs: [{ names: ['service'], port: 3000 }] }])
})

t.test('Prometheus scrapes a service with this configuration, and evaluates the rules', { skip }, async t => {
  const { port } = await startService(t)
  const query = await startPrometheus(t, [`127.0.0.1:${port}`])
  await waitUntil(async () => (await query('procore_bff_build_info{job="procore-bff"}')).length === 1)
  t.match(await query('up'), [{ metric: { job: 'procore-bff' }, value: [Number, '1'] }])
})

t.test('Grafana asks the Prometheus of docker-compose.yml, as the default that the dashboard uses', async t => {
  t.match(datasources, [{ type: 'prometheus', isDefault: true }])
  t.equal(datasources[0]?.url, 'http://prometheus:9090')
  t.equal(datasources[0]?.jsonData.timeInterval, prometheus.global.scrape_interval)
  const dashboard = assertSchema(DashboardSchema, JSON.parse(await read('docs/operate/dashboard.json')))
  t.match(dashboard.templating.list.find(({ name }) => name === 'datasource'), { query: datasources[0]?.type })
})

t.test('Grafana loads the dashboard of docs/operate, which is its first page', async t => {
  const { providers } = assertSchema(ProvidersSchema, parse(await read('deploy/observe/dashboards.yml')))
  const path = /^default_home_dashboard_path = (.*)$/m.exec(await read('deploy/observe/grafana.ini'))?.[1] ?? ''
  t.equal(findMounted(services.grafana, path), './docs/operate/dashboard.json')
  t.equal(dirname(path), providers[0]?.options.path)
  for (const folder of ['datasources', 'dashboards']) {
    const target = `/etc/grafana/provisioning/${folder}/${folder}.yml`
    t.equal(findMounted(services.grafana, target), `./deploy/observe/${folder}.yml`)
  }
})

t.test('Grafana has no account, and only this machine reaches it', async t => {
  const ini = await read(findMounted(services.grafana, '/etc/grafana/grafana.ini') ?? '')
  t.match(ini, /^disable_initial_admin_creation = true$/m)
  t.match(ini, /^disable_login_form = true$/m)
  t.match(ini, /^\[auth\.anonymous\]\nenabled = true\norg_role = Viewer$/m)
  t.notMatch(ini, /password *=/)
  t.equal(services.grafana.environment, undefined)
  for (const port of [...services.grafana.ports, ...services.prometheus.ports]) t.match(port, /^127\.0\.0\.1:/)
})
