/** Figures of this code and of the models it learns from, by the same ruler: writes the table of docs/style.md. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { anysOf, castsOf, circlesOf, commentLinesOf, functionsOf, linesOf, root, sourcesOf, type Source } from './sources.ts'

/** Models that are installed here as their authors wrote them; the lock file says which version. */
const rows = [
  { name: '**src**', patterns: ['src/**/*.ts'] },
  { name: '**client**', patterns: ['client/**/*.ts'] },
  { name: '**test**', patterns: ['test/**/*.ts'] },
  { name: '**bench**', patterns: ['bench/**/*.ts'] },
  { name: 'fastify', patterns: ['node_modules/fastify/fastify.js', 'node_modules/fastify/lib/*.js'] },
  { name: '@fastify/reply-from', patterns: ['node_modules/@fastify/reply-from/index.js', 'node_modules/@fastify/reply-from/lib/*.js'] },
  { name: 'undici', patterns: ['node_modules/undici/index.js', 'node_modules/undici/lib/**/*.js'] },
  { name: 'pino', patterns: ['node_modules/pino/pino.js', 'node_modules/pino/lib/*.js'] },
  { name: 'close-with-grace', patterns: ['node_modules/close-with-grace/index.js'] },
]
/** Made by a program, whoever's it is. */
const written = /^client\/openapi\.ts$|\/undici\/lib\/llhttp\/|\/fastify\/lib\/(config-validator|error-serializer)\.js$/

const heads = ['', 'lines of a file: median, most', 'lines of a named function: median, most', 'of them at most 40, over 70', 'comments', '`any`', 'casts', 'circles of imports']

/** The table as Markdown; reading all that it tells of takes a second. */
export function styleTable (): string {
  const lines = rows.map(({ name, patterns }) => rowOf(name, sourcesOf(...patterns).filter(({ path }) => !written.test(path))))
  return [heads, heads.map(() => '---'), ...lines].map(cells => `| ${cells.join(' | ')} |\n`).join('')
}

function rowOf (name: string, sources: readonly Source[]): string[] {
  const files = sources.map(linesOf)
  const functions = sources.flatMap(functionsOf).map(({ lines }) => lines)
  const comments = sum(sources.map(commentLinesOf)) / sum(files)
  const share = (test: (lines: number) => boolean) => percent(functions.filter(test).length / functions.length)
  const ofTypes = (count: number) => sources.every(({ path }) => path.endsWith('.js')) ? '-' : String(count)
  return [
    name, spread(files), spread(functions), `${share(lines => lines <= 40)}, ${share(lines => lines > 70)}`, percent(comments),
    ofTypes(sum(sources.map(source => anysOf(source).length))), ofTypes(sum(sources.map(source => castsOf(source).length))), String(circlesOf(sources).length),
  ]
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
const percent = (part: number) => `${Math.round(part * 100)} %`

function spread (lengths: readonly number[]): string {
  const sorted = lengths.toSorted((a, b) => a - b)
  return `${sorted[Math.floor(sorted.length / 2)] ?? 0}, ${sorted.at(-1) ?? 0}`
}

/** Where the table stands. */
export const stylePage = join(root, 'docs/style.md')

/** Puts the table in its place. */
export const withTable = (page: string): string => page.replace(/(<!-- style -->\n)[^]*?(\n<!-- end -->)/, (_, before: string, after: string) => `${before}\n${styleTable()}${after}`)

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(stylePage, withTable(readFileSync(stylePage, 'utf8')))
