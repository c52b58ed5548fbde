/** Mutates bodies: changes, removes and doubles bytes, and inserts fragments that parsers are known to misread. */
import type { Random } from '../helpers/random.ts'

const trickyTexts = [
  '\r\n', '\n', '\r', '\r\n\r\n', '--', '"', '\\', '\\"', ';', ':', '=', ' ', '\t', '\0', '\x7f', '\u2028', 'é',
  '\ufeff', '%22', '%0d%0a', '[', ']', '[]', '{', '}', ',', 'null', 'true', '1e999', '-0', '1.0', '__proto__',
  'constructor', 'user[', 'user[avatar]', 'user[email_address]', 'name="user[last_name]"', '; filename="a.png"',
  '; filename*=UTF-8\'\'a.png', 'Content-Disposition: form-data; name="user[city]"',
  'Content-Type: text/plain; charset=utf-16', '; charset=iso-8859-1', 'Content-Disposition: attachment',
  'Content-Transfer-Encoding: base64', 'X-Y: z', '\r\n--b',
  '\r\n--b--', '\r\n--b\r\n', '\r\n--b--\r\n', '\r\n--bb\r\n',
]
const invalidUtf8 = [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf0, 0x9f]]
const trickyFragments = [...trickyTexts.map(text => Buffer.from(text)), ...invalidUtf8.map(bytes => Buffer.from(bytes))]

type Mutation = (body: Buffer, random: Random) => Buffer

const splice = (body: Buffer, at: number, remove: number, insert: Buffer) =>
  Buffer.concat([body.subarray(0, at), insert, body.subarray(at + remove)])
const pickFragment = (random: Random) => trickyFragments[random.below(trickyFragments.length)] ?? Buffer.alloc(0)
const slice = (body: Buffer, random: Random) => {
  const from = random.below(body.length + 1)
  return body.subarray(from, from + random.below(64))
}

const mutations: readonly [Mutation, ...Mutation[]] = [
  (body, random) => {
    const copy = Buffer.from(body)
    if (copy.length > 0) copy[random.below(copy.length)] = random.below(256)
    return copy
  },
  (body, random) => splice(body, random.below(body.length + 1), 0, pickFragment(random)),
  (body, random) => splice(body, random.below(body.length + 1), 0, pickFragment(random)),
  (body, random) => splice(body, random.below(body.length + 1), random.below(8), pickFragment(random)),
  (body, random) => splice(body, random.below(body.length + 1), random.below(32), Buffer.alloc(0)),
  (body, random) => splice(body, random.below(body.length + 1), 0, slice(body, random)),
  (body, random) => body.subarray(0, random.below(body.length + 1)),
]

export function mutate (body: Buffer, random: Random): Buffer {
  let mutated = body
  // Most bodies with one mutation are rejected. The accepted ones are compared.
  for (let more = true; more; more = random.chance(0.3)) mutated = random.pick(mutations)(mutated, random)
  return mutated
}
