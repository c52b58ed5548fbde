/** A service for one test: built from an environment as `npm start` would, listening on a free port, closed by the test that made it. */
import type { Test } from 'tap'
import { buildApp, type App } from '../../src/app.ts'
import { loadConfig, type Config } from '../../src/config/index.ts'
import { Emulator, startEmulator } from '../../tools/emulator/emulator.ts'
import type { Settings } from '../../tools/emulator/settings.ts'
import type { Endpoint } from '../../src/endpoints/endpoint.ts'
import { createLog } from '../../src/telemetry/logger.ts'
import { getPort } from './listen.ts'
import { credentialPattern } from './requests.ts'

export interface Service {
  url: string
  port: number
  app: App
  /** Log lines as objects. */
  lines: Array<Record<string, unknown>>
  emulator: Emulator
  /** Where a user of company 101 is created. */
  usersUrl: string
}

export interface ServiceOptions {
  env?: Record<string, string>
  emulator?: Partial<Settings>
  /** A Procore that is not the emulator. */
  procoreUrl?: string
  /** Instead of those that the service mirrors. */
  endpoints?: readonly Endpoint[]
  /** Adds what `npm start` does not have. */
  extend?: (fastify: App['fastify'], config: Config) => Promise<void>
  /** Whether the first token is had before the test goes on. */
  ready?: boolean
}

export async function startService (t: Test, options: ServiceOptions = {}): Promise<Service> {
  const emulator = await startTestEmulator(t, options.emulator)
  const procore = options.procoreUrl ?? emulator.url
  const lines: Service['lines'] = []
  const config = loadConfig({
    PROCORE_API_URL: procore,
    PROCORE_LOGIN_URL: procore,
    PROCORE_CLIENT_ID: emulator.settings.clientId,
    PROCORE_CLIENT_SECRET: emulator.settings.clientSecret,
    CALLER_AUTH: 'none',
    PORT: '0',
    LOG_LEVEL: 'trace',
    ...options.env,
  })
  const app = await buildApp(config, createLog(config.log, { write: line => { lines.push(JSON.parse(line)) } }), options.endpoints)
  await options.extend?.(app.fastify, config)
  t.teardown(async () => {
    app.fastify.server.closeAllConnections()
    await app.fastify.close()
    const leak = findLeak(lines)
    if (leak !== undefined) throw new Error(`a credential or an address in the log: ${leak}`)
  })
  await app.store?.start()
  if (options.ready ?? true) await app.procore.accessTokens.get()
  await app.fastify.listen({ ...config.listen })
  const port = getPort(app.fastify.server)
  const url = `http://127.0.0.1:${port}`
  return { url, port, app, lines, emulator, usersUrl: `${url}/companies/101/users` }
}

/** The people of the tests: names, addresses, numbers. */
const personalDataPattern = /@example\.com|\bDoe\b|\bjane\b|1-555-/i

/** The first line that holds a secret, a token, or something of a person: all of a test's traffic is looked at. */
function findLeak (lines: Service['lines']): string | undefined {
  return lines.map(({ fingerprint: _, ...line }) => JSON.stringify(line)).find(line => credentialPattern.test(line) || personalDataPattern.test(line))
}

export async function startTestEmulator (t: Test, settings?: Partial<Settings>): Promise<Emulator> {
  const emulator = await startEmulator(settings)
  t.teardown(() => emulator.close())
  return emulator
}
