// The house is in order: imports point down, nothing is left over, and code, document, tables and tests speak of the same things.
// What is excused from a rule stands here as data, with its reason; an excuse that nothing needs any more is a failure as well.
// It is long because it holds all of the rules, which are one thing to whoever broke one.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { parse } from 'yaml'
import { findAnyTypes, findCasts, findImportCycles, findExports, findImports, getLine, countLines, collectNodes, getOpeningComment, root, readSources, findUndocumentedExports, type Source } from './source-files.ts'
import { EnvSchema, secretFileVariables } from '../../src/config/env-schema.ts'
import { metricPrefix } from '../../src/telemetry/metrics.ts'
import { problemCodes } from '../../src/server/problem.ts'
import { readme, tableRows } from '../helpers/readme.ts'

/** Known to all of the service: what is fixed, the shape of errors, and small things that know no room. */
const ground = ['choice.ts', 'connections.ts', 'environment.ts', 'json-object.ts', 'limits.ts', 'linger.ts', 'oldest.ts', 'problem.ts', 'product.ts', 'request-id.ts', 'secret.ts', 'standing.ts', 'under-way.ts', 'values.ts', 'young-generation.ts']

/** What each room, and each file that stands beside the rooms, may import besides the ground: only what is further down in this list. */
const downward: Record<string, string> = {
  'main.ts': 'run.ts compiled.ts',
  'demo.ts': 'emulator',
  'demo/main.ts': 'run.ts demo compiled.ts',
  'compile-ahead.ts': 'run.ts app.ts state observe config.ts compiled.ts',
  demo: 'pages emulator',
  'run.ts': 'stop.ts app.ts callers observe config.ts',
  'pages/write-openapi.ts': 'pages/openapi-yaml.ts',
  'pages/openapi-yaml.ts': 'app.ts observe config.ts',
  'stop.ts': 'app.ts config.ts',
  'app.ts': 'server.ts pages lifecycle.ts heads.ts paths.ts refusals.ts callers mirror procore state observe config.ts endpoints',
  'server.ts': 'lifecycle.ts unparsed.ts observe config.ts',
  pages: 'mirror observe config.ts endpoints',
  'lifecycle.ts': 'refusals.ts observe',
  'unparsed.ts': 'refusals.ts observe',
  'heads.ts': 'doubtful.ts paths.ts',
  'paths.ts': '',
  'refusals.ts': '',
  'doubtful.ts': '',
  callers: 'state config.ts endpoints',
  mirror: 'procore state observe config.ts endpoints',
  procore: 'state observe config.ts',
  state: 'config.ts',
  observe: 'config.ts endpoints',
  'config.ts': 'endpoints',
  endpoints: 'choice.ts',
  'choice.ts': '',
  'compiled.ts': '',
  emulator: '',
}

/** These know hardly the ground: endpoints say what there is, the emulator may disagree with it. */
const groundless = ['endpoints', 'emulator']

/** Types that are taken from above, of which nothing is left when the program runs. */
const upward = [
  { from: 'observe/parts.ts', to: 'lifecycle.ts callers mirror procore state', why: 'health, gauges and the page look at all parts, which know nothing of them' },
  { from: 'state', to: 'procore', why: 'procore says what it wants to share; the store does it' },
]

/** Packages that only these rooms know, so that each could be changed for another without a walk through the house. */
const doors: Record<string, string> = {
  undici: 'connections.ts callers demo procore',
  oauth4webapi: 'procore',
  jose: 'callers',
  ioredis: 'callers state',
  pino: 'observe',
  'prom-client': 'observe',
  '@opentelemetry/api': 'observe',
  '@fastify/multipart': 'mirror',
  'iso-3166': 'emulator endpoints',
}

const sources = readSources('src/**/*.ts')
const others = readSources('test/**/*.ts', 'bench/**/*.ts', 'client/**/*.ts')
const all = [...sources, ...others]
const tests = others.filter(({ path }) => path.endsWith('.test.ts') && !/^test\/(tidy|readme)\./.test(path))

const words = (text = '') => text.split(' ').filter(word => word !== '')
const at = (source: Source, node: ts.Node) => `${source.path}:${getLine(source, node.getStart())} ${node.getText().slice(0, 80)}`
const textOf = (path: string) => readFileSync(join(root, path), 'utf8')

/** The entry of a file in the lists above. */
function roomOf (path: string): string {
  const inside = path.replace(/^src\//, '')
  return inside in downward ? inside : inside.split('/')[0] ?? ''
}

const edges = sources.flatMap(source => findImports(source).filter(({ target }) => target.startsWith('src/')).map(({ target, isTypeOnly }) => ({ file: source.path.slice(4), from: roomOf(source.path), to: roomOf(target), typeOnly: isTypeOnly }))).filter(({ from, to }) => from !== to)
const isUpward = ({ file, from, to, typeOnly }: typeof edges[number]) => typeOnly && upward.some(entry => (entry.from === file || entry.from === from) && words(entry.to).includes(to))

t.test('imports point down, and every edge that is allowed is there', async t => {
  const rooms = Object.keys(downward)
  for (const [from, to] of Object.entries(downward)) t.strictSame(words(to).filter(room => rooms.indexOf(room) <= rooms.indexOf(from)), [], `${from} leads down`)
  const isGround = ({ from, to }: typeof edges[number]) => ground.includes(to) && !groundless.includes(from)
  const rest = edges.filter(edge => !isGround(edge) && !isUpward(edge))
  t.strictSame(rest.filter(({ from, to }) => !words(downward[from]).includes(to)).map(({ file, to }) => `${file} imports ${to}`), [])
  const used = new Set(rest.map(({ from, to }) => `${from} ${to}`))
  t.strictSame(Object.entries(downward).flatMap(([from, to]) => words(to).map(room => `${from} ${room}`)).filter(edge => !used.has(edge)), [], 'allowed, but not there')
  const seen = new Set(edges.filter(isUpward).flatMap(({ file, from, to }) => [`${file} ${to}`, `${from} ${to}`]))
  t.strictSame(upward.flatMap(({ from, to }) => words(to).map(room => `${from} ${room}`)).filter(edge => !seen.has(edge)), [], 'excused, but not there')
})

t.test('the client is for browsers: it takes nothing of the service, nor of any package', async t => {
  const files = readSources('client/*.ts').filter(({ path }) => path !== 'client/serve.ts')
  t.strictSame(files.flatMap(source => findImports(source).filter(({ target }) => !target.startsWith('client/')).map(({ target }) => `${source.path} imports ${target}`)), [])
})

t.test('no imports in a circle, tests included', async t => {
  t.strictSame(findImportCycles(all), [])
})

t.test('packages stay behind their doors', async t => {
  const users = (name: string) => new Set(sources.filter(source => findImports(source).some(({ target }) => target === name)).map(({ path }) => roomOf(path)))
  for (const [name, rooms] of Object.entries(doors)) t.strictSame([...users(name)].sort(), words(rooms).sort(), name)
  t.notOk(users('node:').has('endpoints'), 'descriptions do no I/O')
})

/** Values of src that no other file of src takes. */
const forOthers = [
  { name: 'src/telemetry/logger.ts describeError', why: 'what an error may show is judged by itself, for errors of every kind' },
]

t.test('nothing is exported that nobody takes', async t => {
  const taken = (files: readonly Source[]) => new Set(files.flatMap(source => findImports(source).flatMap(({ target, names }) => names.map(name => `${target} ${name}`))))
  const [here, there] = [taken(sources), taken(others)]
  const isTaken = (path: string, name: string, by: ReadonlySet<string>) => by.has(`${path} ${name}`) || by.has(`${path} *`)
  const left = sources.flatMap(source => findExports(source).filter(name => !isTaken(source.path, name, here) && !isPartOfFace(source, name)).map(name => `${source.path} ${name}`))
  t.strictSame(left, forOthers.map(({ name }) => name))
  for (const name of left) t.ok(there.has(name), `${name} is used at all`)
})

/** A type is exported with what speaks of it, so that whoever calls can name it. */
function isPartOfFace ({ tree }: Source, name: string): boolean {
  const declaration = tree.statements.find(statement => (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) && statement.name.text === name)
  return declaration !== undefined && tree.statements.some(statement => statement !== declaration && new RegExp(`\\b${name}\\b`).test(statement.getText()) && /^export /.test(statement.getText()))
}

/** Casts by the type that they are to: how many there are, which may become fewer. */
const casts = [
  { to: '[Buffer, ...Buffer[]]', count: 3, why: 'a list that was mapped is not known to have an element' },
  { to: 'FormPart[]', count: 1, why: 'a part without a file name is spread with an undefined one, which the form leaves out' },
  { to: 'Way[]', count: 1, why: 'the keys of an object are known to be text only' },
  { to: '\'GET\'', count: 1, why: 'methods that undici\'s type does not have are what is tested' },
]

t.test('no `any`, and no cast but those with a reason, none of them in src', async t => {
  t.strictSame(all.filter(({ path }) => path !== 'client/openapi.ts').flatMap(source => findAnyTypes(source).map(node => at(source, node))), [])
  t.strictSame([...sources, ...readSources('client/**/*.ts')].flatMap(source => findCasts(source).map(node => at(source, node))), [])
  const found = others.flatMap(source => findCasts(source).map(node => ({ place: at(source, node), to: ts.isAsExpression(node) ? node.type.getText() : '' })))
  t.strictSame(found.filter(({ to }) => !casts.some(cast => cast.to === to)).map(({ place }) => place), [])
  for (const { to, count } of casts) t.equal(found.filter(cast => cast.to === to).length, count, `to ${to}: take one away here when one is gone`)
})

t.test('every file opens by saying what it is for, and a long one why it is long', async t => {
  for (const source of all) {
    const opening = getOpeningComment(source)
    t.match(opening, source.path.startsWith('src/') ? /^\/\*\*\s+(\* )?[^]{20,}\.( |\n \*)/ : /^\/[/*]/, source.path)
    if (countLines(source) > 250) t.match(opening, /It is long because |written by `npm run /, `${source.path} has ${countLines(source)} lines`)
  }
})

t.test('everything that is exported says what it is: units, limits, errors, source', async t => {
  // What the demo's page takes from itself is read by nobody else.
  const files = readSources('src/**/*.ts', 'bench/**/*.ts').filter(({ path }) => !path.startsWith('src/demo/page/'))
  t.strictSame(files.flatMap(source => findUndocumentedExports(source).map(name => `${source.path} ${name}`)), [])
})

t.test('every skip has a name, and none is silent where everything is there', async t => {
  for (const source of others) {
    for (const node of collectNodes(source.tree)) {
      if (ts.isPropertyAccessExpression(node) && /^t\.(skip|todo|only)$/.test(node.getText())) t.fail(at(source, node))
      const reason = reasonOf(node)
      if (reason !== undefined) t.match(reason, /process\.env\['CI'\] !== 'true' && '[^']{10,}'$/, at(source, node))
    }
  }
})

/** What stands behind `skip` in the options of a test. */
function reasonOf (node: ts.Node): string | undefined {
  const isSkip = (ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node) || ts.isShorthandPropertyAssignment(node)) && node.name.getText() === 'skip'
  if (!isSkip || ts.isShorthandPropertyAssignment(node)) return undefined
  const reason = node.initializer?.getText() ?? ''
  return /^skip$|^skipTime\(/.test(reason) ? undefined : reason
}

/** Texts and regular expressions. */
const literals = (source: Source) => collectNodes(source.tree).flatMap(node => ts.isStringLiteralLike(node) || ts.isRegularExpressionLiteral(node) ? [node.text] : [])

t.test('every code of a problem is raised by the service, and met by a test', async t => {
  const raised = new Set(sources.filter(({ path }) => path !== 'src/server/problem.ts' && !path.startsWith('src/pages/')).flatMap(literals))
  const met = new Set(tests.flatMap(literals).flatMap(text => [text, ...[...text.matchAll(/"code":"(\w+)"/g)].map(([, code]) => code)]))
  for (const code of problemCodes) {
    t.ok(raised.has(code), `${code} is raised`)
    t.ok(met.has(code), `${code} is met`)
  }
})

/** Variables that are not the service's: read by Node, by a library, by the emulator or by the programs that measure. */
const foreign = ['CI', 'EMULATOR_HOST', 'EMULATOR_PORT', 'EMULATOR_SETTINGS', 'NODE_COMPILE_CACHE', 'NODE_DISABLE_COMPILE_CACHE', 'NODE_ENV', 'NODE_EXTRA_CA_CERTS', 'OTEL_SERVICE_NAME', 'OTEL_TRACES_SAMPLER']

/** Files that look at the environment; all else is given a Config. */
const lookers = [
  { path: 'tools/demo/index.ts', why: 'hands it on to the service that it starts' },
  { path: 'tools/emulator/main.ts', why: 'a program of its own' },
  { path: 'src/health/container-check.ts', why: 'a program of its own' },
  { path: 'src/telemetry/tracing.ts', why: 'a name that OpenTelemetry gave' },
  { path: 'src/server/process.ts', why: 'reads the configuration' },
]

t.test('environment variables: read in one place, each used, each set by a test, and no text names one that is not there', async t => {
  const names = Object.keys(EnvSchema.properties)
  t.strictSame(sources.filter(({ tree }) => tree.text.includes('process.env')).map(({ path }) => path), lookers.map(({ path }) => path))
  const readers = textOf('src/config/index.ts') + textOf('src/config/parse-env.ts')
  const setters = tests.map(({ tree }) => tree.text).join('')
  for (const name of names) {
    t.match(readers, new RegExp(`\\b${name}\\b`), `${name} is used`)
    t.match(setters, new RegExp(`\\b${name}\\b`), `${name} is tested`)
  }
  const known = new Set([...names, ...secretFileVariables.map(name => `${name}_FILE`), ...foreign])
  for (const path of pages) {
    for (const [, name = ''] of textOf(path).matchAll(/`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`/g)) t.ok(known.has(name), `${name} in ${path}`)
  }
  for (const { environment = {} } of Object.values<{ environment?: object }>(parse(textOf('docker-compose.yml'), { merge: true }).services)) {
    for (const name of Object.keys(environment)) t.ok(known.has(name), `${name} in docker-compose.yml`)
  }
})

const pages = globSync(['*.md', 'bench/*.md', 'docs/**/*.md'], { cwd: root }).sort()

t.test('every file and place that a page leads to is there, as test/docs/readme.test.ts has it of the README', async t => {
  for (const path of pages.filter(page => page !== 'README.md')) {
    for (const [, file = '', place = ''] of textOf(path).matchAll(/\]\(([\w./-]*)(#[\w-]+)?\)/g)) {
      const target = file === '' ? path : join(dirname(path), file)
      t.ok(existsSync(join(root, target)), `${target} of ${path}`)
      if (place !== '') t.ok(headings(target).includes(place.slice(1)), `${place} of ${path}`)
    }
  }
})

/** As GitHub makes anchors of them. */
const headings = (path: string) => [...textOf(path).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => title.toLowerCase().replace(/[^\w -]/g, '').replaceAll(' ', '-'))

t.test('the document has the paths of the README\'s table, and besides them those of the service itself, which the README tells of', async t => {
  const paths: Record<string, object> = parse(textOf('openapi/openapi.yaml')).paths
  const there = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map(method => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`))
  const told = tableRows('operation').flatMap(([, route = '', procorePath = '']) => procorePath === '-' ? [route] : [route, `${route.split(' ')[0]} ${procorePath}`])
  t.strictSame(told.filter(route => !there.includes(route)), [])
  const own = there.filter(route => !told.includes(route))
  t.strictSame(own.sort(), ['GET /livez', 'GET /metrics', 'GET /openapi.json', 'GET /readyz'])
  for (const route of own) t.ok(readme.includes(`\`${route.slice(4)}\``), route)
})

t.test('every metric that a page names is one that the service has', async t => {
  const own = new Set(sources.filter(({ path }) => path.startsWith('src/observe/')).flatMap(literals))
  for (const path of pages) {
    for (const [, name = ''] of textOf(path).matchAll(new RegExp(`\\b${metricPrefix}([a-z_]+)\\b`, 'g'))) t.ok(own.has(name) || own.has(name.replace(/_(bucket|sum|count)$/, '')), `${name} in ${path}`)
  }
})
