/**
 * Finds regular expressions whose time grows faster than their text. Each pattern of the source is run on long texts
 * that are made from examples which it matches: a start, a piece that is repeated, and an end that may not match.
 */
import { createContext, Script } from 'node:vm'
import { fullFormats } from 'ajv-formats/dist/formats.js'
import ts from 'typescript'
import { mutate } from '../fuzz/mutate.ts'
import type { Random } from './random.ts'
import { describeNode, readSources } from '../repository/source-files.ts'

export interface SourcePattern { place: string, pattern: RegExp }

/** Texts of which every pattern matches at least one. */
export const examples: readonly string[] = [
  'bearer abc.DEF==  ', 'a, b', '0', '12', 'users', 'prefix:user', '2026-01-02', '2026-01-02T03:04:05.678+01:00',
  'application/problem+json', 'application/json ;', 'multipart/form-data ; boundary=x', 'utf-8', 'utf8', 'binary  ',
  '<https://x/?page=2>; a= ; b; rel="last next"; c="d"  , <y>', ' ; a = ; rel="next"', ' ,',
  ';rel=b ;rel="a next"', 'x-name: \t ', 'x-name: \t value a',
  '[1, 2.5e3]', '-12.500e+3', '"key \\" \\\\ "', 'key', '\\"', 'user[a][b]', 'user[email]',
  ' form-data ; name="a\\"b" ; filename=c', ' ; name="a\\"b" ;', '; boundary=----=_Part', ' \r\n',
  ' [', 'W/"tag"', '/companies/:company_id/users/:id', 'example.com:80', 'at function (file:///a.ts:12:34)',
  '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01-extra', 'https://example.com/', 'procore_rejected', 'Sun',
  'a b_c', 'a%5Bb%5D', 'jane.doe@mail.example.com', 'NSW', '0000',
  'HTTP/1.1 100 ', 'example.com.', 'US', 'utf-8\'en\'', '2026-01-02T03:04:05.1234567Z',
]

/** Returns the patterns of the service and the client. Those of settings are left out: settings are not hostile. */
export function readPatterns (): SourcePattern[] {
  const sources = readSources('{src,client}/**/*.{ts,js}').filter(({ path }) => !path.startsWith('src/config/'))
  const literals = sources.flatMap(source => source.nodes.filter(ts.isRegularExpressionLiteral).map(node => {
    const text = node.getText()
    const end = text.lastIndexOf('/')
    return { place: describeNode(source, node), pattern: new RegExp(text.slice(1, end), text.slice(end + 1)) }
  }))
  const { email } = fullFormats
  return email instanceof RegExp ? [...literals, { place: 'ajv-formats: email', pattern: email }] : literals
}

/** A text of three pieces, of which the second is repeated. */
export interface Attack { start: string, repeated: string, end: string }

/** Lengths of the texts. The last one is tried only if the pattern was not fast on the one before. */
const lengths = [64, 512, 4096, 32_768]
/** A pattern is fast if it takes fewer times longer than a pass over each character of the text. */
const fastRatio = 50
/** On the longest text a quadratic pattern takes more times longer than this. */
const ratioMax = 500
/** An exponential pattern never ends, so it is stopped. */
const stopAfterMs = 20_000
/** Shorter measurements are noise. */
const measurableNs = 2_000

let current: Attack | undefined
const context = createContext({ findSlow, pattern: /x/, attacks: [] })
const script = new Script('findSlow(pattern, attacks)')

/** Runs a pattern on growing texts. Returns a description of the first text on which it is slow. */
export function findSlowText (pattern: RegExp, attacks: readonly Attack[]): string | undefined {
  Object.assign(context, { pattern, attacks })
  current = undefined
  try {
    const slow: unknown = script.runInContext(context, { timeout: stopAfterMs })
    return slow === undefined ? undefined : `${pattern} is slow on ${JSON.stringify(current)}: ${String(slow)}`
  } catch (error) {
    return `${pattern} does not end on ${JSON.stringify(current)}: ${String(error)}`
  }
}

function findSlow (pattern: RegExp, attacks: readonly Attack[]): string | undefined {
  for (const attack of attacks) {
    let ratio = 0
    let previousRatio = 0
    current = attack
    for (const length of lengths) {
      if (length === lengths.at(-1) && ratio < fastRatio) break
      const { start, repeated, end } = attack
      previousRatio = ratio
      ratio = measureRatio(pattern, start + repeated.repeat(Math.ceil(length / repeated.length)) + end)
      // A pattern with thousands of matches takes long, but its ratio does not grow with the text.
      const isSlow = ratio > ratioMax && ratio > 3 * previousRatio
      if (isSlow) return `${Math.round(ratio)} times a pass over ${length} characters`
    }
  }
  return undefined
}

/** Repeats a slow measurement: an interruption slows one of them, and a slow pattern slows all. */
function measureRatio (pattern: RegExp, text: string): number {
  let ratio = Infinity
  for (let attempt = 0; attempt < 2 && ratio > ratioMax; attempt++) {
    const passNs = Math.max(measureNs(() => addCharacters(text)), measurableNs)
    ratio = Math.min(ratio, measureNs(() => runToEnd(pattern, text)) / passNs)
  }
  return ratio
}

function measureNs (run: () => void): number {
  const startedAt = process.hrtime.bigint()
  run()
  return Number(process.hrtime.bigint() - startedAt)
}

/** Runs a pattern as the source does: a global or sticky one again and again. */
function runToEnd (pattern: RegExp, text: string): void {
  pattern.lastIndex = 0
  if (!pattern.global && !pattern.sticky) pattern.exec(text)
  else while (pattern.exec(text) !== null && pattern.lastIndex < text.length);
}

/** Returns the sum, so that the loop is not optimized away. */
function addCharacters (text: string): number {
  let sum = 0
  for (let index = 0; index < text.length; index++) sum += text.charCodeAt(index)
  return sum
}

const repeatedMaxLength = 6

/** Returns every attack that repeats a short piece of an example which the pattern matches. */
export function attacksFrom (pattern: RegExp): Attack[] {
  return findExamples(pattern).flatMap(example => {
    const attacks: Attack[] = []
    for (let from = 0; from < example.length; from++) {
      for (let to = from + 1; to <= Math.min(example.length, from + repeatedMaxLength); to++) {
        const pieces = { start: example.slice(0, from), repeated: example.slice(from, to) }
        attacks.push(...['', '\x01\n', example.slice(to)].map(end => ({ ...pieces, end })))
      }
    }
    return attacks
  })
}

/** Returns random attacks that repeat a piece of a mutated example. */
export function randomAttacks (pattern: RegExp, random: Random, count: number): Attack[] {
  const [first = '', ...others] = findExamples(pattern)
  return Array.from({ length: count }, () => {
    const text = mutate(Buffer.from(random.pick([first, ...others])), random).toString()
    const from = random.below(text.length)
    const to = from + 1 + random.below(2 * repeatedMaxLength)
    const end = random.pick(['', '\x01\n', text.slice(to)])
    return { start: text.slice(0, from), repeated: text.slice(from, to) || ' ', end }
  })
}

/** Returns the examples of which a pattern matches something. */
export function findExamples (pattern: RegExp): string[] {
  return examples.filter(example => {
    pattern.lastIndex = 0
    return (pattern.exec(example)?.[0].length ?? 0) > 0
  })
}
