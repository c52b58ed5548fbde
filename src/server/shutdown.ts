/**
 * How the service stops without losing a request: it says that it is not ready, goes on listening for a while, takes no new
 * connections, lets what runs finish within the grace, and tells the rest that it is stopping. It knows no signal, nor how the process ends.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { App } from '../app.ts'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'

/**
 * Takes `drainDelayMs`, then as long as there are requests under way, at most `graceMs` and what their last answers take. To be called once.
 * @throws when the grace ran out with requests under way, so that the exit status tells it
 */
export async function shutDown ({ fastify, inFlight }: App, { drainDelayMs, graceMs }: Config['shutdown']): Promise<void> {
  inFlight.startDraining()
  if (drainDelayMs > 0) await sleep(drainDelayMs)
  const { server } = fastify
  server.close()
  server.closeIdleConnections()
  const isIdle = await inFlight.waitUntilIdle(graceMs)
  if (!isIdle) {
    inFlight.abortPending()
    await inFlight.waitUntilIdle(limits.server.shutdownAbortMs)
  }
  server.closeAllConnections()
  await fastify.close()
  if (!isIdle) throw new Error('the grace ran out with requests under way')
}
