/**
 * Procore's allowance as all replicas see it: a request that may go as far as this replica knows asks here whether it may go as far as
 * all know. It makes nobody wait, and knows nothing while the store is away.
 */
import { randomUUID } from 'node:crypto'
import { limits } from '../limits.ts'
import type { AllowanceNews, BlockKind } from '../procore/allowance-news.ts'
import type { Lease, SharedStore } from './redis.ts'

/** Leave to send, or when to ask again: nothing remains, Procore said to come later, or another request is finding out. */
export type Entrance = { isOpen: true, leave: (news: AllowanceNews) => void } | { isOpen: false, ms: number, why: BlockKind | 'probe' }

export class SharedAllowance {
  readonly #store: SharedStore
  /** What this replica has under way, by whose allowance it takes: a replica that died says nothing more, and its places are free again. */
  readonly #underWay = new Map<number, Set<string>>()
  readonly #renewal: NodeJS.Timeout

  readonly #leaseMs: number

  /** @param lease how long a place is held by a replica that says nothing, and how often one that is alive says so */
  constructor (store: SharedStore, { leaseMs, leaseRenewMs }: Lease = limits) {
    this.#store = store
    this.#leaseMs = leaseMs
    this.#renewal = setInterval(() => this.#extend(), leaseRenewMs).unref()
  }

  close (): void {
    clearInterval(this.#renewal)
  }

  /** @param name of whose allowance it is. Nothing when the store is away. */
  async enter (name: number, sentWhole: boolean): Promise<Entrance | undefined> {
    const id = randomUUID()
    const wasUp = this.#store.isUp
    const keys = [`allowance:{${name}}`, `under-way:{${name}}`]
    try {
      const reply = await this.#store.script('enter-allowance', keys, [id, this.#leaseMs, sentWhole ? '1' : '0', limits.allowanceProbeMs, limits.allowanceLifetimeMs, limits.allowanceAskMs])
      const [isOpen, value, why] = Array.isArray(reply) ? reply : []
      if (isOpen === 1) return this.#open(name, id, news => this.#leave(keys, id, Number(value), news))
      return { isOpen: false, ms: Math.max(1, Number(value)), why: why === 'unavailable' || why === 'probe' ? why : 'rate' }
    } catch {
      // The call may have been carried out although its answer was lost.
      if (wasUp) this.#leave(keys, id, -1, { isAnswered: false, isCounted: false, told: undefined, block: undefined })
      return undefined
    }
  }

  #open (name: number, id: string, leave: (news: AllowanceNews) => void): Entrance {
    const ids = this.#underWay.get(name) ?? new Set()
    this.#underWay.set(name, ids.add(id))
    return {
      isOpen: true,
      leave: news => {
        ids.delete(id)
        if (ids.size === 0) this.#underWay.delete(name)
        leave(news)
      },
    }
  }

  #extend (): void {
    for (const [name, ids] of this.#underWay) {
      this.#store.script('extend-allowance', [`under-way:{${name}}`], [this.#leaseMs, limits.allowanceLifetimeMs, ...ids]).catch(() => {})
    }
  }

  #leave (keys: readonly string[], id: string, epoch: number, { isAnswered, isCounted, told, block }: AllowanceNews): void {
    const atMs = Date.now()
    // Nobody waits for it: what is lost with the store ends by its lease. What is written late is told as it stands then.
    this.#store.eventually(() => {
      const resetMs = Math.max(0, Math.ceil((told?.resetMs ?? 0) - (Date.now() - atMs)))
      const blockMs = Math.max(0, Math.ceil((block?.ms ?? 0) - (Date.now() - atMs)))
      return this.#store.script('leave-allowance', keys, [
        id, epoch, isAnswered ? '1' : '0', isCounted ? '1' : '0', resetMs > 0 ? told?.name ?? '' : '', told?.remaining ?? 0, resetMs, blockMs, block?.kind ?? '', limits.allowanceLifetimeMs,
      ])
    }, false).catch(() => {})
  }
}
