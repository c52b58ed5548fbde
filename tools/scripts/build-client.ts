/**
 * Builds the package of the client: `client/dist/` with ES modules, CommonJS modules and their types.
 * `npm pack --workspace client` runs it.
 */
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../../', import.meta.url))
const client = join(root, 'client')
const dist = join(client, 'dist')

/** Compiles the sources to ES modules and declarations. `npm run typecheck` has checked their types. */
function buildEsModules (): string[] {
  const config = ts.readJsonConfigFile(join(client, 'tsconfig.json'), ts.sys.readFile)
  const { fileNames, options, errors } = ts.parseJsonSourceFileConfigFileContent(config, ts.sys, client)
  const program = ts.createProgram(fileNames, { ...options, noCheck: true })
  const { diagnostics } = program.emit()
  const found = [...errors, ...ts.getPreEmitDiagnostics(program), ...diagnostics]
  if (found.length > 0) {
    throw new Error(ts.formatDiagnostics(found, {
      getCurrentDirectory: () => root, getCanonicalFileName: name => name, getNewLine: () => '\n',
    }))
  }
  return fileNames
}

/** The declarations are the same for both kinds of modules. */
async function buildCommonJs (fileNames: readonly string[]): Promise<void> {
  const esm = join(dist, 'esm')
  const cjs = join(dist, 'cjs')
  await mkdir(cjs)
  for (const fileName of fileNames) {
    const { outputText } = ts.transpileModule(await readFile(fileName, 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, rewriteRelativeImportExtensions: true,
      },
      fileName,
    })
    await writeFile(join(cjs, fileName.slice(client.length).replace(/\.ts$/, '.js')), outputText)
  }
  for (const name of await readdir(esm)) {
    if (name.endsWith('.d.ts')) await copyFile(join(esm, name), join(cjs, name))
  }
  // The package itself has the type `module`.
  await writeFile(join(cjs, 'package.json'), '{ "type": "commonjs" }\n')
}

await rm(dist, { recursive: true, force: true })
await buildCommonJs(buildEsModules())
await copyFile(join(root, 'LICENSE'), join(dist, 'LICENSE'))
