// Packs the client, installs the tarball into fresh projects of every module system, compiles them and runs them.
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import clientPackageJson from '../../client/package.json' with { type: 'json' }
import packageJson from '../../package.json' with { type: 'json' }
import { assertSchema } from '../helpers/assert-schema.ts'
import { hasBrowser, openPage } from '../helpers/browser.ts'
import { gif } from '../helpers/images.ts'
import { startPageServer } from '../helpers/page-server.ts'
import { startService } from '../helpers/service.ts'
import { root } from '../helpers/spawn-program.ts'

const exec = promisify(execFile)

// Outside the repository, so that no package of its node_modules is found.
const directory = await mkdtemp(join(tmpdir(), 'client-package-'))
t.teardown(() => rm(directory, { recursive: true }))

const PackSchema = Type.Array(Type.Object({
  filename: Type.String(),
  files: Type.Array(Type.Object({ path: Type.String() })),
}))
const packArguments = ['pack', '--workspace', 'client', '--json', '--pack-destination', directory]
const { stdout } = await exec('npm', packArguments, { cwd: root })
const [tarball] = assertSchema(PackSchema, JSON.parse(stdout))
await writeFile(join(directory, 'package.json'), '{ "private": true }\n')
await exec('npm', ['install', '--offline', '--no-audit', '--no-fund', join(directory, tarball?.filename ?? '')], {
  cwd: directory,
})
const installed = join(directory, 'node_modules', clientPackageJson.name)

/** Returns the path of a Node of the major version that is in PATH. */
async function findNode (major: number): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'node')
    if (!existsSync(path)) continue
    const { stdout } = await exec(path, ['--version'])
    if (stdout.startsWith(`v${major}.`)) return path
  }
  return undefined
}

const node20 = await findNode(20)

t.test('the package has the version and the licence of the service, and no dependencies', async t => {
  t.equal(clientPackageJson.version, packageJson.version)
  t.equal(clientPackageJson.license, packageJson.license)
  t.strictSame(Object.keys(clientPackageJson).filter(name => /dependencies$/i.test(name)), [])
})

t.test('the package contains the modules and types of both module systems, and nothing else', async t => {
  const sources = readdirSync(join(root, 'client')).filter(name => name.endsWith('.ts') && name !== 'serve.ts')
  const modules = sources.map(name => name.slice(0, -'.ts'.length))
    .flatMap(name => ['cjs', 'esm'].flatMap(kind => [`dist/${kind}/${name}.js`, `dist/${kind}/${name}.d.ts`]))
  const expected = ['README.md', 'package.json', 'dist/LICENSE', 'dist/cjs/package.json', ...modules]
  t.strictSame(tarball?.files.map(({ path }) => path).sort(), expected.sort())
})

t.test('every file that `exports` names is in the package', async t => {
  const { './package.json': _own, ...entries } = clientPackageJson.exports
  for (const { import: esm, require: cjs } of Object.values(entries)) {
    for (const path of [esm, cjs, esm.replace(/\.js$/, '.d.ts'), cjs.replace(/\.js$/, '.d.ts')]) {
      t.ok(existsSync(join(installed, path)), path)
    }
  }
})

/** Creates a user with an avatar, and prints the result. */
const program = `
const bff = createClient({ baseUrl: process.argv[2] ?? '' })
const avatar = new Blob([Uint8Array.from(atob('${gif().toString('base64')}'), byte => byte.charCodeAt(0))])
const user: NewUser = { last_name: 'Doe', email_address: 'jane@example.com' }
isAcceptedImage(avatar)
  .then(isAccepted => bff.createUser(101, user, isAccepted ? { avatar } : {}))
  .then(({ status, data }) => console.log(status, data.last_name))
  .catch((error: unknown) => console.log(error instanceof ProblemError ? error.code : error))
`
const imports = `import { createClient, ProblemError, type NewUser } from '${clientPackageJson.name}'
import { isAcceptedImage } from '${clientPackageJson.name}/to-jpeg'
declare const process: { argv: string[] }
// @ts-expect-error A misspelt field does not compile.
export const misspelt: NewUser = { last_name: 'Doe', email: 'jane@example.com' }
`

/** The same without types. */
const javascriptProgram = program.replaceAll(/: (?:NewUser|unknown)/g, '')
const requires = `const { createClient, ProblemError } = require('${clientPackageJson.name}')
const { isAcceptedImage } = require('${clientPackageJson.name}/to-jpeg')
`
const javascriptImports = requires.replaceAll(/const (.*) = require\((.*)\)/g, 'import $1 from $2')

/** Takes the URL of the service from the page's address. */
const inPage = (code: string) => code.replace('process.argv[2]', 'location.hash.slice(1)')

async function writeProject (name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const project = join(directory, name)
  await mkdir(project)
  for (const [file, content] of Object.entries(files)) await writeFile(join(project, file), content)
  return project
}

/** Runs a program of a project with a service of its own. */
async function assertCreates (t: Test, file: string, node = process.execPath): Promise<void> {
  const { url, emulator } = await startService(t)
  const { stdout, stderr } = await exec(node, [file, url], { env: {} })
  t.equal(stderr, '')
  t.equal(stdout, '201 Doe\n')
  t.match(emulator.api.directory.list(101), [{ avatar: gif() }])
}

t.test('a JavaScript project', async t => {
  const skip = node20 === undefined && process.env['CI'] !== 'true' && 'Node 20 is not installed'
  const project = await writeProject('javascript', {
    'package.json': '{ "private": true }\n',
    'require.cjs': requires + javascriptProgram,
    'import.mjs': javascriptImports + javascriptProgram,
  })
  for (const file of ['require.cjs', 'import.mjs']) {
    t.test(`${file} creates a user`, async t => assertCreates(t, join(project, file)))
    t.test(`${file} creates a user with Node 20`, { skip }, async t => {
      await assertCreates(t, join(project, file), node20)
    })
  }
})

interface TypeScriptProject {
  name: string
  type: 'commonjs' | 'module'
  compilerOptions: Record<string, unknown>
  /** Bundlers resolve what Node alone cannot run. */
  runs: boolean
}

const strictOptions = {
  strict: true,
  skipLibCheck: false,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  types: [],
  target: 'es2022',
  lib: ['es2022', 'dom'],
}

const typeScriptProjects: TypeScriptProject[] = [
  { name: 'CommonJS (node16)', type: 'commonjs', compilerOptions: { module: 'node16' }, runs: true },
  { name: 'ES modules (nodenext)', type: 'module', compilerOptions: { module: 'nodenext' }, runs: true },
  {
    name: 'a bundler (preserve, as in Angular)',
    type: 'module',
    compilerOptions: {
      module: 'preserve',
      isolatedModules: true,
      noPropertyAccessFromIndexSignature: true,
      noImplicitReturns: true,
      noImplicitOverride: true,
      noEmit: true,
    },
    runs: false,
  },
]

t.test('a strict TypeScript project', async t => {
  for (const [index, { name, type, compilerOptions, runs }] of typeScriptProjects.entries()) {
    t.test(`with ${name} compiles${runs ? ' and creates a user' : ''}`, async t => {
      const project = await writeProject(`typescript-${index}`, {
        'package.json': JSON.stringify({ private: true, type }),
        'main.ts': imports + program,
        'tsconfig.json': JSON.stringify({ compilerOptions: { ...strictOptions, ...compilerOptions } }),
      })
      const compiler = join(root, 'node_modules/typescript/bin/tsc')
      await t.resolves(exec(process.execPath, [compiler, '-p', project]).catch((error: Error & { stdout: string }) => {
        throw new Error(error.stdout)
      }))
      if (runs) await assertCreates(t, join(project, 'main.js'))
    })
  }
})

const skip = !hasBrowser && process.env['CI'] !== 'true' && 'chromium is not installed'

/** Returns the files of a folder that end with `.js`, by name. */
function readModules (folder: string): Array<[string, string]> {
  const names = readdirSync(folder).filter(name => name.endsWith('.js'))
  return names.map(name => [name, readFileSync(join(folder, name), 'utf8')])
}

/** Opens a page whose program creates a user when the button is pressed. */
async function assertPageCreates (t: Test, html: string, modules: ReadonlyMap<string, string>): Promise<void> {
  const origin = await startPageServer(t, { '/': html }, modules)
  const { url, emulator } = await startService(t, { env: { CORS_ORIGINS: origin } })
  const { page, errors } = await openPage(t)
  const created = page.waitForEvent('console')
  await page.goto(`${origin}/#${url}`)
  await page.click('button')
  t.equal((await created).text(), '201 Doe')
  t.match(emulator.api.directory.list(101), [{ avatar: gif() }])
  t.strictSame(errors, [])
}

t.test('a page with <script type="module"> and no build step creates a user', { skip }, async t => {
  const modules = new Map(readModules(join(installed, 'dist/esm')))
  const script = javascriptImports
    .replace(`'${clientPackageJson.name}/to-jpeg'`, '\'/client/to-jpeg.js\'')
    .replace(`'${clientPackageJson.name}'`, '\'/client/client.js\'') +
    `document.querySelector('button').onclick = () => { ${inPage(javascriptProgram)} }`
  const html = '<!doctype html><title>sample</title><link rel="icon" href="data:,"><button>Create</button>' +
    `<script type="module">${script}</script>`
  await assertPageCreates(t, html, modules)
})

t.test('a new Vite and React project builds, and its page creates a user', { skip }, async t => {
  const project = await writeProject('vite', {
    'package.json': '{ "private": true, "type": "module" }\n',
    'index.html': '<!doctype html><title>sample</title><link rel="icon" href="data:,"><div id="root"></div>' +
      '<script type="module" src="/main.tsx"></script>',
    'vite.config.ts': `import react from '@vitejs/plugin-react'
export default { plugins: [react()] }
`,
    'main.tsx': `import { createRoot } from 'react-dom/client'
${imports}
function start () {
  ${inPage(program)}
}
createRoot(document.querySelector('#root')!).render(<button onClick={start}>Create</button>)
`,
  })
  const packages = ['vite@8', '@vitejs/plugin-react@6', 'react@19', 'react-dom@19']
  await exec('npm', ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], {
    cwd: project,
  })
  const vite = join(project, 'node_modules/vite/bin/vite.js')
  await exec(process.execPath, [vite, 'build', '--base=/client/'], { cwd: project })
  const assets = new Map(readModules(join(project, 'dist/assets')).map(([name, code]) => [`assets/${name}`, code]))
  await assertPageCreates(t, readFileSync(join(project, 'dist/index.html'), 'utf8'), assets)
})
