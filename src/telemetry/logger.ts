/**
 * Creates the logger: pino, with JSON lines on stdout. Its serializers keep everything that a caller or Procore sent
 * out of the lines: of errors only named properties are written, requests and replies are not written at all.
 */
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino'
import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../config/index.ts'
import { batchedStdout } from './batched-stdout.ts'
import { serializeError } from './error-serializer.ts'

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

let cachedSecondMs = NaN
let cachedSecondText = ''

/**
 * Formats the time as pino's own `isoTime` does (ISO 8601, UTC), but creates a Date once per second, not for each line.
 */
function isoTime (): string {
  const nowMs = Date.now()
  const millisecond = nowMs % 1000
  if (nowMs - millisecond !== cachedSecondMs) {
    cachedSecondMs = nowMs - millisecond
    cachedSecondText = new Date(cachedSecondMs).toISOString().slice(0, 20)
  }
  return `,"time":"${cachedSecondText}${String(millisecond).padStart(3, '0')}Z"`
}

/** @param destination receives whole lines; the default writes them to standard output in batches */
export function createLog (config: Config['log'], destination: DestinationStream = batchedStdout()): PinoLogger {
  const options = {
    level: config.level,
    base: null,
    timestamp: isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // A request is logged by its record only. These serializers keep headers and bodies out of every line.
    serializers: { err: serializeError, error: serializeError, req: () => undefined, res: () => undefined },
  }
  const log = pino(options, destination)
  destinations.set(log, { logger: log, destination })
  return log
}

const destinations = new WeakMap<object, { logger: PinoLogger, destination: DestinationStream }>()

/**
 * Writes one line, without fields that are undefined. The fields are not serialized by pino, so they must not be
 * errors.
 */
export type LineWriter = (level: 'info' | 'warn', fields: object, message: string) => void

/** `ignoreLevel`: also write lines below the log level. `name`: added to each line as the field `name`. */
interface LineWriterOptions {
  ignoreLevel?: boolean
  name?: string
}

/**
 * Returns a faster writer for the lines that every request causes. They have the format of the logger's lines, but one
 * template builds each line, while pino concatenates many strings.
 * @throws {TypeError} if the logger was not created by `createLog`
 */
export function createLineWriter (
  log: FastifyBaseLogger, { ignoreLevel = false, name }: LineWriterOptions = {}
): LineWriter {
  const { logger, destination } = destinations.get(log) ?? {}
  if (logger === undefined || destination === undefined) throw new TypeError('The logger was not created by createLog.')
  const bindings = name === undefined ? '' : `,"name":"${name}"`
  return (level, fields, message) => {
    if (!ignoreLevel && !logger.isLevelEnabled(level)) return
    const members = JSON.stringify(fields).slice(1, -1)
    destination.write(`{"level":"${level}"${isoTime()}${bindings},${members},"msg":"${message}"}\n`)
  }
}
