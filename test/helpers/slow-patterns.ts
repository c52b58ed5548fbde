/**
 * Finds regular expressions whose time grows faster than their text. Each pattern of the source is run on long texts
 * that are made from examples which it matches: a start, a piece that is repeated, and an end that may not match.
 */
import { createContext, Script } from 'node:vm'
import { fullFormats } from 'ajv-formats/dist/formats.js'
import ts from 'typescript'
import { mutate } from '../fuzz/mutate.ts'
import type { Random } from './random.ts'
import { measureUs } from './measure-us.ts'
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
  '^a$', 'a b_c', 'a%5Bb%5D', 'jane.doe@mail.example.com', 'NSW', '0000',
  'HTTP/1.1 100 ', 'example.com.', 'US', 'utf-8\'en\'', 'us-ca', '2026-01-02T03:04:05.1234567Z',
  '1.2.3.4:80', '::ffff:1.2.3.4', 'maxmemory_policy:noeviction', 'jane@localhost',
  'RIFF\0\0\0\0WEBP', '\0\0\0 ftypavif', 'GIF89a', '\0\0\0 ftypheic', '\xef\xbb\xbf<svg', 'has already been taken',
  'App is not connected to this company.', '`detail` says why', 'people.csv', 'people.ndjson', 'sep=;', '{"a":1}',
  'Curac\u0327ao',
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

/** Lengths of the texts. Most patterns are fast on the first one, and are not tried on the second. */
const shortLength = 4096
const longLength = 8 * shortLength
/** A quadratic pattern takes longer on the shorter text. */
const fastUs = 100
/** On the longer text a linear pattern takes about 8 times longer, and a quadratic one 64 times. */
const growthMax = 24
/** A first run may compile the pattern, so at least two are needed. */
const runsMin = 2
const runsMax = 6
/** An exponential pattern never ends, so it is stopped. One attack on a linear pattern takes a few milliseconds. */
const stopAfterMs = 1_000

/** Index of the attack that runs. */
let current = 0
const context = createContext({ findSlow, pattern: /x/, attacks: [], from: 0 })
const script = new Script('findSlow(pattern, attacks, from)')

/** Runs a pattern on texts of two lengths. Returns a description of the first text on which it is slow. */
export function findSlowText (pattern: RegExp, attacks: readonly Attack[]): string | undefined {
  // All attacks together may take longer than the limit on a busy machine. One attack cannot, so it is tried again.
  for (let from = 0, stoppedAt = -1; ; from = stoppedAt = current) {
    Object.assign(context, { pattern, attacks, from })
    try {
      const slow: unknown = script.runInContext(context, { timeout: stopAfterMs })
      return slow === undefined ? undefined : `${pattern} is slow on ${describe(attacks)}: ${String(slow)}`
    } catch (error) {
      if (current === stoppedAt) return `${pattern} does not end on ${describe(attacks)}: ${String(error)}`
    }
  }
}

const describe = (attacks: readonly Attack[]) => JSON.stringify(attacks[current])

function findSlow (pattern: RegExp, attacks: readonly Attack[], from: number): string | undefined {
  for (current = from; current < attacks.length; current++) {
    const attack = attacks[current]
    const growth = attack === undefined ? 0 : measureGrowth(pattern, attack)
    if (growth > growthMax) return `${Math.round(growth)} times the time for ${longLength / shortLength} times the text`
  }
  return undefined
}

/** Returns how many times longer a pattern takes on the longer text; 0 if it is fast on the shorter one. */
function measureGrowth (pattern: RegExp, { start, repeated, end }: Attack): number {
  const textOf = (length: number) => start + repeated.repeat(Math.ceil(length / repeated.length)) + end
  const shortText = textOf(shortLength)
  if (measureUs(() => runToEnd(pattern, shortText)) < fastUs) return 0
  const longText = textOf(longLength)
  let shortUs = Infinity
  let longUs = Infinity
  // An interruption slows some of the runs, and a slow pattern all of them.
  for (let run = 0; run < runsMin || (run < runsMax && longUs / shortUs > growthMax); run++) {
    shortUs = Math.min(shortUs, Math.max(measureUs(() => runToEnd(pattern, shortText)), 1))
    longUs = Math.min(longUs, measureUs(() => runToEnd(pattern, longText)))
  }
  return longUs / shortUs
}

/**
 * Runs a pattern as the source does: a global or sticky one again and again. The matches of a global one are found by
 * one call, because a call for each takes more time than the pattern.
 */
function runToEnd (pattern: RegExp, text: string): void {
  pattern.lastIndex = 0
  if (pattern.global) text.replace(pattern, '')
  else if (!pattern.sticky) pattern.exec(text)
  else while (pattern.exec(text) !== null && pattern.lastIndex < text.length);
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
