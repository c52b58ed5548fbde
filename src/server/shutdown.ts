/**
 * Shuts the service down without losing a request: reports not ready, keeps listening for the drain delay, closes the
 * listener, waits for the requests in flight for the grace period, and answers the others with `stopping`.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import type { InFlightRequests } from './in-flight.ts'

/**
 * Resolves when the service has stopped: after `drainDelayMs`, then as soon as no request is in flight, at most
 * `graceMs` and `limits.server.shutdownAbortMs` later. Logs how many requests were lost. Must be called once.
 * @throws when requests were still in flight at the end of the grace period, so that the exit status is 1
 */
export async function shutDown (
  { fastify, inFlight }: { fastify: FastifyInstance, inFlight: InFlightRequests },
  { drainDelayMs, graceMs }: Config['shutdown']
): Promise<void> {
  inFlight.startDraining()
  if (drainDelayMs > 0) await sleep(drainDelayMs)
  const { server } = fastify
  server.close()
  server.closeIdleConnections()
  await inFlight.waitUntilIdle(graceMs)
  // A background request that is late is a read for which no caller waits: it ends with the connections.
  const requestsLost = inFlight.requestCount
  if (requestsLost > 0) {
    inFlight.abortPending()
    await inFlight.waitUntilIdle(limits.server.shutdownAbortMs)
  }
  server.closeAllConnections()
  await fastify.close()
  fastify.log[requestsLost > 0 ? 'error' : 'info']({ requestsLost }, 'stopped')
  if (requestsLost > 0) throw new Error('requests were still in flight at the end of the grace period')
}

interface Closeable {
  close (): Promise<void>
}

/** The connections to other systems, in the order in which they are closed. */
interface ConnectionsOptions {
  upstreams: ReadonlyArray<Closeable | undefined>
  sharedState: Closeable | undefined
  tracing: Closeable | undefined
}

/** Closes the connections to other systems with the service. */
export const closeConnectionsPlugin = fp<ConnectionsOptions>(async (app, { upstreams, sharedState, tracing }) => {
  app.addHook('onClose', async () => {
    await Promise.all(upstreams.map(upstream => upstream?.close()))
    // Requests that ended with the connections to Procore first store their outcome under their idempotency key.
    await new Promise(resolve => setImmediate(resolve))
    await sharedState?.close()
    await tracing?.close()
  })
})
