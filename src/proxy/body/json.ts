/** The way of a JSON body: read whole within its limit, decoded strictly, judged field by field, and written anew from what is valid. */
import { isUtf8 } from 'node:buffer'
import { isJsonObject } from '../../util/is-json-object.ts'
import { startSpan } from '../../telemetry/spans.ts'
import { Problem } from '../../server/problem.ts'
import { BodyReader } from './reader.ts'
import { RecordValidator, validationProblem } from '../validation/record.ts'
import { ByteBuffer } from './byte-buffer.ts'
import { bodyTooLargeProblem } from '../request-head.ts'
import { requiredViolation } from '../validation/schema.ts'
import { bufferedBody, type ValidatedBody, type RequestContext } from '../context.ts'

/** @throws {Problem} `malformed_json`, `body_too_large`, `request_timeout`, `validation_failed`; CallerGone */
export async function readJsonBody (visit: RequestContext): Promise<ValidatedBody> {
  const { raw, response, bodyLimits, record, memoryBudget } = visit
  const endStage = startSpan(record, 'validate')
  const gathered = new ByteBuffer()
  const reader = new BodyReader(raw, bodyLimits, chunk => {
    if (reader.bytes > bodyLimits.jsonMaxBytes) throw bodyTooLargeProblem(bodyLimits.jsonMaxBytes)
    memoryBudget.reserve(chunk.length)
    gathered.add(chunk)
  })
  try {
    const end = reader.read(response)
    if (end !== undefined) await end
    return validateJson(gathered.bytes, visit)
  } finally {
    record.bytesIn = reader.bytes
    memoryBudget.release(gathered.length)
    endStage()
  }
}

function validateJson (bytes: Buffer, visit: RequestContext): ValidatedBody {
  const value = parseJson(bytes)
  const draft = validateDocument(value, visit)
  const problem = validationProblem([...visit.parameterValidators, draft])
  if (problem !== undefined) throw problem
  // What is valid holds nothing but the record and its known fields. Written anew, it has each of them once.
  return bufferedBody(Buffer.from(JSON.stringify(value)), 'application/json', draft.values)
}

/** JSON.parse takes what `toString` made of invalid UTF-8 for text, so bytes are judged first; RFC 8259 §8.1 allows refusing a byte order mark. */
function parseJson (bytes: Buffer): unknown {
  if (!isUtf8(bytes) || (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)) throw new Problem('malformed_json', 'The body is not JSON in UTF-8 without a byte order mark.')
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    // The message of the SyntaxError quotes the body, so it goes nowhere.
    throw new Problem('malformed_json', 'The body is not JSON.')
  }
}

function validateDocument (value: unknown, { compiled }: RequestContext): RecordValidator {
  const draft = new RecordValidator(compiled)
  const key = compiled.rootKey ?? ''
  if (!isJsonObject(value)) {
    draft.addRecordError('', '', { rule: 'type', message: 'must be an object' })
    return draft
  }
  for (const name of Object.keys(value)) {
    if (name !== key) draft.addUnknownField([name], name)
  }
  const record = Object.hasOwn(value, key) ? value[key] : undefined
  if (record === undefined) draft.addRecordError(`/${key}`, key, requiredViolation)
  else if (!isJsonObject(record)) draft.addRecordError(`/${key}`, key, { rule: 'type', message: 'must be an object' })
  else validateMembers(draft, record)
  return draft
}

function validateMembers (draft: RecordValidator, record: Record<string, unknown>): void {
  const { fields, image, rootKey } = draft.compiled
  for (const name of Object.keys(record)) {
    const value = record[name]
    const field = fields.get(name)
    if (field !== undefined) draft.set(field, value)
    else if (name === image?.name) draft.addError(name, { rule: 'type', message: 'must be a file: send the request as multipart/form-data' })
    else draft.addUnknownField([rootKey ?? '', name], `${rootKey}[${name}]`)
  }
  draft.finalize()
}

/** @throws {Problem} `validation_failed` */
export function validateEmptyBody ({ parameterValidators }: RequestContext): ValidatedBody {
  const problem = validationProblem(parameterValidators)
  if (problem !== undefined) throw problem
  return emptyBody
}

/** Of a request that has none. */
export const emptyBody = bufferedBody(null, undefined, new Map())
