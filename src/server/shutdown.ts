/**
 * Shuts the service down without losing a request: reports not ready, keeps listening for the drain delay, closes the
 * listener, waits for the requests in flight for the grace period, and answers the others with `stopping`.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { App } from '../app.ts'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'

/**
 * Resolves when the service has stopped: after `drainDelayMs`, then as soon as no request is in flight, at most
 * `graceMs` and `limits.server.shutdownAbortMs` later. Must be called once.
 * @throws when requests were still in flight at the end of the grace period, so that the exit status is 1
 */
export async function shutDown (
  { fastify, inFlight }: App,
  { drainDelayMs, graceMs }: Config['shutdown']
): Promise<void> {
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
  if (!isIdle) throw new Error('requests were still in flight at the end of the grace period')
}
