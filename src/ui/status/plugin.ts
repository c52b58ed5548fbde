/**
 * Serves the page `/status`, which shows health and metrics live. The page has only ids, codes, sizes and times, and
 * loads nothing from other hosts. It is off by default.
 */
import { readFileSync } from 'node:fs'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { limits } from '../../config/limits.ts'
import type { RecentProblems } from '../../telemetry/recent-problems.ts'
import { mapDependencies, getPhase, type ObservedComponents } from '../../telemetry/dependencies.ts'
import { overloadedProblem } from '../../server/problem.ts'
import { version } from '../../config/product.ts'
import { registerSecurityHeaders } from '../security-headers.ts'
import { monotonicNowMs } from '../../util/clock.ts'

const files = [
  { url: '/status', file: 'page.html', type: 'text/html; charset=utf-8' },
  { url: '/status/page.css', file: 'page.css', type: 'text/css; charset=utf-8' },
  { url: '/status/page.js', file: 'page.js', type: 'text/javascript; charset=utf-8' },
] as const

/**
 * Registers the page, its two files and `/status/events` (server-sent events, the WHATWG HTML standard §9.2). The
 * service sends an event every `limits.statusPage.intervalMs` to at most `limits.statusPage.clientsMax` clients, and
 * rejects further clients with `overloaded`.
 */
export async function statusPagePlugin (
  pages: FastifyInstance, { components, recentProblems }: StatusPageOptions
): Promise<void> {
  const clients = new EventClients(() => `data: ${JSON.stringify(buildStatus(components, recentProblems))}\n\n`)
  await registerSecurityHeaders(pages)
  for (const { url, file, type } of files) {
    const content = readFileSync(new URL(file, import.meta.url))
    pages.get(url, { schema: { hide: true } }, async (_request, reply) => {
      return reply.header('cache-control', 'no-store').type(type).send(content)
    })
  }
  // There is no HEAD route: its response would never end, because the response to GET never ends.
  pages.get('/status/events', { schema: { hide: true }, exposeHeadRoute: false }, (_request, reply) => {
    clients.add(reply, components.inFlight)
  })
  pages.addHook('onClose', async () => clients.close())
}

interface StatusPageOptions {
  components: ObservedComponents
  recentProblems: RecentProblems
}

/** Builds the data of one event. */
function buildStatus (components: ObservedComponents, problems: RecentProblems) {
  const { procore, activeForms } = components
  const nowMs = Date.now()
  return {
    version,
    nowMs,
    phase: getPhase(components),
    upSeconds: Math.round(process.uptime()),
    dependencies: mapDependencies(components, ({ isUp, sinceMs, warning }) => ({ isUp, sinceMs, warning })),
    accessToken: {
      isValid: procore.accessTokens.isValid,
      ageMs: procore.accessTokens.ageMs,
      ...procore.accessTokens.counts,
    },
    connections: procore.connectionStats().api,
    requests: components.inFlight.count,
    waiting: procore.rateLimiter.waitingCount,
    rateLimits: procore.rateLimiter.snapshots(limits.rateLimit.companiesShown),
    forms: { buffered: activeForms.count('buffered'), streamed: activeForms.count('streamed') },
    uploads: activeForms.list(limits.statusPage.uploadsShown).map(({ record, declaredBytes, startedAtMs }) => ({
      requestId: record.requestId,
      companyId: record.companyId,
      bodyMode: record.bodyMode,
      bytes: record.bytesIn ?? 0,
      declaredBytes,
      ageMs: monotonicNowMs() - startedAtMs,
    })),
    problems: problems.list(),
  }
}

/** Broadcasts the same events to all clients at the same time, and waits for none of them. */
class EventClients {
  readonly #buildEvent: () => string
  readonly #replies = new Set<FastifyReply>()
  #timer: NodeJS.Timeout | undefined

  constructor (buildEvent: () => string) {
    this.#buildEvent = buildEvent
  }

  /** @throws {Problem} `overloaded` */
  add (reply: FastifyReply, inFlight: ObservedComponents['inFlight']): void {
    if (this.#replies.size >= limits.statusPage.clientsMax || inFlight.isDraining) {
      throw overloadedProblem('Too many clients are watching the status page.', { retryAfterSeconds: 10 })
    }
    reply.hijack()
    const { raw, request } = reply
    if (request.inFlight !== null) request.inFlight.record.isEventStream = true
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) raw.setHeader(name, value)
    }
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
    raw.write(this.#buildEvent())
    this.#replies.add(reply)
    // Ends the stream when the service drains, so that it does not delay the shutdown.
    const unsubscribe = inFlight.onDraining(() => raw.end())
    raw.once('close', () => {
      unsubscribe()
      this.#replies.delete(reply)
      if (this.#replies.size === 0) this.close()
    })
    this.#timer ??= setInterval(() => this.#broadcast(), limits.statusPage.intervalMs)
  }

  close (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #broadcast (): void {
    const event = this.#buildEvent()
    // Slow clients miss this event and lose nothing, because each event has the whole status.
    for (const { raw } of this.#replies) {
      if (!raw.writableNeedDrain) raw.write(event)
    }
  }
}
