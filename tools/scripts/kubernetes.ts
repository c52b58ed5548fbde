/**
 * Updates what the Helm chart takes from elsewhere for `npm run kubernetes`: its version, the settings in its schema,
 * the alerts and the dashboard. Renders the plain manifests from it, which needs `helm`.
 */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Type, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { EnvSchema, secretFileVariables } from '../../src/config/env-schema.ts'
import { version } from '../../src/config/product.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
export const chartPath = join(root, 'deploy/chart')
const chartYamlPath = join(chartPath, 'Chart.yaml')
const schemaPath = join(chartPath, 'values.schema.json')
export const manifestsPath = join(root, 'deploy/kubernetes/procore-bff.yaml')
/** The values of the plain manifests, relative to the chart. */
export const manifestsValues = 'examples/jwt.yaml'

/** The chart sets this variable, because the ports of its manifests depend on it. */
const chartVariables = new Set<string>(['PORT'])
/** Without a file, because the service reads it from the environment. */
const secretKeys = [...secretFileVariables, 'HTTPS_PROXY']

/** Returns the schema of the value `config`: the variables that are no secrets, with their types and ranges. */
function buildConfigSchema () {
  const secretNames = new Set<string>(secretFileVariables)
  const properties = Object.entries<TSchema>(EnvSchema.properties)
    .filter(([name]) => !secretNames.has(name) && !chartVariables.has(name))
    .map(([name, schema]) => [name, pick(schema)] as const)
  return {
    type: 'object',
    additionalProperties: false,
    required: ['CALLER_AUTH', 'DRAIN_DELAY_MS', 'SHUTDOWN_GRACE_MS'],
    properties: {
      ...Object.fromEntries(properties),
      // A proxy with a user name and a password is one of `secret.keys`.
      HTTPS_PROXY: { type: 'string', pattern: '^[^@]*$' },
    },
    if: { properties: { CALLER_AUTH: { const: 'jwt' } }, required: ['CALLER_AUTH'] },
    then: { required: ['JWT_JWKS_URL', 'JWT_ISSUER', 'JWT_AUDIENCE'] },
  }
}

/** Leaves out the default, which the service applies, and what only TypeBox reads. */
function pick (schema: TSchema): Record<string, unknown> {
  const keywords = ['type', 'enum', 'minimum', 'maximum']
  return Object.fromEntries(Object.entries<unknown>(schema).filter(([keyword]) => keywords.includes(keyword)))
}

const buildKeysSchema = () => ({
  type: 'array',
  uniqueItems: true,
  items: { enum: secretKeys },
  allOf: ['PROCORE_CLIENT_ID', 'PROCORE_CLIENT_SECRET'].map(name => ({ contains: { const: name } })),
})

const ValuesSchema = Type.Object({
  properties: Type.Object({
    config: Type.Object({}),
    secret: Type.Object({ properties: Type.Object({ keys: Type.Object({}) }) }),
  }),
})

async function buildValuesSchema (): Promise<string> {
  const schema: unknown = JSON.parse(await readFile(schemaPath, 'utf8'))
  if (!Value.Check(ValuesSchema, schema)) throw new TypeError(`${schemaPath} has no properties config and secret.keys.`)
  schema.properties.config = buildConfigSchema()
  schema.properties.secret.properties.keys = buildKeysSchema()
  return `${JSON.stringify(schema, undefined, 2)}\n`
}

/** Gives the chart, and the service in it, the version of package.json. */
async function buildChartYaml (): Promise<string> {
  const lines = (await readFile(chartYamlPath, 'utf8')).split('\n')
  const names = ['version', 'appVersion']
  return lines.map(line => {
    const name = names.find(name => line.startsWith(`${name}: `))
    return name === undefined ? line : `${name}: ${version}`
  }).join('\n')
}

/** Returns the files of the chart that follow from other files, by path. */
export async function buildChartFiles (): Promise<ReadonlyMap<string, string>> {
  const copies = await Promise.all(['alerts.yaml', 'dashboard.json'].map(async file => {
    return [join(chartPath, 'files', file), await readFile(join(root, 'docs/operate', file), 'utf8')] as const
  }))
  return new Map([[schemaPath, await buildValuesSchema()], [chartYamlPath, await buildChartYaml()], ...copies])
}

/** Renders the plain manifests by `helm` on the PATH. */
export async function renderManifests (): Promise<string> {
  const args = ['template', 'procore-bff', chartPath, '--values', join(chartPath, manifestsValues)]
  const { stdout } = await promisify(execFile)('helm', args).catch((cause: unknown) => {
    throw new Error('`helm`, which renders the manifests, is not installed or failed.', { cause })
  })
  return `# Rendered from deploy/chart with deploy/chart/${manifestsValues} by \`npm run kubernetes\`.\n${stdout}`
}

if (import.meta.main) {
  for (const [path, text] of await buildChartFiles()) await writeFile(path, text)
  await writeFile(manifestsPath, await renderManifests())
}
