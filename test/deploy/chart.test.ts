// Renders the Helm chart with many sets of values, and compares the manifests with the service, its configuration and
// its gateway. No cluster is needed: helm renders, and the types of Kubernetes and of its operators validate.
import { spawnSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { secretFileVariables } from '../../src/config/env-schema.ts'
import { loadConfig, type Config } from '../../src/config/index.ts'
import { limits } from '../../src/config/limits.ts'
import { getLongestWaitMs } from '../../src/config/longest-wait.ts'
import {
  buildChartFiles, chartPath, manifestsPath, manifestsValues, renderManifests,
} from '../../tools/scripts/kubernetes.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { getArguments, parseDockerfile } from '../helpers/dockerfile.ts'
import { hasHelm, parseManifests, renderChart, runHelm, type Values } from '../helpers/helm.ts'
import { findManifestIssues, is } from '../helpers/kubernetes.ts'
import { png } from '../helpers/images.ts'
import { csvOf, sendImport } from '../helpers/imports.ts'
import { readPage } from '../helpers/markdown.ts'
import { janeParts, multipartBody, send, sendMultipart } from '../helpers/requests.ts'
import { startTestEmulator } from '../helpers/service.ts'
import { root, spawnProgram } from '../helpers/spawn-program.ts'

const skip = !hasHelm && process.env['CI'] !== 'true' && 'helm is not installed'

const mebibyte = 1_048_576
const anyGateway = { gateway: [{ podSelector: { matchLabels: { app: 'gateway' } } }] }
const jwt = {
  CALLER_AUTH: 'jwt',
  JWT_JWKS_URL: 'https://issuer.example.com/jwks',
  JWT_ISSUER: 'https://issuer.example.com',
  JWT_AUDIENCE: 'procore-bff',
}
const withoutRedis = { replicas: 1, secret: { keys: ['PROCORE_CLIENT_ID', 'PROCORE_CLIENT_SECRET'] } }

interface ValueSet { file?: string, values?: Values }

const examples = (await readdir(join(chartPath, 'examples'))).map(name => `examples/${name}`)
const sets: Record<string, ValueSet> = {
  ...Object.fromEntries(examples.map(file => [basename(file, '.yaml'), { file }])),
  'everything on': {
    values: {
      image: { repository: 'registry.example.com/bff', digest: `sha256:${'0'.repeat(64)}`, pullPolicy: 'Always' },
      imagePullSecrets: [{ name: 'registry' }],
      autoscaling: { enabled: true },
      config: { ...jwt, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector:4318/v1/traces', HOST: '::' },
      secret: { external: { enabled: true, storeName: 'store', remoteKey: 'bff' } },
      caCertificates: { configMap: 'company-ca' },
      serviceAccount: { annotations: { 'example.com/identity': 'bff' } },
      podLabels: { team: 'directory' },
      podAnnotations: { 'example.com/mesh': 'off' },
      nodeSelector: { 'kubernetes.io/arch': 'arm64' },
      tolerations: [{ key: 'dedicated', operator: 'Exists' }],
      priorityClassName: 'important',
      service: { annotations: { 'example.com/balancer': 'internal' } },
      networkPolicy: anyGateway,
      ingress: { enabled: true, host: '*.example.com', annotations: { 'example.com/issuer': 'letsencrypt' } },
      gatewayApi: { enabled: true, parentRefs: [{ name: 'public' }], retryField: false },
      monitoring: {
        serviceMonitor: { enabled: true }, prometheusRule: { enabled: true }, dashboard: { enabled: true },
      },
    },
  },
  'large numbers and long times': {
    values: {
      config: {
        CALLER_AUTH: 'none',
        REDIS_ALLOW_PLAINTEXT: true,
        AVATAR_MAX_BYTES: 4_294_967_296,
        AVATAR_MAX_PIXELS: Number.MAX_SAFE_INTEGER,
        UPSTREAM_FORM_TIMEOUT_MS: 600_000,
        DRAIN_DELAY_MS: 1,
        SHUTDOWN_GRACE_MS: 650_001,
      },
      memoryMi: 4096,
      networkPolicy: anyGateway,
    },
  },
  'one replica that scales to two': {
    values: { autoscaling: { enabled: true, minReplicas: 1, maxReplicas: 2 }, config: jwt, networkPolicy: anyGateway },
  },
  'no network policy and no Prometheus': {
    values: { ...withoutRedis, config: { CALLER_AUTH: 'none' }, networkPolicy: { enabled: false, prometheus: [] } },
  },
}

t.test('the chart has the version, the settings, the alerts and the dashboard of this repository', async t => {
  for (const [path, text] of await buildChartFiles()) {
    t.equal(await readFile(path, 'utf8'), text, `${path}: npm run kubernetes`)
  }
})

t.test('the plain manifests are those that the chart renders', { skip }, async t => {
  const manifests = parseManifests(await readFile(manifestsPath, 'utf8'))
  t.strictSame(manifests, parseManifests(await renderManifests()), 'npm run kubernetes')
})

t.test('an unknown field, a wrong type and a missing field of a manifest are found', { skip }, async t => {
  const manifest = JSON.stringify(renderChart(manifestsValues).find(is.deployment))
  const wrong = [
    manifest.replace('livenessProbe', 'livenessProb'),
    manifest.replace('"replicas":3', '"replicas":"3"'),
    manifest.replace('"selector":', '"_":'),
  ]
  const issues = findManifestIssues(wrong.map((text): unknown => JSON.parse(text))).join('\n')
  for (const issue of ['\'"livenessProb"\' does not exist', 'must be integer', 'required property selector']) {
    t.match(issues, issue)
  }
})

/** The manifests of a set, with what most checks need. */
interface Rendered {
  manifests: unknown[]
  deployment: ReturnType<typeof findDeployment>
  /** The variables of the container and of the image; the files of secrets are in a directory of the test. */
  env: Record<string, string>
  config: Config
}

function findDeployment (manifests: readonly unknown[]) {
  const spec = manifests.find(is.deployment)?.spec
  const pod = spec?.template.spec
  const container = pod?.containers[0]
  if (spec === undefined || pod === undefined || container === undefined) throw new Error('There is no Deployment.')
  return { spec, pod, container, labels: spec.template.metadata?.labels ?? {} }
}

const secrets = {
  PROCORE_CLIENT_ID: 'client-id',
  PROCORE_CLIENT_SECRET: 'hunter2hunter2',
  REDIS_URL: 'rediss://:hunter2@redis.example.com',
  STATE_KEYS: 'state-key-of-more-than-thirty-two-characters',
  HTTPS_PROXY: 'http://user:hunter2@proxy.example.com:3128',
}
const secretMount = '/etc/procore-bff/secret'
const dockerfile = parseDockerfile(await readFile(join(root, 'Dockerfile'), 'utf8'))
const imageEnv = Object.fromEntries(getArguments(dockerfile, 'service', 'ENV').flatMap(argument => {
  return argument.split(' ').map(pair => [pair.split('=')[0] ?? '', pair.split('=')[1] ?? ''] as const)
}))

function render (t: Test, { file, values }: ValueSet): Rendered {
  const manifests = renderChart(file, values)
  const deployment = findDeployment(manifests)
  const directory = t.testdir(secrets)
  const own = (deployment.container.env ?? []).map(({ name, value, valueFrom }) => {
    const secret = Object.entries(secrets).find(([key]) => key === valueFrom?.secretKeyRef?.key)?.[1]
    return [name, (value ?? secret ?? '').replace(secretMount, directory)] as const
  })
  const env = { ...imageEnv, ...Object.fromEntries(own) }
  return { manifests, deployment, env, config: loadConfig(env) }
}

const allManifests: unknown[] = []

for (const [name, set] of Object.entries(sets)) {
  t.test(`with the values "${name}"`, { skip }, async t => {
    const rendered = render(t, set)
    allManifests.push(...rendered.manifests)
    t.test('the pod has the time for its shutdown', async t => checkShutdown(t, rendered))
    t.test('the heap and the bodies fit in the memory', async t => checkMemory(t, rendered))
    t.test('the pod has no privileges and writes nothing', async t => checkSecurity(t, rendered))
    t.test('secrets are in no manifest, and their files are mounted', async t => checkSecrets(t, rendered))
    t.test('every selector selects the pods', async t => checkSelectors(t, rendered))
    t.test('every reference to a port or to an object has a target', async t => checkReferences(t, rendered))
    t.test('the drain of a node is never blocked', async t => checkDisruption(t, rendered))
    t.test('the network policy opens what the configuration needs', async t => checkNetwork(t, rendered))
  })
}

t.test('every manifest has only fields and values that Kubernetes and its operators know', { skip }, async t => {
  const policies = parseManifests(await readFile(join(root, 'deploy/kubernetes/envoy-gateway.yaml'), 'utf8'))
  const routes = policies.filter(is.httpRoute)
  t.equal(routes.length, 1)
  t.ok(allManifests.length > 60)
  t.strictSame(findManifestIssues([...allManifests, ...routes]), [])
})

function checkShutdown (t: Test, { deployment: { pod, spec }, config: { shutdown, procore } }: Rendered): void {
  const stopMs = shutdown.drainDelayMs + shutdown.graceMs + limits.server.shutdownHardLimitMs
  const graceMs = (pod.terminationGracePeriodSeconds ?? 0) * 1000
  t.ok(graceMs > stopMs, 'longer than drain, grace and the hard limit')
  t.ok(graceMs <= stopMs + 2000, 'no longer than needed')
  t.ok(shutdown.graceMs > procore.formTimeoutMs, 'a request with an avatar can finish')
  t.equal(spec.strategy?.rollingUpdate?.maxUnavailable, 0)
}

function checkMemory (t: Test, { deployment: { container }, env }: Rendered): void {
  const { requests, limits: limited } = container.resources ?? {}
  t.equal(requests?.['memory'], limited?.['memory'])
  const memoryMi = Number(/^(\d+)Mi$/.exec(String(limited?.['memory']))?.[1])
  const heapMi = Number(/^--max-old-space-size=(\d+)$/.exec(env['NODE_OPTIONS'] ?? '')?.[1])
  t.ok(heapMi >= 256)
  t.equal(memoryMi - heapMi, limits.usage.maxBytes / mebibyte + 128, 'bodies, and 128 MiB for Node')
  t.ok(requests?.['cpu'], 'the autoscaler needs a CPU request')
  t.equal(limited?.['cpu'], undefined)
}

/** The Pod Security Standard `restricted`, and a read-only file system. */
function checkSecurity (t: Test, { deployment: { pod, container } }: Rendered): void {
  t.match(pod, { automountServiceAccountToken: false, enableServiceLinks: false })
  t.match(pod.securityContext, { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } })
  t.strictSame(container.securityContext, {
    allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] },
  })
  t.ok(container.volumeMounts?.every(({ readOnly }) => readOnly === true))
  const sources = pod.volumes?.flatMap(({ name: _, ...source }) => Object.keys(source)) ?? []
  t.strictSame(sources.filter(source => !['configMap', 'csi', 'secret'].includes(source)), [])
  t.equal(pod.topologySpreadConstraints?.length, 2)
}

function checkSecrets (t: Test, { manifests, deployment: { pod, container } }: Rendered): void {
  t.notOk(manifests.some(manifest => JSON.stringify(manifest).includes('"kind":"Secret"')))
  const env = container.env ?? []
  const names = env.map(({ name }) => name)
  t.equal(new Set(names).size, names.length, 'no variable is set twice')
  const plain = env.filter(({ value }) => value !== undefined)
  const secretNames: string[] = [...secretFileVariables, 'HTTPS_PROXY']
  t.strictSame(plain.filter(({ name }) => secretNames.includes(name)), [])
  const files = plain.filter(({ name }) => name.endsWith('_FILE')).map(({ value = '' }) => value)
  t.ok(files.includes(`${secretMount}/PROCORE_CLIENT_SECRET`))
  t.ok(container.volumeMounts?.some(({ name, mountPath }) => name === 'secret' && mountPath === secretMount))
  const volume = pod.volumes?.find(({ name }) => name === 'secret')
  if (volume?.csi !== undefined) return
  t.strictSame(volume?.secret?.items?.map(({ path }) => `${secretMount}/${path}`), files)
}

function checkSelectors (t: Test, { manifests, deployment: { spec, labels } }: Rendered): void {
  const selected = [
    spec.selector.matchLabels,
    ...spec.template.spec?.topologySpreadConstraints?.map(({ labelSelector }) => labelSelector?.matchLabels) ?? [],
    ...manifests.filter(is.service).map(service => service.spec?.selector),
    ...manifests.filter(is.podDisruptionBudget).map(budget => budget.spec?.selector?.matchLabels),
    ...manifests.filter(is.networkPolicy).map(policy => policy.spec?.podSelector?.matchLabels),
  ]
  for (const selector of selected) {
    t.match(labels, selector ?? {})
    t.strictSame(selector, { 'app.kubernetes.io/name': 'procore-bff', 'app.kubernetes.io/instance': 'bff' })
  }
  const service = manifests.find(is.service)
  for (const monitor of manifests.filter(is.serviceMonitor)) {
    t.match(service?.metadata?.labels, monitor.spec.selector.matchLabels ?? {})
    t.equal(service?.metadata?.labels?.[monitor.spec.jobLabel ?? ''], 'procore-bff', 'the job of alerts and dashboard')
  }
}

function checkReferences (t: Test, { manifests, deployment: { pod, container }, config }: Rendered): void {
  const names = manifests.map(manifest => JSON.stringify(manifest)).map(text => {
    return /"kind":"(\w+)","metadata":\{"name":"([\w-]+)"/.exec(text)?.slice(1).join(' ')
  })
  t.equal(new Set(names).size, manifests.length, 'every object has a name of its own')
  t.ok(names.includes(`ServiceAccount ${pod.serviceAccountName}`))

  const [port] = container.ports ?? []
  t.match(port, { name: 'http', containerPort: config.listen.port })
  const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe]
  t.strictSame(probes.map(probe => probe?.httpGet), [
    { path: '/livez', port: 'http' }, { path: '/livez', port: 'http' }, { path: '/readyz', port: 'http' },
  ])
  t.ok((container.startupProbe?.failureThreshold ?? 0) * (container.startupProbe?.periodSeconds ?? 0) >= 60)

  const service = manifests.find(is.service)
  const [servicePort] = service?.spec?.ports ?? []
  t.match(servicePort, { name: 'http', targetPort: 'http' })
  for (const { spec } of manifests.filter(is.ingress)) {
    for (const { backend } of spec?.rules?.[0]?.http?.paths ?? []) {
      t.match(backend.service, { name: service?.metadata?.name, port: { name: 'http' } })
    }
  }
  for (const { spec } of manifests.filter(is.httpRoute)) {
    t.match(spec.rules?.[0]?.backendRefs, [{ name: service?.metadata?.name, port: servicePort?.port }])
  }
  for (const { spec } of manifests.filter(is.serviceMonitor)) {
    t.match(spec.endpoints, [{ port: 'http', path: '/metrics' }])
  }
  for (const { spec } of manifests.filter(is.horizontalPodAutoscaler)) {
    t.strictSame(spec?.scaleTargetRef, { apiVersion: 'apps/v1', kind: 'Deployment', name: 'bff' })
  }
}

function checkDisruption (t: Test, { manifests, deployment: { spec }, config }: Rendered): void {
  const budget = manifests.find(is.podDisruptionBudget)
  const autoscaler = manifests.find(is.horizontalPodAutoscaler)?.spec
  const replicas = autoscaler?.minReplicas ?? spec.replicas ?? 0
  t.equal(spec.replicas === undefined, autoscaler !== undefined, 'the autoscaler alone decides the replicas')
  t.match(budget?.spec, { maxUnavailable: 1, minAvailable: undefined })
  if ((autoscaler?.maxReplicas ?? replicas) > 1) t.ok(config.storage.redisUrl, 'replicas share their state')
}

function checkNetwork (t: Test, { manifests, deployment: { container }, config }: Rendered): void {
  const policy = manifests.find(is.networkPolicy)?.spec
  if (policy === undefined) return
  t.strictSame(policy.policyTypes, ['Ingress', 'Egress'])
  const rules = [...policy.ingress ?? [], ...policy.egress ?? []]
  for (const rule of rules) {
    const peers = 'from' in rule ? rule.from : 'to' in rule ? rule.to : []
    t.ok(peers?.length, 'an empty list would open everything')
    t.ok(rule.ports?.length)
  }
  t.strictSame(policy.ingress?.map(({ ports }) => ports), [[{ port: 'http' }]])
  const ports = new Set(policy.egress?.flatMap(({ ports = [] }) => ports.map(({ port }) => port)))
  const usesRedis = config.storage.redisUrl !== undefined
  const usesTraces = config.telemetry.tracing !== undefined
  t.ok(ports.has(53) && ports.has(443))
  t.equal(ports.has(6379) || ports.has(6380), usesRedis)
  t.equal(ports.has(4318), usesTraces)
  const usesProxy = container.env?.some(({ name }) => name === 'HTTPS_PROXY') === true
  t.equal(ports.size, 2 + Number(usesRedis) + Number(usesTraces) + Number(usesProxy), 'and nothing else')
}

t.test('helm lints the chart without a warning', { skip }, async t => {
  t.equal(runHelm(['lint', '--strict', '--quiet'], manifestsValues).error, '')
})

t.test('an installation prints the commands that follow, and what is missing', { skip }, async t => {
  const notes = (file: string) => {
    return runHelm(['install', 'bff', '--dry-run=client', '--namespace', 'directory'], `examples/${file}`).stdout
  }
  const single = notes('single-replica.yaml')
  t.match(single, 'kubectl --namespace directory rollout status deployment/bff')
  t.match(single, 'when the Secret procore-bff has the keys PROCORE_CLIENT_ID, PROCORE_CLIENT_SECRET.')
  t.match(single, 'config.TRUSTED_PROXIES is empty')
  t.match(single, 'No gateway sends requests to it yet.')
  t.notMatch(notes('csi.yaml'), 'has the keys')
  t.notMatch(notes('gateway-api.yaml'), /TRUSTED_PROXIES is empty|No gateway/)
})

t.test('values that are wrong are refused with the reason:', { skip }, async t => {
  const valid = { config: jwt, networkPolicy: anyGateway }
  const wrong: Array<[string, Values, string]> = [
    ['no values', {}, 'missing property \'CALLER_AUTH\''],
    ['no gateway', { ...valid, networkPolicy: {} }, 'at \'/networkPolicy/gateway\': minItems: got 0, want 1'],
    ['a misspelt value', { ...valid, replica: 2 }, 'additional properties \'replica\' not allowed'],
    ['a misspelt variable', { ...valid, config: { ...jwt, LOGLEVEL: 'warn' } }, 'additional properties \'LOGLEVEL\''],
    ['a secret in plain text', { ...valid, config: { ...jwt, REDIS_URL: 'rediss://:hunter2@redis' } }, 'REDIS_URL'],
    [
      'the password of a proxy in plain text',
      { ...valid, config: { ...jwt, HTTPS_PROXY: 'http://user:hunter2@proxy' } }, 'at \'/config/HTTPS_PROXY\'',
    ],
    ['a number out of its range', { ...valid, config: { ...jwt, UPSTREAM_TIMEOUT_MS: 0 } }, 'minimum: got 0, want 1'],
    ['a number as text', { ...valid, config: { ...jwt, DRAIN_DELAY_MS: '5s' } }, 'got string, want integer'],
    ['an unknown choice', { ...valid, config: { ...jwt, CALLER_AUTH: 'basic' } }, 'must be one of \'jwt\', \'none\''],
    ['JWTs without an issuer', { ...valid, config: { CALLER_AUTH: 'jwt' } }, '\'JWT_JWKS_URL\', \'JWT_ISSUER\''],
    ['an unknown secret', { ...valid, secret: { keys: ['PASSWORD'] } }, 'at \'/secret/keys/0\''],
    ['no client secret', { ...valid, secret: { keys: ['PROCORE_CLIENT_ID', 'REDIS_URL'] } }, 'at \'/secret/keys\''],
    ['too little memory', { ...valid, memoryMi: 512 }, 'minimum: got 512, want 640'],
    ['an ingress without a host', { ...valid, ingress: { enabled: true } }, 'at \'/ingress/host\''],
    ['a route without a gateway', { ...valid, gatewayApi: { enabled: true } }, 'at \'/gatewayApi/parentRefs\''],
    ['an external secret without a store', { ...valid, secret: { external: { enabled: true } } }, 'storeName'],
    ['replicas without Redis', { ...valid, ...withoutRedis, replicas: 2 }, 'more than one replica needs REDIS_URL'],
    [
      'autoscaling without Redis', { ...valid, ...withoutRedis, autoscaling: { enabled: true } },
      'more than one replica needs REDIS_URL',
    ],
    [
      'fewer replicas at most than at least',
      { ...valid, autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 2 } },
      'autoscaling.maxReplicas: must not be below',
    ],
    [
      'two sources of secrets',
      { ...valid, secret: { csiProviderClass: 'a', external: { enabled: true, storeName: 'b', remoteKey: 'c' } } },
      'secret.csiProviderClass: secret.external.enabled is set as well',
    ],
    [
      'a variable that no file can hold',
      { ...valid, secret: { csiProviderClass: 'a', keys: [...Object.keys(secrets)] } }, 'HTTPS_PROXY cannot be read',
    ],
    [
      'a variable in two places',
      {
        secret: { keys: Object.keys(secrets) },
        config: { ...jwt, HTTPS_PROXY: 'http://proxy:3128' },
        networkPolicy: anyGateway,
      },
      'config.HTTPS_PROXY: is one of secret.keys as well',
    ],
  ]
  for (const [name, values, reason] of wrong) {
    t.test(name, async t => t.match(runHelm(['template', 'bff'], undefined, values).error, reason))
  }
})

t.test('the gateway waits longer than the service, does not buffer avatars, and retries nothing', { skip }, async t => {
  const seconds = (text = '') => Number(/^\d+$/.exec(text)?.[0])
  const ingresses = renderChart('examples/ingress-nginx.yaml').filter(is.ingress)
  const annotations = ingresses.map(({ metadata }) => Object.fromEntries(
    Object.entries(metadata?.annotations ?? {}).map(([name, value]) => [name.split('/')[1] ?? '', value])
  ))
  const config = loadConfig({ PROCORE_CLIENT_ID: 'id', PROCORE_CLIENT_SECRET: 'hunter2', CALLER_AUTH: 'none' })
  const longestWaitMs = getLongestWaitMs(config.procore)
  for (const settings of annotations) {
    t.match(settings, { 'proxy-buffering': 'off', 'proxy-next-upstream': 'off' })
    t.ok(seconds(settings['proxy-read-timeout']) * 1000 > longestWaitMs)
    t.ok(seconds(settings['proxy-send-timeout']) * 1000 > config.body.idleTimeoutMs)
  }
  t.match(annotations, [
    { 'proxy-request-buffering': 'off', 'proxy-body-size': '16m' },
    { 'proxy-request-buffering': 'on', 'proxy-body-size': '65m', 'use-regex': 'true' },
  ])

  const [, imports] = annotations
  t.ok(seconds(imports?.['proxy-read-timeout']) * 1000 >= limits.imports.timeoutMs)
  t.ok(seconds(imports?.['proxy-send-timeout']) * 1000 >= limits.imports.timeoutMs)
  t.ok(parseInt(imports?.['proxy-body-size'] ?? '', 10) * mebibyte > limits.imports.maxBytes)

  const policies = parseManifests(await readFile(join(root, 'deploy/kubernetes/envoy-gateway.yaml'), 'utf8'))
  const routes = [...renderChart('examples/gateway-api.yaml'), ...policies].filter(is.httpRoute)
  t.equal(routes.length, 2)
  for (const { spec } of routes) {
    const [{ retry, timeouts } = {}] = spec.rules ?? []
    t.strictSame(retry, { attempts: 0 })
    const requestMs = Number(/^(\d+)m$/.exec(timeouts?.request ?? '')?.[1]) * 60_000
    t.ok(requestMs > limits.imports.timeoutMs, 'an import may take this long')
    t.ok(requestMs > config.body.timeoutMs + longestWaitMs)
  }
})

t.test('an ingress with settings of its own', { skip }, async t => {
  const prefix = 'nginx.ingress.kubernetes.io/'
  const text = runHelm(['template', 'bff', '--show-only', 'templates/ingress.yaml'], 'examples/ingress-nginx.yaml', {
    config: { AVATAR_MAX_BYTES: 20 * mebibyte + 1 },
    ingress: { annotations: { [`${prefix}proxy-read-timeout`]: '900' } },
  }).stdout
  // A name that is there twice is an error of this parser, and of tools that apply the manifests.
  const [main, imports] = parseManifests(text).filter(is.ingress).map(({ metadata }) => metadata?.annotations)
  t.match(main, { [`${prefix}proxy-read-timeout`]: '900' }, 'takes the place of that of the chart')
  t.match(imports, { [`${prefix}proxy-read-timeout`]: '3600' }, 'and does not shorten imports')
  const limitMi = parseInt(main?.[`${prefix}proxy-body-size`] ?? '', 10)
  t.ok(limitMi * mebibyte > 20 * mebibyte + 1 + limits.multipart.textMaxBytes, 'the largest avatar passes')
})

t.test('the gateway forwards the paths of deploy/nginx.conf', { skip }, async t => {
  const nginx = await readFile(join(root, 'deploy/nginx.conf'), 'utf8')
  t.match(nginx, 'location ~ ^/(companies(/|$)|rest/|docs/problems(\\.css)?$) {')
  t.match(nginx, 'location ~ ^/companies/[0-9]+/users/import$ {')
  const [main, imports] = renderChart('examples/ingress-nginx.yaml').filter(is.ingress)
    .map(({ spec }) => spec?.rules?.[0]?.http?.paths.map(({ path, pathType }) => [path, pathType]))
  const paths = [
    ['/companies', 'Prefix'], ['/rest', 'Prefix'], ['/docs/problems', 'Exact'], ['/docs/problems.css', 'Exact'],
  ]
  t.strictSame(main, paths)
  t.strictSame(imports, [['/companies/[0-9]+/users/import$', 'ImplementationSpecific']])
  const route = renderChart('examples/gateway-api.yaml').find(is.httpRoute)
  const matches = route?.spec.rules?.[0]?.matches?.map(({ path }) => [path?.value, path?.type?.replace('Path', '')])
  t.strictSame(matches, paths)
})

t.test('the rules are those of docs/operate with the address of the runbook', { skip }, async t => {
  const alerts = await readFile(join(root, 'docs/operate/alerts.yaml'), 'utf8')
  const runbookUrl = 'https://wiki.example.com/bff'
  const values = { monitoring: { prometheusRule: { enabled: true, runbookUrl } } }
  const rule = renderChart(manifestsValues, values).find(is.prometheusRule)
  t.strictSame(rule?.spec, parse(alerts.replaceAll('https://runbooks.example.com/procore-bff', runbookUrl)))
  const dashboard = renderChart('examples/monitoring.yaml').find(is.configMap)?.data?.['procore-bff.json'] ?? ''
  t.strictSame(JSON.parse(dashboard), JSON.parse(await readFile(join(root, 'docs/operate/dashboard.json'), 'utf8')))
})

/** Makes the root file system read-only for one process and its children, as Kubernetes does. */
const withReadOnlyRoot = [
  'unshare', '--mount', 'sh', '-c',
  'mount --make-rprivate / && mount -o remount,bind,ro / && ! touch package.json 2>&- && exec "$0" "$@"',
]
const canRemount = spawnSync('unshare', ['--mount', 'true']).status === 0

t.test('a service with the environment of the Deployment', { skip }, async t => {
  const { env, deployment: { container } } = render(t, { file: 'examples/single-replica.yaml' })
  const emulator = await startTestEmulator(t, {
    clientId: secrets.PROCORE_CLIENT_ID, clientSecret: secrets.PROCORE_CLIENT_SECRET,
  })
  const own = { PORT: '0', DRAIN_DELAY_MS: '0', PROCORE_API_URL: emulator.url, PROCORE_LOGIN_URL: emulator.url }
  // Without what tap adds in every process: it writes a file at the end of the process, and fails if it cannot.
  const withoutTap = ['env', '--unset=NODE_COMPILE_CACHE', `NODE_OPTIONS=${env['NODE_OPTIONS']}`, process.execPath]
  const commandLine = canRemount ? [...withReadOnlyRoot, ...withoutTap] : []
  const service = spawnProgram(t, 'src/main.js', { ...env, ...own }, root, commandLine)
  const url = (await service.listening).replace('0.0.0.0', '127.0.0.1')
  await t.test('answers every probe at the address of its pod', async t => {
    const headers = { host: `10.244.1.7:${container.ports?.[0]?.containerPort}` }
    for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe]) {
      const probeUrl = `${url}${probe?.httpGet?.path}`
      t.equal((await send(probeUrl, { method: 'GET', headers })).status, 200, probeUrl)
    }
  })
  const skip = !canRemount && process.env['CI'] !== 'true' && 'only root can make the file system read-only'
  await t.test('streams avatars, imports and shows pages in a read-only file system', { skip }, async t => {
    const headers = { host: 'directory.example.com' }
    const users = `${url}/companies/101/users`
    const avatar = { name: 'user[avatar]', filename: 'a.png', data: png(2_000_000) }
    t.equal((await sendMultipart(users, multipartBody([...janeParts, avatar]), headers)).status, 201)
    t.strictSame((await sendImport(`${users}/import`, csvOf(2), headers)).rows, ['1 created', '2 created'])
    t.equal((await send(`${url}/docs/scalar.js`, { method: 'GET', headers })).status, 200)
  })
  service.child.kill('SIGTERM')
  t.equal((await service.exit).code, 0)
  t.equal(service.stderr(), '', 'Node knows the flag of NODE_OPTIONS')
})

t.test('docs/deployment.md explains values that exist', async t => {
  const text = await readFile(join(chartPath, 'values.yaml'), 'utf8')
  const values = assertSchema(Type.Record(Type.String(), Type.Unknown()), parse(text))
  const rows = readPage('docs/deployment.md').tableRows('value')
  t.ok(rows.length > 5)
  for (const name of rows.flatMap(([names = '']) => names.split(', '))) t.hasProp(values, name)
})
