/** Starts a service for one test: built from an environment like `npm start`, on a free port, closed with the test. */
import type { Test } from 'tap'
import { buildApp, type App } from '../../src/app.ts'
import { loadConfig, type Config } from '../../src/config/index.ts'
import { Emulator, startEmulator } from '../../tools/emulator/emulator.ts'
import type { Settings } from '../../tools/emulator/settings.ts'
import type { Endpoint } from '../../src/endpoints/endpoint.ts'
import { createLogs } from '../../src/telemetry/logger.ts'
import { unbufferedOutput, type LogOutput } from '../../src/telemetry/log-writer.ts'
import { getPort } from './listen.ts'
import { credentialPattern } from './requests.ts'

export interface Service {
  url: string
  port: number
  app: App
  /** Log lines as objects. */
  lines: Array<Record<string, unknown>>
  emulator: Emulator
  /** URL that creates a user of company 101. */
  usersUrl: string
}

export interface ServiceOptions {
  env?: Record<string, string>
  emulator?: Partial<Settings>
  /** Another upstream instead of the emulator. */
  procoreUrl?: string
  /** Other endpoints instead of the service's own. */
  endpoints?: readonly Endpoint[]
  /** Adds routes that `npm start` does not have. */
  extend?: (fastify: App['fastify'], config: Config) => Promise<void>
  /** Changes settings that no environment variable has. */
  adjustConfig?: (config: Config) => Config
  /** Another output for the log, whose lines are then not in `lines`. */
  logOutput?: LogOutput
  /** Time limit of a call to Redis. By default it is long, because Redis may be slow on a busy machine. */
  redisTimeoutMs?: number
  /** Whether to wait for the first access token. */
  ready?: boolean
}

export async function startService (t: Test, options: ServiceOptions = {}): Promise<Service> {
  const emulator = await startTestEmulator(t, options.emulator)
  const procore = options.procoreUrl ?? emulator.url
  const lines: Service['lines'] = []
  const loadedConfig = loadConfig({
    PROCORE_API_URL: procore,
    PROCORE_LOGIN_URL: procore,
    PROCORE_CLIENT_ID: emulator.settings.clientId,
    PROCORE_CLIENT_SECRET: emulator.settings.clientSecret,
    CALLER_AUTH: 'none',
    PORT: '0',
    LOG_LEVEL: 'trace',
    ...options.env,
  })
  const config = options.adjustConfig?.(loadedConfig) ?? loadedConfig
  const output = options.logOutput ?? unbufferedOutput(line => { lines.push(parseLine(line)) })
  const app = await buildApp(config, createLogs(config.log, output), options.endpoints)
  await options.extend?.(app.fastify, config)
  t.teardown(async () => {
    app.fastify.server.closeAllConnections()
    await app.fastify.close()
    const leak = findLeak(lines)
    if (leak !== undefined) throw new Error(`A log line contains a credential or personal data: ${leak}`)
  })
  if (app.redis !== undefined) app.redis.timeoutMs = options.redisTimeoutMs ?? 10_000
  await app.redis?.start()
  if (options.ready ?? true) await app.procore.accessTokens.get()
  await app.fastify.listen({ ...config.listen })
  const port = getPort(app.fastify.server)
  const url = `http://127.0.0.1:${port}`
  return { url, port, app, lines, emulator, usersUrl: `${url}/companies/101/users` }
}

const parseLine: (line: string) => Record<string, unknown> = JSON.parse

/** Matches names, addresses and numbers of the people in the tests. */
const personalDataPattern = /@example\.com|\bDoe\b|\bjane\b|1-555-/i

/** Returns the first line that contains a secret, a token or personal data. */
function findLeak (lines: Service['lines']): string | undefined {
  return lines
    .map(({ fingerprint: _, ...line }) => JSON.stringify(line))
    .find(line => credentialPattern.test(line) || personalDataPattern.test(line))
}

export async function startTestEmulator (t: Test, settings?: Partial<Settings>): Promise<Emulator> {
  const emulator = await startEmulator(settings)
  t.teardown(() => emulator.close())
  return emulator
}
