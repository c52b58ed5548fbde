/**
 * Reads the messages out of Procore's refusals, whose bodies have seven shapes: a map from fields to messages, a list, a string,
 * `message`, `error` as text or as an object with `details`, and `fields` beside a message. It knows no endpoint.
 */
import { isJsonObject } from '../util/is-json-object.ts'

/** A sentence of Procore's that a person can read. */
export interface ProcoreMessage {
  /** As Procore names it; nothing when the message names no field. */
  field?: string
  message: string
}

type JsonObject = Record<string, unknown>

const messagesMax = 50
const messageMaxLength = 1000

/** The messages in their order, at most 50; an empty list when the body says nothing that can be shown. */
export function parseMessages (body: unknown): ProcoreMessage[] {
  const messages = isJsonObject(body) ? fromObject(body) : fromUnknown(body)
  return messages.slice(0, messagesMax).map(message => ({ ...message, message: message.message.slice(0, messageMaxLength) }))
}

function fromObject (body: JsonObject): ProcoreMessage[] {
  const { errors, error, message, reason, fields } = body
  if (isJsonObject(errors)) return Object.entries(errors).flatMap(([field, value]) => fromField(field, value))
  if (errors !== undefined && errors !== null) return fromUnknown(errors)
  if (isJsonObject(error)) return fromErrorObject(error)
  const text = [message, error, reason].find(isText)
  if (text === undefined) return []
  return isText(fields) ? fields.split(',').map(field => ({ field: field.trim(), message: text })) : [{ message: text }]
}

/** A field's messages; Rails nests the fields of a record below its name. */
function fromField (field: string, value: unknown): ProcoreMessage[] {
  if (isJsonObject(value)) return Object.entries(value).flatMap(([inner, messages]) => fromField(`${field}.${inner}`, messages))
  return fromUnknown(value).map(({ message }) => ({ field, message }))
}

/** Shape 6, and its `details` in v2. */
function fromErrorObject (error: JsonObject): ProcoreMessage[] {
  const details = Array.isArray(error['details']) ? error['details'].filter(isJsonObject) : []
  const messages = details.flatMap(({ message, source }) => isText(message) ? [isText(source) ? { field: source, message } : { message }] : [])
  if (messages.length > 0) return messages
  return isText(error['message']) ? [{ message: error['message'] }] : []
}

function fromUnknown (value: unknown): ProcoreMessage[] {
  if (isText(value)) return [{ message: value }]
  if (Array.isArray(value)) return value.slice(0, messagesMax).flatMap(item => isJsonObject(item) ? fromObject(item) : isText(item) ? [{ message: item }] : [])
  return []
}

function isText (value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== ''
}
