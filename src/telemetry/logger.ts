/**
 * The logger: JSON lines of pino on stdout, with errors written in a way that can't carry what a caller or Procore sent. It knows no request:
 * requests and replies that are given to it are not shown.
 */
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino'
import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../config/index.ts'
import { batchedStdout } from './batched-stdout.ts'
import { serializeError } from './error-serializer.ts'

/** The logging methods that modules depend on. Fields contain ids, codes and times only: no personal data, no credentials. */
export type Logger = Pick<FastifyBaseLogger, 'debug' | 'info' | 'warn' | 'error'>

/**
 * Raises a running process to `debug` for a while, unless it tells more already. Asked again it begins anew.
 * What comes back is to be called whenever it is asked.
 */
export function createDebugToggle (log: Pick<PinoLogger, 'level' | 'levelVal' | 'levels' | 'info'>, forMs: number): () => void {
  const configuredLevel = log.level
  let timer: NodeJS.Timeout | undefined
  return () => {
    if (timer === undefined && log.levelVal <= (log.levels.values['debug'] ?? 20)) return
    clearTimeout(timer)
    log.level = 'debug'
    log.info({ forMs }, 'the log is raised to debug')
    timer = setTimeout(() => {
      log.info({}, 'the log is back at its level')
      log.level = configuredLevel
      timer = undefined
    }, forMs).unref()
  }
}

let cachedSecondMs = NaN
let cachedSecondText = ''

/** ISO 8601 in UTC, as pino's own `isoTime`, whose Date for each line is what this saves. */
function isoTime (): string {
  const nowMs = Date.now()
  const millisecond = nowMs % 1000
  if (nowMs - millisecond !== cachedSecondMs) {
    cachedSecondMs = nowMs - millisecond
    cachedSecondText = new Date(cachedSecondMs).toISOString().slice(0, 20)
  }
  return `,"time":"${cachedSecondText}${String(millisecond).padStart(3, '0')}Z"`
}

/** @param destination takes whole lines; without it they go to standard output, some milliseconds later */
export function createLog (config: Config['log'], destination: DestinationStream = batchedStdout()): PinoLogger {
  const options = {
    level: config.level,
    base: null,
    timestamp: isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // Requests and replies are logged by their trail alone; a serializer that shows nothing keeps headers and bodies out for good.
    serializers: { err: serializeError, error: serializeError, req: () => undefined, res: () => undefined },
  }
  const log = pino(options, destination)
  destinations.set(log, { logger: log, destination })
  return log
}

const destinations = new WeakMap<object, { logger: PinoLogger, destination: DestinationStream }>()

/** Writes one line, with `undefined` left out. Errors have no place in it. */
export type LineWriter = (level: 'info' | 'warn', fields: object, message: string) => void

/**
 * For the lines that every request has: they look like those of the logger, and are made in one piece, while pino puts a line together from
 * many strings.
 * @param options `isAlways`: whatever the level of the log is; `name`: of the logger
 * @throws {TypeError} when the log is none of `createLog`'s
 */
export function createLineWriter (log: FastifyBaseLogger, { ignoreLevel = false, name }: { ignoreLevel?: boolean, name?: string } = {}): LineWriter {
  const { logger, destination } = destinations.get(log) ?? {}
  if (logger === undefined || destination === undefined) throw new TypeError('the log was not made here')
  const bindings = name === undefined ? '' : `,"name":"${name}"`
  return (level, fields, message) => {
    if (!ignoreLevel && !logger.isLevelEnabled(level)) return
    destination.write(`{"level":"${level}"${isoTime()}${bindings},${JSON.stringify(fields).slice(1, -1)},"msg":"${message}"}\n`)
  }
}
