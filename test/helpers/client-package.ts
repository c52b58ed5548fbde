/** Packs the client, and installs the tarball in projects outside the repository. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Type } from '@sinclair/typebox'
import file from 'tap'
import { assertSchema } from './assert-schema.ts'
import { readPage } from './markdown.ts'
import { root } from './spawn-program.ts'

const execute = promisify(execFile)

/** Runs a command of a project, and reports what it printed if it fails. */
export async function run (project: string, command: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' }
  // NODE_OPTIONS has tap's module, with which TypeScript 7 does not start.
  const unset = ['--unset=NODE_OPTIONS', command, ...args]
  const { stdout } = await execute('env', unset, { cwd: project, env }).catch((error: Error & { stdout: string }) => {
    throw new Error(`${error.message}\n${error.stdout}`)
  })
  return stdout
}

const PackSchema = Type.Array(Type.Object({
  filename: Type.String(),
  files: Type.Array(Type.Object({ path: Type.String() })),
}))

export interface ClientPackage {
  /** A folder outside the repository, so that no package of its node_modules is found. Removed with the test file. */
  directory: string
  tarball: string
  /** The paths of the files in the tarball. */
  paths: string[]
}

export async function packClient (): Promise<ClientPackage> {
  const directory = await mkdtemp(join(tmpdir(), 'client-package-'))
  file.teardown(() => rm(directory, { recursive: true }))
  const args = ['pack', '--workspace', 'client', '--json', '--pack-destination', directory]
  const [packed] = assertSchema(PackSchema, JSON.parse(await run(root, 'npm', args)))
  if (packed === undefined) throw new Error('npm packed nothing.')
  return { directory, tarball: join(directory, packed.filename), paths: packed.files.map(({ path }) => path) }
}

/** Installs the dependencies of a project, and the packages. */
export async function installPackages (project: string, packages: readonly string[]): Promise<void> {
  await run(project, 'npm', [
    'install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', ...packages,
  ])
}

/**
 * Returns an example of docs/client.md, by the file name in its first line.
 * @param baseUrl replaces the URL of the service. Default: the one in the address of the page.
 */
export function findExample (language: 'ts' | 'tsx', name: string, baseUrl = 'location.hash.slice(1)'): string {
  const code = readPage('docs/client.md').codeBlocks(language).find(code => code.startsWith(`// ${name}\n`))
  if (code === undefined) throw new Error(`docs/client.md has no example ${name}.`)
  return code.replace(/'(?:https:\/\/bff\.example\.com|http:\/\/127\.0\.0\.1:3000)'/, baseUrl)
}
