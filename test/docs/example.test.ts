// The blocks of docs/adding-an-endpoint.md, applied as they are, add an endpoint that passes its tests.
import { execFile } from 'node:child_process'
import { readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { parse } from 'yaml'
import { assertSchema } from '../helpers/assert-schema.ts'
import { copyRepository } from '../helpers/copy-repository.ts'
import { readPage } from '../helpers/markdown.ts'
import { root, spawnProgram } from '../helpers/spawn-program.ts'

const exec = promisify(execFile)
const page = readPage('docs/adding-an-endpoint.md')

interface Step {
  file: string
  block: string
  /** Where the block is inserted; undefined: it is a new file. */
  place: { side: string, lineStart: string } | undefined
}

/** The last sentence before a block says where the block belongs. */
function readSteps (): Step[] {
  const blocks = page.text.matchAll(/(?:^|\n\n)([^\n]+(?:\n[^\n]+)*)\n\n```(?:ts|md)\n([^]*?)\n```/g)
  return [...blocks].map(([, paragraph = '', block = '']) => {
    const sentence = paragraph.replaceAll('\n', ' ')
    const [, newFile] = /new file, `([^`]+)`:$/.exec(sentence) ?? []
    if (newFile !== undefined) return { file: newFile, block, place: undefined }
    const place = /In `([^`]+)`, (below|above) the line that begins with (?:`([^`]+)`|`` ?(.+?) ?``)[^`]*:$/.exec(sentence)
    const [, file, side = '', code, codeWithBackquotes] = place ?? []
    const lineStart = code ?? codeWithBackquotes
    if (file === undefined || lineStart === undefined) throw new Error(`No place of a block is named in: ${sentence}`)
    return { file, block, place: { side, lineStart } }
  })
}

async function apply ({ file, block, place }: Step, directory: string): Promise<void> {
  const path = join(directory, file)
  if (place === undefined) return writeFile(path, `${block}\n`)
  const lines = (await readFile(path, 'utf8')).split('\n')
  const index = lines.findIndex(line => line.trimStart().startsWith(place.lineStart))
  if (index < 0) throw new Error(`${file} has no line that begins with ${place.lineStart}`)
  lines.splice(place.side === 'below' ? index + 1 : index, 0, block)
  return writeFile(path, lines.join('\n'))
}

const DocumentSchema = Type.Object({ paths: Type.Record(Type.String(), Type.Object({})) })

t.test('the blocks of the page, applied as they are, add an endpoint that passes its tests', async t => {
  const [openapi = '', checks = '', demo, curl = ''] = page.codeBlocks('sh')
  const [typecheck, test = '', openapiTest] = checks.split('\n')
  const copy = t.testdir()
  await copyRepository(copy)
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
  const steps = readSteps()
  t.ok((steps[0]?.block ?? '').split('\n').length <= 30, 'the description is short')
  for (const step of steps) await apply(step, copy)

  const run = (command: string, env = {}) =>
    exec('bash', ['-c', command], { cwd: copy, env: { ...process.env, ...env } })
  await run(openapi)
  const document: unknown = parse(await readFile(join(copy, 'openapi/openapi.yaml'), 'utf8'))
  t.match(assertSchema(DocumentSchema, document).paths['/companies/{company_id}/trades'], { get: {}, post: {} })
  t.equal(typecheck, 'npm run typecheck')
  // It takes long, and its documents were just written.
  t.equal(openapiTest, 'npx tap run test/openapi/*.test.ts')
  await Promise.all([
    t.resolves(run(`npm run typecheck -- --project ${await writeTypescriptConfig(copy, steps)}`)),
    // The filter leaves out the tests that pass without a block of the page.
    t.resolves(run(test, { TAP_GREP: '/a trade|lists every/' })),
  ])

  t.equal(demo, 'npm run demo')
  const url = await spawnProgram(t, 'tools/demo/index.ts', { PORT: '0' }, copy).listening
  const { stdout } = await run(curl.replace('http://127.0.0.1:3000', url))
  t.strictSame([stdout], page.codeBlocks('json'))
})

/** Includes only the files of the steps, because all others do not change. */
async function writeTypescriptConfig (directory: string, steps: readonly Step[]): Promise<string> {
  const files = steps.map(({ file }) => file).filter(file => file.endsWith('.ts'))
  const path = join(directory, 'tsconfig.steps.json')
  await writeFile(path, JSON.stringify({ extends: './tsconfig.json', include: [], files }))
  return path
}
