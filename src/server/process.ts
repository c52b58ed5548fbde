/** Starts the process: reads the environment, listens, handles signals, sets the exit status. */
import type { AddressInfo } from 'node:net'
import { isatty } from 'node:tty'
import type { FastifyInstance } from 'fastify'
import closeWithGrace from 'close-with-grace'
import { buildApp } from '../app.ts'
import { ConfigError, loadConfig, type Config } from '../config/index.ts'
import { insecureSettings } from '../config/warnings.ts'
import { limits } from '../config/limits.ts'
import { createLogs, createDebugToggle } from '../telemetry/logger.ts'
import { openStdout } from '../telemetry/stdout.ts'
import { hintMinorGcAfterStart } from './gc-hint.ts'
import { shutDown } from './shutdown.ts'

/** A terminal that closes sends SIGHUP, so SIGHUP must stop a service that is started from one. */
const hasTerminal = [0, 1, 2].some(fd => isatty(fd))

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

  const { close } = closeWithGrace({
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
    if (!hasTerminal) {
      app.procore.renewCredentials()
      app.jwks?.fetchInBackground()
    } else if (!app.inFlight.isDraining) {
      // When a terminal closes, both the kernel and the shell may send SIGHUP. Only the first one stops the service.
      close()
    }
  })
  process.on('SIGUSR2', createDebugToggle(log, limits.log.debugMs))

  for (const warning of insecureSettings(config)) log.warn(warning)
  app.jwks?.fetchInBackground()
  await app.redis?.start()
  app.procore.accessTokens.start()
  app.procore.connectedCompanies.start()
  const { listen } = config
  await app.fastify.listen({ ...listen, listenTextResolver: () => 'bound' })
    .catch((error: unknown) => exitOnListenError(error, listen))
  log.info({ url: listeningUrl(app.fastify.server.address()) }, 'listening')
  hintMinorGcAfterStart()
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

function exitOnListenError (error: unknown, { host, port }: Config['listen']): never {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  const reason = code === 'EADDRINUSE'
    ? `port ${port} of ${host} is in use by another program (${code}). Stop that program, or set PORT to a free port`
    : `cannot listen on port ${port} of ${host} (${code})`
  process.stderr.write(`HOST, PORT: ${reason}\n`)
  process.exit(1)
}

function listeningUrl (address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') return String(address)
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}
