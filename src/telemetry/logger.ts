/**
 * Creates the loggers: pino, with one JSON object per line. Its serializers keep everything that a caller or Procore
 * sent out of the lines: of errors only named properties are written, requests and replies are not written at all.
 */
import { pino, stdTimeFunctions, type DestinationStream, type Logger as PinoLogger } from 'pino'
import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../config/index.ts'
import { serializeError } from './error-serializer.ts'
import type { LogOutput } from './log-writer.ts'

/**
 * The logging methods that modules depend on. Fields contain ids, codes and times only: no personal data, no
 * credentials.
 */
export type Logger = Pick<FastifyBaseLogger, 'debug' | 'info' | 'warn' | 'error'>

/**
 * Returns a function that sets the log level to `debug` for `forMs`. A further call restarts the time. It does nothing
 * if the log level is already `debug` or lower.
 */
export function createDebugToggle (
  log: Pick<PinoLogger, 'level' | 'levelVal' | 'levels' | 'info'>, forMs: number
): () => void {
  const configuredLevel = log.level
  let timer: NodeJS.Timeout | undefined
  return () => {
    if (timer === undefined && log.levelVal <= (log.levels.values['debug'] ?? 20)) return
    clearTimeout(timer)
    log.level = 'debug'
    log.info({ forMs }, 'log level set to debug')
    timer = setTimeout(() => {
      log.info({}, 'log level restored')
      log.level = configuredLevel
      timer = undefined
    }, forMs).unref()
  }
}

/** The loggers of the service, and the output to which they write. */
export interface Logs {
  readonly log: PinoLogger
  /** Writes at level `info`, whatever LOG_LEVEL is. */
  readonly auditLog: Pick<PinoLogger, 'info'>
  readonly output: LogOutput
}

export function createLogs (config: Config['log'], output: LogOutput): Logs {
  const auditLog = createLog({ level: 'info' }, output.audit).child({ name: 'audit' })
  return { log: createLog(config, output.log), auditLog, output }
}

/** @param destination receives whole lines */
export function createLog (config: Config['log'], destination: DestinationStream): PinoLogger {
  const options = {
    level: config.level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // A request is logged by its record only. These serializers keep headers and bodies out of every line.
    serializers: { err: serializeError, error: serializeError, req: () => undefined, res: () => undefined },
  }
  return pino(options, destination)
}
