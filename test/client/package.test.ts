// Packs the client, installs the tarball into fresh projects of every module system, compiles them and runs them.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import clientPackageJson from '../../client/package.json' with { type: 'json' }
import packageJson from '../../package.json' with { type: 'json' }
import { hasBrowser, openPage } from '../helpers/browser.ts'
import { findExample, installPackages, packClient, run } from '../helpers/client-package.ts'
import { gif } from '../helpers/images.ts'
import { startPageServer } from '../helpers/page-server.ts'
import { startService } from '../helpers/service.ts'
import { root } from '../helpers/spawn-program.ts'

// The projects wait for the registry and for the programs that they run.
t.jobs = 2

const { directory, tarball, paths } = await packClient()
await writeFile(join(directory, 'package.json'), '{ "private": true }\n')
await installPackages(directory, [tarball])
const installed = join(directory, 'node_modules', clientPackageJson.name)

/** Returns the path of a Node of the major version that is in PATH. */
async function findNode (major: number): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'node')
    if (!existsSync(path)) continue
    if ((await run(folder, path, ['--version'])).startsWith(`v${major}.`)) return path
  }
  return undefined
}

const node20 = await findNode(20)

t.test('the package has the version and the licence of the service', async t => {
  t.equal(clientPackageJson.version, packageJson.version)
  t.equal(clientPackageJson.license, packageJson.license)
})

t.test('the package has no dependencies but the optional ones of the hook, and is installed alone', async t => {
  const { peerDependencies, peerDependenciesMeta } = clientPackageJson
  t.notOk('dependencies' in clientPackageJson)
  for (const name of Object.keys(peerDependencies)) {
    t.match(new Map(Object.entries(peerDependenciesMeta)).get(name), { optional: true }, name)
  }
  const names = readdirSync(join(directory, 'node_modules')).filter(name => !name.startsWith('.'))
  t.strictSame(names, [clientPackageJson.name])
})

t.test('the package contains the modules and types of both module systems, and nothing else', async t => {
  const sources = readdirSync(join(root, 'client')).filter(name => name.endsWith('.ts') && name !== 'serve.ts')
  const modules = sources.map(name => name.slice(0, -'.ts'.length))
    .flatMap(name => ['cjs', 'esm'].flatMap(kind => [`dist/${kind}/${name}.js`, `dist/${kind}/${name}.d.ts`]))
  const expected = ['README.md', 'package.json', 'dist/LICENSE', 'dist/cjs/package.json', ...modules]
  t.strictSame(paths.sort(), expected.sort())
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

async function writeProject (path: string, files: Readonly<Record<string, string>>): Promise<string> {
  const project = join(directory, path)
  await mkdir(project)
  for (const [file, content] of Object.entries(files)) await writeFile(join(project, file), content)
  return project
}

/** Runs a program of a project with a service of its own. */
async function assertCreates (t: Test, file: string, node = process.execPath): Promise<void> {
  const { url, emulator } = await startService(t)
  t.equal(await run(directory, node, [file, url]), '201 Doe\n')
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

/** Compiles a project with the TypeScript of the repository. */
async function assertCompiles (t: Test, project: string): Promise<void> {
  await t.resolves(run(project, process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project]))
}

const nodeOptions = {
  module: 'nodenext',
  strict: true,
  // Checks the declarations of the package, but not those of TypeScript, which take most of the time.
  skipDefaultLibCheck: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  types: [],
  target: 'es2022',
  lib: ['es2022', 'dom'],
}

/** The options of `ng new` of Angular 22. Its builder emits the files. */
const angularOptions = {
  strict: true,
  noImplicitOverride: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitReturns: true,
  noFallthroughCasesInSwitch: true,
  skipLibCheck: true,
  isolatedModules: true,
  experimentalDecorators: true,
  importHelpers: true,
  target: 'ES2022',
  module: 'preserve',
  types: [],
  noEmit: true,
}

t.test('a strict TypeScript project of Node compiles, and creates users', async t => {
  const project = await writeProject('node', {
    'package.json': '{ "private": true }\n',
    'main.cts': imports + program,
    'main.mts': imports + program,
    'tsconfig.json': JSON.stringify({ compilerOptions: nodeOptions }),
  })
  await assertCompiles(t, project)
  t.test('as CommonJS', async t => assertCreates(t, join(project, 'main.cjs')))
  t.test('as an ES module', async t => assertCreates(t, join(project, 'main.mjs')))
})

t.test('a strict TypeScript project with the options of Angular compiles', async t => {
  await assertCompiles(t, await writeProject('angular', {
    'main.ts': imports + program,
    'tsconfig.json': JSON.stringify({ compilerOptions: angularOptions }),
  }))
})

const skip = !hasBrowser && process.env['CI'] !== 'true' && 'chromium is not installed'

/** Returns the files of a folder that end with `.js`, by name. */
function readModules (folder: string): Array<[string, string]> {
  const names = readdirSync(folder).filter(name => name.endsWith('.js'))
  return names.map(name => [name, readFileSync(join(folder, name), 'utf8')])
}

/** Starts a service, opens a page that calls it, and returns both. */
async function openSample (t: Test, html: string, modules: ReadonlyMap<string, string>) {
  const origin = await startPageServer(t, { '/': html }, modules)
  const { url, emulator } = await startService(t, { env: { CORS_ORIGINS: origin } })
  const { page, errors } = await openPage(t)
  await page.goto(`${origin}/#${url}`)
  return { page, errors, emulator }
}

t.test('a page with <script type="module"> and no build step creates a user', { skip }, async t => {
  const modules = new Map(readModules(join(installed, 'dist/esm')))
  const script = javascriptImports
    .replace(`'${clientPackageJson.name}/to-jpeg'`, '\'/client/to-jpeg.js\'')
    .replace(`'${clientPackageJson.name}'`, '\'/client/client.js\'') +
    `document.querySelector('button').onclick = () => { ${inPage(javascriptProgram)} }`
  const html = '<!doctype html><title>sample</title><link rel="icon" href="data:,"><button>Create</button>' +
    `<script type="module">${script}</script>`
  const { page, errors, emulator } = await openSample(t, html, modules)
  const created = page.waitForEvent('console')
  await page.click('button')
  t.equal((await created).text(), '201 Doe')
  t.match(emulator.api.directory.list(101), [{ avatar: gif() }])
  t.strictSame(errors, [])
})

/** Uses the example of a query, and a client that changes with the session. */
const usersPage = `import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { createClient } from '${clientPackageJson.name}'
import { useCreateUser } from '${clientPackageJson.name}/react-query'
import { useUsers } from './use-users.ts'

const clients = ['first', 'second'].map(accessToken => {
  return createClient({ baseUrl: location.hash.slice(1), accessToken })
})

function Users () {
  const [companyId, setCompanyId] = useState(101)
  const { users, createUser } = useUsers(companyId)
  const user = { last_name: 'Doe', email_address: 'jane@example.com' }
  return <p>
    <button onClick={() => createUser.mutate({ user })}>Create</button>
    <button onClick={() => setCompanyId(102)}>Another company</button>
    <output>{companyId} {createUser.status} {users.data?.length}</output>
  </p>
}

function Session () {
  const [session, setSession] = useState(0)
  const { mutate, data } = useCreateUser(clients[session]!, 103)
  const user = { last_name: 'Roe', email_address: 'joe@example.com' }
  return <p>
    <button onClick={() => setSession(1)}>Another session</button>
    <button onClick={() => mutate({ user })}>Create in the session</button>
    <output>{data?.data.name}</output>
  </p>
}

createRoot(document.querySelector('#root')!).render(
  <StrictMode><QueryClientProvider client={new QueryClient()}><Users /><Session /></QueryClientProvider></StrictMode>,
)
`

/** Makes the project of the quick start, with a second page, and builds it. */
async function buildViteProject (): Promise<string> {
  const create = ['create', '--yes', '--prefer-offline', 'vite@9', 'vite', '--']
  await run(directory, 'npm', [...create, '--template', 'react-ts', '--no-interactive'])
  const project = join(directory, 'vite')
  const html = readFileSync(join(project, 'index.html'), 'utf8')
  for (const [path, content] of Object.entries({
    'src/App.tsx': findExample('tsx', 'src/App.tsx'),
    'src/use-users.ts': findExample('ts', 'use-users.ts'),
    'src/session.ts': 'export const accessToken = async () => \'a-token\'\n',
    'src/users.tsx': usersPage,
    'users.html': html.replace('main.tsx', 'users.tsx'),
    'vite.config.ts': `import react from '@vitejs/plugin-react'
export default { plugins: [react()], build: { rollupOptions: { input: ['index.html', 'users.html'] } } }
`,
  })) await writeFile(join(project, path), content)
  await installPackages(project, [tarball, '@tanstack/react-query@5'])
  await run(project, 'npm', ['run', 'build', '--', '--base=/client/'])
  return project
}

interface FilledInForm {
  email?: string
  /** The bytes of the file that is chosen. */
  picture?: Buffer
}

async function submitForm (page: Page, { email = 'jane@example.com', picture }: FilledInForm = {}): Promise<void> {
  await page.fill('[name=last_name]', 'Doe')
  await page.fill('[name=email_address]', email)
  if (picture !== undefined) {
    await page.setInputFiles('[name=avatar]', { name: 'jane.gif', mimeType: 'image/gif', buffer: picture })
  }
  await page.click('text=Create user')
}

const created = '[role=status]:has-text("Doe has the id")'

t.test('a new Vite and React project with the form of the quick start', { skip }, async t => {
  const project = await buildViteProject()
  const assets = new Map(readModules(join(project, 'dist/assets')).map(([name, code]) => [`assets/${name}`, code]))
  const open = (t: Test, name = 'index.html') => {
    // Only the scripts are served.
    const html = readFileSync(join(project, 'dist', name), 'utf8').replaceAll(/<link [^>]*>/g, '')
    return openSample(t, html.replace('<head>', '<head><link rel="icon" href="data:,">'), assets)
  }

  t.test('creates a user with an avatar and shows the progress', async t => {
    const { page, errors, emulator } = await open(t)
    // The end of the upload is rendered before the response arrives.
    emulator.faults.add({ kind: 'delay', delayMs: 500, method: 'POST' })
    await page.evaluate(() => {
      const record = () => {
        const element = document.querySelector('progress')
        if (element !== null) document.title += ` ${element.value / element.max}`
      }
      new MutationObserver(record).observe(document.body, { subtree: true, childList: true, attributes: true })
    })
    await submitForm(page, { picture: gif() })
    await page.waitForSelector(created)
    t.match(await page.title(), / 1$/)
    t.match(emulator.api.directory.list(1234), [{ avatar: gif() }])
    t.strictSame(errors, [])
  })

  t.test('shows the errors of a field and of the avatar beside them, and creates the corrected user', async t => {
    const { page, emulator } = await open(t)
    await submitForm(page, { email: 'jane' })
    await page.waitForSelector('p:has([name=email_address]):has-text("must be an e-mail address")')
    await submitForm(page, { picture: Buffer.from('no image') })
    await page.waitForSelector('p:has([name=avatar]) strong')
    t.equal(await page.locator('p:has([name=email_address]) strong').count(), 0)
    await submitForm(page, { picture: gif() })
    await page.waitForSelector(created)
    t.equal(await page.locator('[role=alert]').count(), 0)
    t.equal(emulator.api.directory.list(1234).length, 1)
  })

  t.test('creates one user if it is submitted twice at once', async t => {
    const { page, emulator } = await open(t)
    await page.fill('[name=last_name]', 'Doe')
    await page.fill('[name=email_address]', 'jane@example.com')
    await page.evaluate(() => {
      document.querySelector('form')?.requestSubmit()
      document.querySelector('form')?.requestSubmit()
    })
    await page.waitForSelector(created)
    t.equal(emulator.api.directory.list(1234).length, 1)
  })

  t.test('is sent again with the same key after the person cancelled it', async t => {
    const { page, emulator } = await open(t)
    emulator.faults.add({ kind: 'delay', delayMs: 1_500, method: 'POST' })
    await submitForm(page, { picture: gif() })
    await page.click('text=Cancel')
    await page.waitForSelector('button:enabled:has-text("Create user")')
    t.equal(await page.locator('[role=alert], [role=status], progress').count(), 0)
    await page.click('text=Create user')
    await page.waitForSelector(created)
    t.equal(emulator.api.directory.list(1234).length, 1)
  })

  t.test('offers to create the user anyway after an unknown outcome', async t => {
    const { page, emulator } = await open(t)
    emulator.faults.add({ kind: 'reset-before-body', method: 'POST' })
    await submitForm(page)
    await page.waitForSelector('[role=alert]:has-text("It is not known whether it was saved.")')
    t.equal(emulator.api.directory.list(1234).length, 0)
    await page.click('text=Create anyway')
    await page.waitForSelector(created)
    t.equal(await page.locator('text=Create anyway').count(), 0)
    t.equal(emulator.api.directory.list(1234).length, 1)
  })

  t.test('begins another form with a new key when it is reset', async t => {
    const { page } = await open(t)
    await submitForm(page)
    await page.waitForSelector(created)
    await page.click('text=New form')
    await page.waitForSelector(created, { state: 'detached' })
    t.equal(await page.inputValue('[name=last_name]'), '')
    await submitForm(page)
    await page.waitForSelector('p:has([name=email_address]):has-text("has already been taken")')
  })

  t.test('has another form for another company, and lists the created user', async t => {
    const { page, emulator } = await open(t, 'users.html')
    // React Query would pause a mutation by default.
    await page.evaluate(() => window.dispatchEvent(new Event('offline')))
    await page.click('text=Create')
    await page.waitForSelector('output:has-text("101 success")')
    await page.evaluate(() => window.dispatchEvent(new Event('online')))
    await page.waitForSelector('output:has-text("101 success 1")')
    await page.click('text=Another company')
    await page.waitForSelector('output:has-text("102 idle 0")')
    await page.click('text=Create')
    await page.waitForSelector('output:has-text("102 success 1")')
    t.strictSame([101, 102].map(id => emulator.api.directory.list(id).length), [1, 1])
  })

  t.test('sends the access token of the latest session', async t => {
    const { page, emulator } = await open(t, 'users.html')
    await page.click('text=Another session')
    const request = page.waitForRequest(request => request.method() === 'POST')
    await page.click('text=Create in the session')
    t.equal((await request).headers()['authorization'], 'Bearer second')
    await page.waitForSelector('output:has-text("Roe")')
    t.equal(emulator.api.directory.list(103).length, 1)
  })

  t.test('compiles as a page of a new Next.js project', async t => {
    // The options of create-next-app 16. They lie in the Vite project, because it has the types of React.
    const compilerOptions = {
      target: 'ES2017',
      lib: ['dom', 'dom.iterable', 'esnext'],
      allowJs: true,
      skipLibCheck: true,
      strict: true,
      noEmit: true,
      esModuleInterop: true,
      module: 'esnext',
      moduleResolution: 'bundler',
      resolveJsonModule: true,
      isolatedModules: true,
      jsx: 'react-jsx',
    }
    await assertCompiles(t, await writeProject('vite/next', {
      'page.tsx': `'use client'\n${findExample('tsx', 'src/App.tsx')}`,
      'tsconfig.json': JSON.stringify({ compilerOptions }),
    }))
  })
})
