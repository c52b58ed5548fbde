/** Starts the process: reads the environment, listens, handles signals, sets the exit status. */
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import closeWithGrace from 'close-with-grace'
import { buildApp } from '../app.ts'
import { ConfigError, loadConfig, type Config } from '../config/index.ts'
import { insecureSettings } from '../config/warnings.ts'
import { limits } from '../config/limits.ts'
import { createLogs, createDebugToggle } from '../telemetry/logger.ts'
import { openStdout } from '../telemetry/stdout.ts'
import { shutDown } from './shutdown.ts'

/**
 * Starts the service, which runs until a signal; resolves once it listens. If the environment is not valid or the port
 * is not available, writes the reason to standard error and exits with status 1.
 * @param extend registers additional routes
 */
export async function startProcess (
  extend?: (fastify: FastifyInstance, config: Config) => Promise<void>
): Promise<void> {
  const config = configOrExit()
  const logs = createLogs(config.log, openStdout())
  const { log } = logs
  const app = await buildApp(config, logs)
  await extend?.(app.fastify, config)

  closeWithGrace({
    // The steps of the shutdown have their own timeouts. After this delay, close-with-grace exits the process.
    delay: config.shutdown.drainDelayMs + config.shutdown.graceMs + limits.server.shutdownHardLimitMs,
    logger: log,
    skip: ['SIGHUP', 'SIGUSR2', 'beforeExit'],
  }, async ({ err, signal }) => {
    if (err !== undefined) log.fatal({ err }, 'unexpected error, stopping')
    else log.info({ signal }, 'stopping')
    await shutDown(app, config.shutdown)
  })

  process.on('SIGHUP', () => {
    app.procore.renewCredentials()
    app.jwks?.fetchInBackground()
  })
  process.on('SIGUSR2', createDebugToggle(log, limits.log.debugMs))

  for (const warning of insecureSettings(config)) log.warn(warning)
  app.jwks?.fetchInBackground()
  await app.redis?.start()
  app.procore.accessTokens.start()
  await app.fastify.listen({ ...config.listen, listenTextResolver: () => 'bound' }).catch(exitOnListenError)
  log.info({ url: listeningUrl(app.fastify.server.address()) }, 'listening')
}

function configOrExit (): Config {
  try {
    return loadConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const issue of error.issues) process.stderr.write(`${issue}\n`)
    process.exit(1)
  }
}

function exitOnListenError (error: unknown): never {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  process.stderr.write(`HOST, PORT: cannot listen on this address (${code})\n`)
  process.exit(1)
}

function listeningUrl (address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') return String(address)
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}
