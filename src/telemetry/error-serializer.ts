/** Serializes errors for the log. */

import { limits } from '../config/limits.ts'

interface SerializedError { type: string, code?: string, message?: string, stack?: string[], cause?: SerializedError }

/**
 * An error's type, code, frames and causes, `limits.log.causesMax` levels of it at most. A SyntaxError's message quotes its input and a parser error
 * of undici carries the bytes it choked on, so of the first no message is taken and of any error only these named members.
 */
export function serializeError (error: unknown, depth = 0): SerializedError | undefined {
  if (!(error instanceof Error) || depth >= limits.log.causesMax) return undefined
  const fields: SerializedError = { type: error.constructor.name }
  if ('code' in error && typeof error.code === 'string') fields.code = error.code
  if (!(error instanceof SyntaxError)) fields.message = error.message
  const frames = error.stack?.split('\n').map(line => line.trim()).filter(line => /^at .+:\d+:\d+\)?$/.test(line))
  if (frames !== undefined && frames.length > 0) fields.stack = frames
  const cause = serializeError(error.cause, depth + 1)
  if (cause !== undefined) fields.cause = cause
  return fields
}
