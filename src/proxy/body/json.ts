/** The way of a JSON body: read whole within its limit, decoded strictly, judged field by field, and written anew from what is valid. */
import { isUtf8 } from 'node:buffer'
import { isJsonObject } from '../../util/is-json-object.ts'
import { startSpan } from '../../telemetry/spans.ts'
import { Problem } from '../../server/problem.ts'
import { BodyReader } from './reader.ts'
import { Draft, faultsProblem } from '../validation/record.ts'
import { Gathered } from './byte-buffer.ts'
import { bodyTooLarge } from '../request-head.ts'
import { missing } from '../validation/schema.ts'
import { whole, type Outgoing, type Visit } from '../context.ts'

/** @throws {Problem} `malformed_json`, `body_too_large`, `request_timeout`, `validation_failed`; CallerGone */
export async function readJson (visit: Visit): Promise<Outgoing> {
  const { raw, response, bodies, trail, held } = visit
  const endStage = startSpan(trail, 'validate')
  const gathered = new Gathered()
  const reader = new BodyReader(raw, bodies, chunk => {
    if (reader.bytes > bodies.jsonMaxBytes) throw bodyTooLarge(bodies.jsonMaxBytes)
    held.take(chunk.length)
    gathered.add(chunk)
  })
  try {
    const end = reader.read(response)
    if (end !== undefined) await end
    return judge(gathered.bytes, visit)
  } finally {
    trail.bytesIn = reader.bytes
    held.give(gathered.length)
    endStage()
  }
}

function judge (bytes: Buffer, visit: Visit): Outgoing {
  const value = parse(bytes)
  const draft = draftOf(value, visit)
  const problem = faultsProblem([...visit.drafts, draft])
  if (problem !== undefined) throw problem
  // What is valid holds nothing but the record and its known fields. Written anew, it has each of them once.
  return whole(Buffer.from(JSON.stringify(value)), 'application/json', draft.values)
}

/** JSON.parse takes what `toString` made of invalid UTF-8 for text, so bytes are judged first; RFC 8259 §8.1 allows refusing a byte order mark. */
function parse (bytes: Buffer): unknown {
  if (!isUtf8(bytes) || (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)) throw new Problem('malformed_json', 'The body is not JSON in UTF-8 without a byte order mark.')
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    // The message of the SyntaxError quotes the body, so it goes nowhere.
    throw new Problem('malformed_json', 'The body is not JSON.')
  }
}

function draftOf (value: unknown, { shape }: Visit): Draft {
  const draft = new Draft(shape)
  const key = shape.key ?? ''
  if (!isJsonObject(value)) {
    draft.complainOf('', '', { rule: 'type', message: 'must be an object' })
    return draft
  }
  for (const name of Object.keys(value)) {
    if (name !== key) draft.noteUnknown([name], name)
  }
  const record = Object.hasOwn(value, key) ? value[key] : undefined
  if (record === undefined) draft.complainOf(`/${key}`, key, missing)
  else if (!isJsonObject(record)) draft.complainOf(`/${key}`, key, { rule: 'type', message: 'must be an object' })
  else fill(draft, record)
  return draft
}

function fill (draft: Draft, record: Record<string, unknown>): void {
  const { fields, image, key } = draft.shape
  for (const name of Object.keys(record)) {
    const value = record[name]
    const field = fields.get(name)
    if (field !== undefined) draft.put(field, value)
    else if (name === image?.name) draft.complain(name, { rule: 'type', message: 'must be a file: send the request as multipart/form-data' })
    else draft.noteUnknown([key ?? '', name], `${key}[${name}]`)
  }
  draft.finish()
}

/** @throws {Problem} `validation_failed` */
export function judgeBodiless ({ drafts }: Visit): Outgoing {
  const problem = faultsProblem(drafts)
  if (problem !== undefined) throw problem
  return bodiless
}

/** Of a request that has none. */
export const bodiless = whole(null, undefined, new Map())
