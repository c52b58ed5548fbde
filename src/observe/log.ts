/**
 * The logger: JSON lines of pino on stdout, with errors written in a way that can't carry what a caller or Procore sent.
 */
import { pino, type DestinationStream, type Logger } from 'pino'
import type { Config } from '../config.ts'

interface ErrorFields { type: string, code?: string, message?: string, stack?: string[], cause?: ErrorFields }

const causesMax = 5

/**
 * An error's type, code, frames and causes. A SyntaxError's message quotes its input and a parser error of undici carries the bytes
 * it choked on, so of the first no message is taken and of any error only these named members.
 */
export function describeError (error: unknown, depth = 0): ErrorFields | undefined {
  if (!(error instanceof Error) || depth >= causesMax) return undefined
  const fields: ErrorFields = { type: error.constructor.name }
  if ('code' in error && typeof error.code === 'string') fields.code = error.code
  if (!(error instanceof SyntaxError)) fields.message = error.message
  const frames = error.stack?.split('\n').map(line => line.trim()).filter(line => /^at .+:\d+:\d+\)?$/.test(line))
  if (frames !== undefined && frames.length > 0) fields.stack = frames
  const cause = describeError(error.cause, depth + 1)
  if (cause !== undefined) fields.cause = cause
  return fields
}

export function createLog (config: Config['log'], destination?: DestinationStream): Logger {
  const options = {
    level: config.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // Requests and replies are logged by their trail alone; a serializer that shows nothing keeps headers and bodies out for good.
    serializers: { err: describeError, error: describeError, req: () => undefined, res: () => undefined },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}
