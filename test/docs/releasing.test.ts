// docs/releasing.md has the commands of the workflow that publishes a release, and those that need no registry work.
import { execFile } from 'node:child_process'
import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Type, type Static } from '@sinclair/typebox'
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { parse } from 'yaml'
import { assertSchema } from '../helpers/assert-schema.ts'
import { readPage } from '../helpers/markdown.ts'
import { inheritedEnv, root } from '../helpers/spawn-program.ts'

const exec = promisify(execFile)
const page = readPage('docs/releasing.md')

/** Joins continued lines and removes the indentation of the list. */
const toCommands = (text: string) => text.replace(/\\\n */g, '').split('\n').map(line => line.trim())
const fences = [...page.text.matchAll(/^ *```(sh|text)\n([^]*?)\n *```$/gm)]
const commandsOf = (language: string) => fences
  .filter(([, name]) => name === language).flatMap(([, , text = '']) => toCommands(text))
const [setVersion = '', ...sbom] = commandsOf('sh')

const VersionSchema = Type.Object({ version: Type.String() })
const WorkflowSchema = Type.Object({
  jobs: Type.Object({
    publish: Type.Object({ steps: Type.Array(Type.Object({ run: Type.Optional(Type.String()) })) }),
  }),
})
const SbomSchema = Type.Object({
  bomFormat: Type.Literal('CycloneDX'),
  specVersion: Type.Literal('1.5'),
  serialNumber: Type.String({ pattern: '^urn:uuid:[0-9a-f-]{36}$' }),
  version: Type.Literal(1),
  metadata: Type.Object({
    timestamp: Type.String(),
    component: Type.Object({ 'bom-ref': Type.String(), type: Type.Literal('application'), version: Type.String() }),
  }),
  components: Type.Array(Type.Object({
    'bom-ref': Type.String(),
    type: Type.Literal('library'),
    name: Type.String(),
    version: Type.String(),
    purl: Type.String({ pattern: '^pkg:npm/' }),
    hashes: Type.Tuple([Type.Object({ alg: Type.Literal('SHA-512'), content: Type.String() })]),
    licenses: Type.Array(Type.Unknown(), { minItems: 1 }),
  })),
  dependencies: Type.Array(Type.Object({ ref: Type.String(), dependsOn: Type.Optional(Type.Array(Type.String())) })),
})
const LockSchema = Type.Object({
  packages: Type.Record(Type.String(), Type.Object({
    version: Type.Optional(Type.String()),
    integrity: Type.Optional(Type.String()),
    dev: Type.Optional(Type.Boolean()),
    hasInstallScript: Type.Optional(Type.Boolean()),
  })),
})

async function readJson<T extends Parameters<typeof assertSchema>[0]> (schema: T, path: string): Promise<Static<T>> {
  const value: unknown = JSON.parse(await readFile(path, 'utf8'))
  return assertSchema(schema, value)
}

/** The packages that `npm ci --omit=dev` installs, by path. */
async function readProductionPackages () {
  const { packages } = await readJson(LockSchema, join(root, 'package-lock.json'))
  return Object.entries(packages)
    .filter(([path, { dev, integrity }]) => path.startsWith('node_modules/') && dev !== true && integrity !== undefined)
    .map(([path, { version, integrity = '', hasInstallScript = false }]) => ({
      name: path.split('node_modules/').at(-1) ?? '', version, integrity, hasInstallScript,
    }))
}

t.test('the command for a version sets that of the service and of the client', async t => {
  const copy = t.testdir()
  const packageFiles = ['package.json', 'client/package.json']
  for (const file of [...packageFiles, 'package-lock.json']) await cp(join(root, file), join(copy, file))
  const [version = '', openapi = ''] = setVersion.split(' && ')
  // With workspaces, `npm version` also installs all packages, which the pages that are checked here do not need.
  await exec('bash', ['-c', version], { cwd: copy, env: { ...inheritedEnv, npm_config_package_lock_only: 'true' } })
  for (const file of packageFiles) {
    const written = await readJson(VersionSchema, join(copy, file))
    t.equal(written.version, /\d+\.\d+\.\d+/.exec(version)?.[0], file)
  }
  t.ok(readPage('docs/adding-an-endpoint.md').codeBlocks('sh').includes(openapi), 'which commands.test.ts runs')
})

t.test('package, client, chart and OpenAPI document have the same version', async t => {
  const { version: client } = await readJson(VersionSchema, join(root, 'client/package.json'))
  const chart = assertSchema(
    Type.Object({ version: Type.String(), appVersion: Type.String() }),
    parse(await readFile(join(root, 'deploy/chart/Chart.yaml'), 'utf8'))
  )
  const { info } = assertSchema(
    Type.Object({ info: VersionSchema }), parse(await readFile(join(root, 'openapi/openapi.yaml'), 'utf8'))
  )
  const { version } = packageJson
  t.strictSame([client, chart.version, chart.appVersion, info.version], [version, version, version, version])
})

t.test('the SBOM is CycloneDX with every production package, its digest and its dependencies', async t => {
  const copy = t.testdir()
  for (const file of ['package.json', 'package-lock.json']) await cp(join(root, file), join(copy, file))
  const env = { ...inheritedEnv, TMPDIR: copy, npm_config_offline: 'true' }
  await exec('bash', ['-ec', sbom.join('\n')], { cwd: copy, env })
  const { metadata, components, dependencies } = await readJson(SbomSchema, join(copy, 'sbom.cdx.json'))

  t.equal(metadata.component.version, packageJson.version)
  const toLine = (name: string, version: string | undefined, digest: string) => `${name}@${version} ${digest}`
  const listed = components.map(({ name, version, hashes: [{ content }] }) => toLine(name, version, content))
  const installed = (await readProductionPackages()).map(({ name, version, integrity }) => {
    return toLine(name, version, Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex'))
  })
  t.strictSame([...new Set(listed)].sort(), [...new Set(installed)].sort())
  for (const name of Object.keys(packageJson.dependencies)) t.ok(listed.some(line => line.startsWith(`${name}@`)), name)

  const references = new Set([metadata.component['bom-ref'], ...components.map(component => component['bom-ref'])])
  t.equal(references.size, components.length + 1, 'each component has a reference of its own')
  t.equal(dependencies.length, references.size)
  for (const { ref, dependsOn = [] } of dependencies) {
    for (const reference of [ref, ...dependsOn]) t.ok(references.has(reference), reference)
  }
})

t.test('no production package has an install script, which the image would not run', async t => {
  const packages = await readProductionPackages()
  t.strictSame(packages.filter(({ hasInstallScript }) => hasInstallScript).map(({ name }) => name), [])
})

t.test('the workflow runs the commands of the page, in its order', async t => {
  const text = await readFile(join(root, '.github/workflows/release.yml'), 'utf8')
  const { steps } = assertSchema(WorkflowSchema, parse(text)).jobs.publish
  const run = steps.flatMap(({ run = '' }) => toCommands(run))
  // Before the tag is pushed, and after the release.
  const byHand = ['git', 'docker buildx imagetools', 'cosign verify']
  const published = commandsOf('text').filter(command => !byHand.some(start => command.startsWith(start)))
  t.ok(published.length >= 8)
  const expected = [...sbom, ...published]
  t.strictSame(run.filter(command => expected.includes(command)), expected)
})

t.test('the page names the base image of the Dockerfile', async t => {
  const [, image = ''] = /^FROM ([^@\s]+)/m.exec(await readFile(join(root, 'Dockerfile'), 'utf8')) ?? []
  t.ok(page.text.includes(`docker buildx imagetools inspect ${image} `))
})
