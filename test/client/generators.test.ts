// Generates clients as docs/client.md says, compiles its examples, and creates users through them.
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { gif } from '../helpers/images.ts'
import { readPage } from '../helpers/markdown.ts'
import { startService } from '../helpers/service.ts'
import { root } from '../helpers/spawn-program.ts'

const exec = promisify(execFile)
const { url, emulator } = await startService(t)

const directory = await mkdtemp(join(tmpdir(), 'generated-clients-'))
t.teardown(() => rm(directory, { recursive: true }))

const page = readPage('docs/client.md')
const examples = new Map([...page.codeBlocks('js'), ...page.codeBlocks('ts')].map(code => {
  return [/^\/\/ (.+)\n/.exec(code)?.[1] ?? '', code]
}))

/** Runs a file of the project. */
const run = (file: string, ...args: string[]) => exec(process.execPath, [join(directory, file), ...args], {
  cwd: directory,
  env: { PATH: process.env['PATH'] },
})

/** Creates a user by JSON and one with an avatar, with an idempotency key each, and prints the results. */
const program = (example: string) => `import { createUser, createUserWithAvatar } from './${example}.js'
const avatar = new Blob([Buffer.from('${gif().toString('base64')}', 'base64')])
const send = [
  () => createUser('${example}.json@example.com', 'json-${example}'),
  () => createUserWithAvatar('${example}.form@example.com', avatar, 'form-${example}'),
]
for (const create of send) {
  const { data } = await create()
  console.log(data !== undefined && 'email_address' in data ? data.email_address : data)
}
`

const clients = ['openapi-fetch', 'hey-api', 'orval']

async function writeProject (): Promise<void> {
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
  const documented = ['generator/generate-types.mjs', 'orval.config.mjs', ...clients.map(name => `src/${name}.ts`)]
  const files = {
    'package.json': '{ "private": true, "type": "module" }',
    'src/session.ts': 'export const accessToken = async () => \'a-token\'\n',
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        target: 'es2023',
        lib: ['es2023', 'dom', 'dom.iterable'],
        module: 'nodenext',
        types: ['node'],
        strict: true,
        noUncheckedIndexedAccess: true,
        verbatimModuleSyntax: true,
        erasableSyntaxOnly: true,
        noUnusedLocals: true,
        noUnusedParameters: true,
        skipLibCheck: true,
        rootDir: 'src',
        outDir: 'out',
      },
      include: ['src'],
    }),
    ...Object.fromEntries(clients.map(name => [`src/run-${name}.ts`, program(name)])),
    ...Object.fromEntries(documented.map(name => {
      return [name, (examples.get(name) ?? '').replace('https://bff.example.com', url)]
    })),
  }
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), content)
  }
  await mkdir(join(directory, 'openapi'))
  await cp(join(root, 'openapi/client.yaml'), join(directory, 'openapi/client.yaml'))
}

t.test('the documented generators', async t => {
  await writeProject()
  const heyApiArgs = /^npx .* openapi-ts (.*)$/m.exec(page.text)?.[1]?.split(' ') ?? []
  await Promise.all([
    run('generator/generate-types.mjs'),
    run('node_modules/.bin/openapi-ts', ...heyApiArgs),
    run('node_modules/.bin/orval'),
  ])
  await t.test('write clients whose examples compile strictly', async () => {
    await run('node_modules/.bin/tsc')
  })
  for (const name of clients) {
    await t.test(`${name} creates a user by JSON and one with an avatar`, async t => {
      const { stdout } = await run(`out/run-${name}.js`)
      t.equal(stdout, `${name}.json@example.com\n${name}.form@example.com\n`)
      t.match(emulator.api.directory.list(1234).at(-1), { avatar: gif() })
    })
  }
})

t.test('the documented commands install the tested versions of the generators', async t => {
  for (const name of ['openapi-typescript', '@hey-api/openapi-ts', 'orval']) {
    const manifest = await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8')
    const documented = new RegExp(`^np[mx] .*${name}@([\\d.]+)`, 'm').exec(page.text)?.[1]
    t.match(manifest, `"version": "${documented}.`, name)
  }
})
