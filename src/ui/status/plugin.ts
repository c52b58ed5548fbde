/**
 * The page `/status` for people, and its events: what metrics and health say, as it changes. It holds ids, codes, sizes and times only,
 * asks no other host, and is off unless it is wanted.
 */
import { readFileSync } from 'node:fs'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { limits } from '../../config/limits.ts'
import type { LatestProblems } from '../../telemetry/recent-problems.ts'
import { dependenciesOf, phaseOf, type Parts } from '../../health/dependencies.ts'
import { overloaded } from '../../server/problem.ts'
import { version } from '../../config/product.ts'
import { guardPages } from '../security-headers.ts'

const files = [
  { url: '/status', file: 'page.html', type: 'text/html; charset=utf-8' },
  { url: '/status/page.css', file: 'page.css', type: 'text/css; charset=utf-8' },
  { url: '/status/page.js', file: 'page.js', type: 'text/javascript; charset=utf-8' },
] as const

/**
 * Adds the page, its two files and `/status/events` (server-sent events, the WHATWG HTML standard §9.2). At most `limits.statusPage.clientsMax` are told at a
 * time, every `limits.statusPage.intervalMs`; one more is refused with `overloaded`.
 */
export async function addStatus (app: FastifyInstance, parts: Parts, problems: LatestProblems): Promise<void> {
  const watchers = new Watchers(() => `data: ${JSON.stringify(statusOf(parts, problems))}\n\n`)
  await app.register(async pages => {
    await guardPages(pages)
    for (const { url, file, type } of files) {
      const content = readFileSync(new URL(file, import.meta.url))
      pages.get(url, { schema: { hide: true } }, async (_request, reply) => reply.header('cache-control', 'no-store').type(type).send(content))
    }
    // The answer to HEAD would have no end, as that to GET has none.
    pages.get('/status/events', { schema: { hide: true }, exposeHeadRoute: false }, (_request, reply) => watchers.add(reply, parts.lifecycle))
  })
  app.addHook('onClose', async () => watchers.close())
}

/** What the page shows. */
function statusOf (parts: Parts, problems: LatestProblems) {
  const { procore, forms } = parts
  const nowMs = Date.now()
  return {
    version,
    nowMs,
    phase: phaseOf(parts),
    upSeconds: Math.round(process.uptime()),
    dependencies: dependenciesOf(parts, ({ isUp, sinceMs }) => ({ isUp, sinceMs })),
    token: { isValid: procore.tokens.isValid, ageMs: procore.tokens.ageMs, ...procore.tokens.counts },
    connections: procore.connections().api,
    requests: parts.lifecycle.underWay,
    waiting: procore.allowance.waiting,
    allowances: procore.allowance.standings(limits.rateLimit.companiesShown),
    forms: { held: forms.count('held'), streamed: forms.count('streamed') },
    uploads: forms.oldest(limits.statusPage.uploadsShown).map(({ trail, declaredBytes, startedAtMs }) => ({
      requestId: trail.requestId, companyId: trail.companyId, way: trail.form, bytes: trail.bytesIn ?? 0, declaredBytes, ageMs: nowMs - startedAtMs,
    })),
    problems: problems.list(),
  }
}

/** Those who watch; all are told the same at the same time, and nobody is waited for. */
class Watchers {
  readonly #tell: () => string
  readonly #replies = new Set<FastifyReply>()
  #timer: NodeJS.Timeout | undefined

  constructor (tell: () => string) {
    this.#tell = tell
  }

  /** @throws {Problem} `overloaded` */
  add (reply: FastifyReply, lifecycle: Parts['lifecycle']): void {
    if (this.#replies.size >= limits.statusPage.clientsMax || lifecycle.stopping) throw overloaded('Too many watch this page.', { retryAfterSeconds: 10 })
    reply.hijack()
    const { raw, request: { trail } } = reply
    trail.endless = true
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value)
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
    raw.write(this.#tell())
    this.#replies.add(reply)
    // It must not hold a stop up.
    const forget = lifecycle.whenStopping(() => raw.end())
    raw.once('close', () => {
      forget()
      this.#replies.delete(reply)
      if (this.#replies.size === 0) this.close()
    })
    this.#timer ??= setInterval(() => this.#tellAll(), limits.statusPage.intervalMs)
  }

  close (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #tellAll (): void {
    const event = this.#tell()
    // Whoever does not read is skipped, since the next event tells all anew.
    for (const { raw } of this.#replies) if (!raw.writableNeedDrain) raw.write(event)
  }
}
