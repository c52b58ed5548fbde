// What no linter can check: code, OpenAPI document, documentation and tests agree with each other.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import ts from 'typescript'
import { parse } from 'yaml'
import { EnvSchema, renamedVariables, secretFileVariables } from '../../src/config/env-schema.ts'
import { problemCodes } from '../../src/server/problem.ts'
import { metricPrefix } from '../../src/telemetry/metrics.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { pagePaths, readPage } from '../helpers/markdown.ts'
import { root } from '../helpers/spawn-program.ts'
import { describeNode, findCasts, literals, propertyNames, readSources, type Source } from './source-files.ts'

const sources = readSources('src/**/*.ts')
const programs = readSources('client/*.ts', '{tools,bench}/**/*.ts').filter(({ path }) => path !== 'client/openapi.ts')
const testFiles = readSources('test/**/*.ts')
const tests = testFiles.filter(({ path }) => path.endsWith('.test.ts') && !/^test\/(repository|docs)\//.test(path))
const read = (path: string) => readFileSync(join(root, path), 'utf8')

t.test('src and client contain no cast', async t => {
  const clientFiles = programs.filter(({ path }) => path.startsWith('client/'))
  t.strictSame(castsIn([...sources, ...clientFiles]).map(({ place }) => place), [])
})

t.test('every cast elsewhere has a reason', async t => {
  const others = [...testFiles, ...programs.filter(({ path }) => !path.startsWith('client/'))]
  const found = castsIn(others)
  t.strictSame(found.filter(({ type }) => !allowedCasts.some(cast => cast.type === type)).map(({ place }) => place), [])
  for (const { type, count } of allowedCasts) t.equal(found.filter(cast => cast.type === type).length, count, type)
})

const allowedCasts = [
  { type: '\'GET\'', count: 1, why: 'the test sends methods that the type of undici does not have' },
]

function castsIn (files: readonly Source[]): Array<{ place: string, type: string }> {
  return files.flatMap(source => findCasts(source).map(node => ({
    place: describeNode(source, node),
    type: ts.isAsExpression(node) ? node.type.getText() : '',
  })))
}

t.test('every skipped test has a reason and is not skipped in CI', async t => {
  for (const source of testFiles) {
    for (const node of source.nodes) {
      if (ts.isPropertyAccessExpression(node) && /^t\.(skip|todo|only)$/.test(node.getText())) {
        t.fail(describeNode(source, node))
      }
      const reason = skipReason(node)
      if (reason === undefined) continue
      t.match(reason, /process\.env\['CI'\] !== 'true' && '[^']{10,}'$/, describeNode(source, node))
    }
  }
})

/** Returns the expression given as `skip` in the options of a test. */
function skipReason (node: ts.Node): string | undefined {
  if (!ts.isPropertyAssignment(node) && !ts.isVariableDeclaration(node)) return undefined
  const name = node.name.getText()
  if (name !== 'skip' && name !== 'skipWithoutRedis') return undefined
  const reason = node.initializer?.getText() ?? ''
  return /^(skip|skipWithoutRedis)$|^skipTime\(/.test(reason) ? undefined : reason
}

t.test('a problem code', async t => {
  const raised = new Set(sources
    .filter(({ path }) => path !== 'src/server/problem.ts' && !path.startsWith('src/openapi/'))
    .flatMap(literals))
  const asserted = new Set(tests.flatMap(literals).flatMap(codesIn))
  for (const code of problemCodes) {
    t.test(`${code} is raised by the service`, async t => t.ok(raised.has(code)))
    t.test(`${code} is asserted by a test`, async t => t.ok(asserted.has(code)))
  }
})

const codesIn = (text: string) => [text, ...[...text.matchAll(/"code":"(\w+)"/g)].map(([, code]) => code)]

/** Variables of Node, of libraries, of the emulator and of programs that measure. */
const foreignVariables = [
  'HTTP_PROXY', 'REDIS_PASSWORD',
  'CI', 'EMULATOR_HOST', 'EMULATOR_PORT', 'EMULATOR_SETTINGS', 'NODE_COMPILE_CACHE', 'NODE_DISABLE_COMPILE_CACHE',
  'NODE_ENV', 'NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS',
]
const variables = Object.keys(EnvSchema.properties)
const knownVariables = new Set([
  ...variables, ...secretFileVariables.map(name => `${name}_FILE`), ...foreignVariables,
  ...Object.keys(renamedVariables),
])

t.test('the environment is read in few files', async t => {
  t.strictSame(sources.filter(({ tree }) => tree.text.includes('process.env')).map(({ path }) => path), [
    'src/health/container-check.ts',
    'src/server/process.ts',
  ])
})

t.test('an environment variable', async t => {
  const configFiles = sources.filter(({ path }) => /^src\/config\/(index|parse-env)\.ts$/.test(path))
  const used = new Set(configFiles.flatMap(({ nodes }) => nodes.flatMap(node =>
    ts.isIdentifier(node) || ts.isStringLiteral(node) ? [node.text] : [])))
  const set = new Set(tests.flatMap(source => [...propertyNames(source), ...literals(source)]))
  for (const name of variables) {
    t.test(`${name} is used`, async t => t.ok(used.has(name)))
    t.test(`${name} is set by a test`, async t => t.ok(set.has(name)))
  }
})

t.test('every variable that docker-compose.yml sets exists', async t => {
  const { services } = assertSchema(ComposeSchema, parse(read('docker-compose.yml'), { merge: true }))
  for (const { environment = {} } of Object.values(services)) {
    for (const name of Object.keys(environment)) t.ok(knownVariables.has(name), name)
  }
})

const ComposeSchema = Type.Object({
  services: Type.Record(Type.String(), Type.Object({ environment: Type.Optional(Type.Object({})) })),
})

t.test('a page of the documentation', async t => {
  const metricNames = new Set(sources.filter(({ path }) => path.startsWith('src/telemetry/')).flatMap(literals))
  const metricPattern = new RegExp(`\\b${metricPrefix}([a-z_]+)\\b`, 'g')
  for (const path of pagePaths) {
    const { text, links } = readPage(path)
    t.test(`${path} names only variables that exist`, async t => {
      for (const [, name = ''] of text.matchAll(/`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`/g)) {
        t.ok(knownVariables.has(name), name)
      }
    })
    t.test(`${path} names only metrics that exist`, async t => {
      for (const [, name = ''] of text.matchAll(metricPattern)) {
        t.ok(metricNames.has(name) || metricNames.has(name.replace(/_(bucket|sum|count)$/, '')), name)
      }
    })
    t.test(`${path} links only to files and headings that exist`, async t => {
      for (const { file, anchor } of links) {
        const target = file === '' ? path : join(dirname(path), file)
        t.ok(existsSync(join(root, target)), target)
        if (anchor !== undefined) t.ok(readPage(target).anchors.includes(anchor), `${target}#${anchor}`)
      }
    })
  }
})

t.test('the OpenAPI document has the routes of docs/api.md and those of the service itself', async t => {
  const { paths } = assertSchema(DocumentSchema, parse(read('openapi/openapi.yaml')))
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(method => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`))
  const page = readPage('docs/api.md')
  const documented = page.tableRows('operation').flatMap(([, route = '', procorePath = '']) =>
    procorePath === '-' ? [route] : [route, `${route.split(' ')[0]} ${procorePath}`])
  t.strictSame(documented.filter(route => !routes.includes(route)), [])
  const own = routes.filter(route => !documented.includes(route))
  t.strictSame(own.sort(), ['GET /livez', 'GET /metrics', 'GET /openapi.json', 'GET /readyz'])
  for (const route of own) t.ok(page.text.includes(`\`${route.slice(4)}\``), route)
})

const DocumentSchema = Type.Object({ paths: Type.Record(Type.String(), Type.Object({})) })
