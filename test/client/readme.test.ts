// What the README offers frontends to copy: it compiles as it stands, and it works.
import { execFile } from 'node:child_process'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { createClient } from '../../client/client.ts'
import { limits } from '../../client/limits.ts'
import { gif } from '../helpers/images.ts'
import { root } from '../helpers/spawn-program.ts'
import { codeBlocks, readme, tableRows } from '../helpers/readme.ts'
import { jane } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const exec = promisify(execFile)
const names = ['create-user.ts', 'use-create-user.ts', 'plain-fetch.ts']

/** React Query as far as the example uses it. */
const reactQuery = `declare module '@tanstack/react-query' {
  export function useQueryClient (): { invalidateQueries (filter: { queryKey: readonly unknown[] }): Promise<void> }
  export function useMutation<T, E, V> (options: { mutationFn: (variables: V) => Promise<T>, onError?: (error: E) => void, onSuccess?: (data: T) => unknown, retry?: boolean }): { mutate (variables: V): void, error: E | null }
}
`

/** The examples as files, beside what a frontend has of its own. */
async function write (t: Test, baseUrl: string): Promise<string> {
  const directory = t.testdir()
  const examples = new Map(codeBlocks('ts').map(block => [/^\/\/ (.+)\n/.exec(block)?.[1] ?? '', block]))
  for (const name of names) {
    const source = (examples.get(name) ?? '').replaceAll('\'./client/', `'${join(root, 'client')}/`).replaceAll('https://bff.example.com', baseUrl)
    t.ok(source.includes(baseUrl), name)
    await writeFile(join(directory, name), source)
  }
  await writeFile(join(directory, 'session.ts'), 'export const accessToken = async () => \'a-token\'\n')
  await writeFile(join(directory, 'react-query.d.ts'), reactQuery)
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions: { typeRoots: [join(root, 'node_modules/@types')] }, include: ['*.ts'] }))
  return directory
}

t.test('it compiles', async t => {
  const directory = await write(t, 'https://bff.example.com')
  const { stdout } = await exec(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory, '--noEmit']).catch(error => error)
  t.equal(stdout, '')
})

t.test('the client compiles in a project that is for browsers alone, without the types of Node and with an older TypeScript\'s library', async t => {
  const files = (await readdir(join(root, 'client'))).filter(name => name.endsWith('.ts') && name !== 'serve.ts')
  const directory = t.testdir({
    'tsconfig.json': JSON.stringify({
      compilerOptions: { target: 'ES2022', lib: ['ES2022', 'DOM', 'DOM.Iterable'], module: 'ESNext', moduleResolution: 'bundler', types: [], strict: true, noUnusedLocals: true, noUnusedParameters: true, allowImportingTsExtensions: true, verbatimModuleSyntax: true, noEmit: true },
      files: files.map(name => join(root, 'client', name)),
    }),
  })
  const { stdout } = await exec(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory]).catch(error => error)
  t.equal(stdout, '')
})

t.test('every method of the client is in its table, and no other', async t => {
  const told = tableRows('method').flatMap(([names = '']) => names.replace(/\(.*?\)/g, '').split(/[\s,]+/).filter(name => name !== ''))
  t.strictSame(told.sort(), Object.keys(createClient({ baseUrl: '' })).sort())
})

t.test('it works: the client, the same within React Query, and plain fetch', async t => {
  const { url, emulator } = await startService(t)
  const directory = await write(t, url)
  const load = (name: string) => import(pathToFileURL(join(directory, name)).href)
  const avatar = new Blob([new Uint8Array(gif())])

  const { submit } = await load('create-user.ts')
  t.match(await submit(101, jane, { avatar, idempotencyKey: 'one' }), { id: Number })
  t.match(await submit(101, { ...jane, email_address: 'jane' }, {}), { message: String, outcome: undefined, emailFaults: ['must be an e-mail address'] })

  await mkdir(join(directory, 'node_modules/@tanstack/react-query'), { recursive: true })
  await writeFile(join(directory, 'node_modules/@tanstack/react-query/index.mjs'), 'export const useMutation = options => options\nexport const useQueryClient = () => ({})\n')
  await writeFile(join(directory, 'node_modules/@tanstack/react-query/package.json'), '{"exports":"./index.mjs"}')
  const { useCreateUser } = await load('use-create-user.ts')
  t.match(await useCreateUser(102).mutationFn({ user: jane, avatar }), { status: 201 })
  await rm(join(directory, 'node_modules'), { recursive: true })

  const { createUser } = await load('plain-fetch.ts')
  t.match(await createUser(103, jane, avatar, 'three'), { user: { id: Number } })
  t.match(await createUser(103, { last_name: 'Doe' }, undefined, 'four'), { code: 'validation_failed', faults: { 'user[email_address]': 'is required' } })
  for (const company of [101, 102, 103]) t.ok(emulator.api.directory.list(company)[0]?.avatar?.equals(gif()))
})

t.test('the limits that it tells are those of the client', async t => {
  t.match(readme, `up to ${limits.attemptsMax} attempts`)
  t.equal(limits.retryDelayTotalMaxMs, 60_000, 'a minute at most')
})
