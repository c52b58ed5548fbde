// Tests that the examples of docs/client.md compile and work, and that its table and numbers agree with the client.
import { execFile } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { createClient } from '../../client/client.ts'
import { limits } from '../../client/limits.ts'
import { gif } from '../helpers/images.ts'
import { readPage } from '../helpers/markdown.ts'
import { jane } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { root } from '../helpers/spawn-program.ts'

const page = readPage('docs/client.md')
const exampleNames = [
  'create-user.ts', 'import-users.ts', 'messages.ts', 'use-users.ts', 'plain-fetch.ts', 'choose-avatar.ts',
]

/** Writes the examples to files, beside the files that a frontend has of its own. */
async function writeExamples (t: Test, baseUrl: string): Promise<string> {
  const directory = t.testdir()
  const examples = new Map(page.codeBlocks('ts').map(code => [/^\/\/ (.+)\n/.exec(code)?.[1] ?? '', code]))
  for (const name of exampleNames) {
    const source = (examples.get(name) ?? '')
      .replaceAll('\'procore-bff-client\'', `'${join(root, 'client/client.ts')}'`)
      .replaceAll(/'procore-bff-client\/([\w-]+)'/g, `'${join(root, 'client/$1.ts')}'`)
      .replaceAll('https://bff.example.com', baseUrl)
    t.not(source, '', name)
    await writeFile(join(directory, name), source)
  }
  await writeFile(join(directory, 'session.ts'), 'export const accessToken = async () => \'a-token\'\n')
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify({
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { typeRoots: [join(root, 'node_modules/@types')] },
    include: ['*.ts'],
  }))
  return directory
}

/** Runs the TypeScript compiler and returns its errors. */
async function compile (...args: string[]): Promise<string> {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  return new Promise(resolve => {
    execFile(process.execPath, [compiler, ...args], (error, stdout, stderr) => {
      resolve(error === null ? stdout : `${error.message}\n${stdout}${stderr}`)
    })
  })
}

t.test('the examples compile', async t => {
  const directory = await writeExamples(t, 'https://bff.example.com')
  t.equal(await compile('-p', directory, '--noEmit'), '')
})

t.test('the client compiles for browsers alone, with the library of an older TypeScript', async t => {
  const names = (await readdir(join(root, 'client'))).filter(name => name.endsWith('.ts') && name !== 'serve.ts')
  const directory = t.testdir({
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        target: 'ES2022',
        lib: ['ES2022', 'DOM', 'DOM.Iterable'],
        module: 'ESNext',
        moduleResolution: 'bundler',
        types: [],
        skipDefaultLibCheck: true,
        strict: true,
        noUnusedLocals: true,
        noUnusedParameters: true,
        allowImportingTsExtensions: true,
        verbatimModuleSyntax: true,
        noEmit: true,
      },
      files: names.map(name => join(root, 'client', name)),
    }),
  })
  t.equal(await compile('-p', directory), '')
})

t.test('the table of methods lists every method of the client and no other', async t => {
  const listed = page.tableRows('method').flatMap(([names = '']) => {
    return names.replace(/\(.*?\)/g, '').split(/[\s,]+/).filter(name => name !== '')
  })
  t.strictSame(listed.sort(), Object.keys(createClient({ baseUrl: '' })).sort())
})

/** Returns a function of a module or an object that has no types. */
function getFunction (target: unknown, name: string): (...args: unknown[]) => unknown {
  if (typeof target !== 'object' || target === null) throw new Error(`There is no ${name}.`)
  const value: unknown = Reflect.get(target, name)
  if (typeof value !== 'function') throw new Error(`${name} is not a function.`)
  return (...args) => {
    const result: unknown = Reflect.apply(value, undefined, args)
    return result
  }
}

t.test('the examples create users', async t => {
  const { url, emulator } = await startService(t)
  const directory = await writeExamples(t, url)
  const load = async (file: string, name: string) => {
    const example: unknown = await import(pathToFileURL(join(directory, file)).href)
    return getFunction(example, name)
  }
  const avatar = new Blob([new Uint8Array(gif())])
  const getAvatar = (companyId: number) => emulator.api.directory.list(companyId)[0]?.avatar

  await t.test('with the client', async t => {
    const openForm = await load('create-user.ts', 'openForm')
    const submit = await load('create-user.ts', 'submit')
    const submission = openForm(101)
    t.match(await submit(submission, { ...jane, email_address: 'jane' }, {}), {
      message: 'Some fields are not valid. Correct them and try again.',
      errorsByField: { email_address: [{ message: 'must be an e-mail address' }] },
      canCreateAnyway: false,
    })
    t.match(await submit(submission, jane, { avatar }), { id: Number })
    t.ok(getAvatar(101)?.equals(gif()))
  })

  await t.test('with an avatar of another type that cannot be converted here', async t => {
    const prepareAvatar = await load('choose-avatar.ts', 'prepareAvatar')
    t.match(await prepareAvatar(avatar), { avatar })
    t.match(await prepareAvatar(new Blob(['<svg/>'])), { message: /cannot convert images/ })
  })

  await t.test('with plain fetch', async t => {
    const createUser = await load('plain-fetch.ts', 'createUser')
    t.match(await createUser(103, jane, avatar, 'three'), { user: { id: Number } })
    t.match(await createUser(103, { last_name: 'Doe' }, undefined, 'four'), {
      code: 'validation_failed',
      errors: { 'user[email_address]': 'is required' },
    })
    t.ok(getAvatar(103)?.equals(gif()))
  })
})

t.test('the page states the limits of the client', async t => {
  t.match(page.text, `up to ${limits.attemptsMax} attempts`)
  t.match(page.text, 'take one minute at most in total')
  t.equal(limits.retryDelayTotalMaxMs, 60_000)
  t.match(page.text, 'for two and a half minutes at most')
  t.equal(limits.inProgressDelayTotalMaxMs, 150_000)
  t.match(page.text, `more than ${limits.imageMaxBytes / 1e6} MB`)
})
