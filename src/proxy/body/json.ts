import { isUtf8 } from 'node:buffer'
import { isJsonObject } from '../../util/is-json-object.ts'
import { startSpan } from '../../telemetry/spans.ts'
import { Problem } from '../../server/problem.ts'
import { BodyReader } from './reader.ts'
import { RecordValidator, validationProblem } from '../validation/record.ts'
import { ByteBuffer } from './byte-buffer.ts'
import { bodyTooLargeProblem } from '../request-head.ts'
import { parseExactJson } from './exact-json.ts'
import { notAnObject, requiredViolation } from '../validation/schema.ts'
import type { BodyValidation, EndpointResult, RequestContext, ValidatedBody } from '../context.ts'

/**
 * Reads a JSON body whole, parses it strictly, validates it field by field, and sends it. The body to send is
 * serialized again from the validated values.
 * @throws {Problem} `malformed_json`, `body_too_large`, `request_timeout`, `validation_failed`, `too_many_requests`,
 * `overloaded`
 * @throws the reason of the signal
 */
export async function forwardJson (context: RequestContext): Promise<EndpointResult> {
  const { response, bodyLimits: { jsonMaxBytes }, record, usage } = context
  const endSpan = startSpan(record, 'validate')
  const buffered = new ByteBuffer()
  const reader = new BodyReader(context, chunk => {
    if (reader.bytes > jsonMaxBytes) throw bodyTooLargeProblem(jsonMaxBytes)
    const allocatedBytes = buffered.allocatedBytes
    buffered.add(chunk)
    usage.add('bytes', buffered.allocatedBytes - allocatedBytes)
  })
  let body: ValidatedBody
  try {
    await reader.read(response)
    body = validateJson(buffered.bytes, context)
  } finally {
    record.bytesIn = reader.bytes
    endSpan()
  }
  return context.send(body)
}

function validateJson (bytes: Buffer, context: RequestContext): ValidatedBody {
  const value = parseJson(bytes)
  const validator = validateDocument(value, context)
  const problem = validationProblem([...context.parameterValidators, validator])
  if (problem !== undefined) throw problem
  // Serialized again, the record has no duplicate names and no fields that are absent.
  const content = Buffer.from(JSON.stringify(toSentDocument(value, validator, context.generatedField)))
  // The bytes that were read are no longer in memory. These are, until Procore has responded, and so are the values,
  // with two bytes for each character.
  context.usage.release('bytes')
  context.usage.add('bytes', 3 * content.length)
  return bufferedBody(content, 'application/json', validator.values)
}

/** A field that is null may count as absent, and is then not among the values of a valid document. */
function toSentDocument (
  document: unknown, validator: RecordValidator, generatedField: RequestContext['generatedField']
): unknown {
  const { compiled: { rootKey }, values } = validator
  if (rootKey === undefined) return Object.fromEntries(values)
  if (generatedField !== undefined && !values.has(generatedField.name)) {
    return { [rootKey]: { ...Object.fromEntries(values), [generatedField.name]: generatedField.value } }
  }
  const members = isJsonObject(document) ? document[rootKey] : undefined
  return isJsonObject(members) ? { [rootKey]: validator.toSent(members) } : document
}

/**
 * Rejects invalid UTF-8 before decoding, because `toString` would replace it and JSON.parse would accept the result.
 * RFC 8259 §8.1 allows ignoring a byte order mark, which tools of Windows write.
 */
function parseJson (bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw malformedJson('The body is not valid UTF-8.')
  const decoded = bytes.toString('utf8')
  const text = decoded.startsWith('\ufeff') ? decoded.slice(1) : decoded
  if (text.trim() === '') throw malformedJson('The body is empty.')
  const value = parseExactJson(text)
  if (value === undefined) throw malformedJson('The body is not valid JSON.')
  return value
}

const malformedJson = (detail: string) => new Problem('malformed_json', detail)

function validateDocument (value: unknown, { compiled, checkOperation }: RequestContext): RecordValidator {
  const validator = new RecordValidator(compiled, checkOperation)
  const { rootKey } = compiled
  if (!isJsonObject(value)) {
    validator.addRecordError('', '', notAnObject)
    return validator
  }
  if (rootKey === undefined) {
    validator.setMembers(value)
    return validator
  }
  for (const name of Object.keys(value)) {
    if (name !== rootKey) validator.addUnknownField([name], name)
  }
  const members = Object.hasOwn(value, rootKey) ? value[rootKey] : undefined
  if (members === undefined) validator.addRecordError(`/${rootKey}`, rootKey, requiredViolation)
  else if (!isJsonObject(members)) validator.addRecordError(`/${rootKey}`, rootKey, notAnObject)
  else validator.setMembers(members)
  return validator
}

const validation: BodyValidation = { kind: 'valid', imageDigest: '' }
const validated = Promise.resolve(validation)
const getValidation = () => validation
const hasImage = () => false
function noop (): void {}

/** Wraps a body that was read completely, or the absence of one: there is nothing left to drain. */
function bufferedBody (
  content: Buffer | null, contentType: string | undefined, values: ValidatedBody['values']
): ValidatedBody {
  return { content, contentType, hasImage, values, validated, getValidation, drain: noop, stopBody: noop }
}

/** @throws {Problem} `validation_failed` */
export function validateEmptyBody ({ parameterValidators }: RequestContext): ValidatedBody {
  const problem = validationProblem(parameterValidators)
  if (problem !== undefined) throw problem
  return emptyBody
}

/** The body of a request without one. */
export const emptyBody = bufferedBody(null, undefined, new Map())
