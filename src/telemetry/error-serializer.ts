/** Serializes errors for the log. */
import { limits } from '../config/limits.ts'

interface SerializedError {
  type: string
  code?: string
  message?: string
  stack?: string[]
  cause?: SerializedError
}

/**
 * Returns the type, code, message and stack of an error and of its causes, `limits.log.causesMax` levels at most. All
 * other properties are left out: undici's parser errors, for instance, contain the bytes that could not be parsed. The
 * message of a SyntaxError is left out as well, because it quotes the input.
 */
export function serializeError (error: unknown, depth = 0): SerializedError | undefined {
  if (!(error instanceof Error) || depth >= limits.log.causesMax) return undefined
  const fields: SerializedError = { type: error.constructor.name }
  if ('code' in error && typeof error.code === 'string') fields.code = error.code
  if (!(error instanceof SyntaxError)) fields.message = error.message
  const frames = error.stack?.split('\n')
    .map(line => line.trim())
    .filter(line => /^at .+:\d+:\d+\)?$/.test(line))
  if (frames !== undefined && frames.length > 0) fields.stack = frames
  const cause = serializeError(error.cause, depth + 1)
  if (cause !== undefined) fields.cause = cause
  return fields
}
