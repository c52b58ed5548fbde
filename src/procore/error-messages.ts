/**
 * Extracts the messages from the error bodies of Procore. They have seven shapes: a map of fields to messages, a list,
 * a string, `message`, `error` as text, `error` as an object with `details`, and `fields` beside a message.
 */
import { isJsonObject } from '../util/is-json-object.ts'

/** A message from Procore that a person can read. */
export interface ProcoreMessage {
  /** The field as Procore names it; absent if the message names none. */
  field?: string
  message: string
}

type JsonObject = Record<string, unknown>

const messagesMax = 50
const messageMaxLength = 1000

/** Returns at most 50 messages in their order, or an empty list if the body contains none that can be shown. */
export function parseMessages (body: unknown): ProcoreMessage[] {
  const messages = isJsonObject(body) ? parseObject(body) : parseTextOrList(body)
  return messages
    .slice(0, messagesMax)
    .map(({ message, ...rest }) => ({ ...rest, message: message.slice(0, messageMaxLength) }))
}

function parseObject (body: JsonObject): ProcoreMessage[] {
  const { errors, error, message, reason, fields } = body
  if (isJsonObject(errors)) return Object.entries(errors).flatMap(([field, value]) => parseField(field, value))
  if (errors !== undefined && errors !== null) return parseTextOrList(errors)
  if (isJsonObject(error)) return parseErrorObject(error)
  const text = [message, error, reason].find(isText)
  if (text === undefined) return []
  return isText(fields)
    ? fields.split(',').map(field => ({ field: field.trim(), message: text }))
    : [{ message: text }]
}

/** Parses the messages of one field. Rails nests the fields of a record below the name of the record. */
function parseField (field: string, value: unknown): ProcoreMessage[] {
  if (isJsonObject(value)) {
    return Object.entries(value).flatMap(([nestedField, messages]) => parseField(`${field}.${nestedField}`, messages))
  }
  return parseTextOrList(value).map(({ message }) => ({ field, message }))
}

/** Parses `error` as an object, with the `details` that v2 of the API adds. */
function parseErrorObject (error: JsonObject): ProcoreMessage[] {
  const details = Array.isArray(error['details']) ? error['details'].filter(isJsonObject) : []
  const messages = details.flatMap(({ message, source }) => {
    if (!isText(message)) return []
    return [isText(source) ? { field: source, message } : { message }]
  })
  if (messages.length > 0) return messages
  return isText(error['message']) ? [{ message: error['message'] }] : []
}

function parseTextOrList (value: unknown): ProcoreMessage[] {
  if (isText(value)) return [{ message: value }]
  if (!Array.isArray(value)) return []
  return value.slice(0, messagesMax).flatMap((item: unknown) => {
    if (isJsonObject(item)) return parseObject(item)
    return isText(item) ? [{ message: item }] : []
  })
}

function isText (value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== ''
}
