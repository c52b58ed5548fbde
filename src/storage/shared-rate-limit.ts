/**
 * Procore's allowance as all replicas see it: a request that may go as far as this replica knows asks here whether it may go as far as
 * all know. It makes nobody wait, and knows nothing while the store is away.
 */
import { randomUUID } from 'node:crypto'
import { limits } from '../config/limits.ts'
import type { AllowanceNews, BlockKind } from '../procore/rate-limit/headers.ts'
import type { Lease, SharedStore } from './redis.ts'

/** Leave to send, or when to ask again: nothing remains, Procore said to come later, or another request is finding out. */
export type Entrance = { isOpen: true, leave: (news: AllowanceNews) => void } | { isOpen: false, ms: number, why: BlockKind | 'probe' }

/** What the ends of requests told, and the store has to be told. */
interface Unsaid {
  ids: string[]
  epoch: number
  isAnswered: boolean
  /** Requests that Procore may have counted since it last told what remains. */
  counted: number
  told: { name: string, remaining: number, resetAtMs: number } | undefined
  block: { kind: BlockKind, endsAtMs: number } | undefined
  /** When the last of them ended; all times are of our own clock. */
  atMs: number
}

/** Of no request that the store knows. */
const noEpoch = -1

/** By company, or by one name for all, as `PROCORE_RATE_LIMIT_SCOPE` says: the caller names whose allowance it is. */
export class SharedAllowance {
  readonly #store: SharedStore
  /** What this replica has under way, by whose allowance it takes: of a replica that died each place ends with its lease, and counts as spent. */
  readonly #underWay = new Map<number, Set<string>>()
  readonly #renewal: NodeJS.Timeout

  readonly #leaseMs: number
  /** By whose allowance it is; of each what is newest. */
  readonly #unsaid = new Map<number, Unsaid>()

  /** @param lease how long a place is held by a replica that says nothing, and how often one that is alive says so */
  constructor (store: SharedStore, { leaseMs, leaseRenewMs }: Lease = limits.redis) {
    this.#store = store
    this.#leaseMs = leaseMs
    this.#renewal = setInterval(() => {
      this.#extend()
      this.#sayAll()
    }, leaseRenewMs).unref()
    store.whenBack(() => this.#sayAll())
  }

  /** What is under way ends with its lease. */
  close (): void {
    clearInterval(this.#renewal)
  }

  /** @param name of whose allowance it is. While the store is away it is open, and the store is told of it later. */
  async enter (name: number, sentWhole: boolean): Promise<Entrance> {
    const id = randomUUID()
    try {
      const reply = await this.#store.script('acquire-rate-limit', keysOf(name), [id, this.#leaseMs, sentWhole ? '1' : '0', limits.rateLimit.probeMs, limits.rateLimit.redisTtlMs, limits.rateLimit.pollMs])
      const [isOpen, value, why] = Array.isArray(reply) ? reply : []
      if (isOpen === 1) return this.#open(name, id, Number(value))
      return { isOpen: false, ms: Math.max(1, Number(value)), why: why === 'unavailable' || why === 'probe' ? why : 'rate' }
    } catch {
      // The call may have been carried out although its answer was lost; if it was not, the renewal puts the request in.
      return this.#open(name, id, noEpoch)
    }
  }

  #open (name: number, id: string, epoch: number): Entrance {
    const ids = this.#underWay.get(name) ?? new Set()
    this.#underWay.set(name, ids.add(id))
    return {
      isOpen: true,
      leave: news => {
        ids.delete(id)
        if (ids.size === 0) this.#underWay.delete(name)
        this.#leave(name, unsaidOf(id, epoch, news))
      },
    }
  }

  #extend (): void {
    for (const [name, ids] of this.#underWay) {
      this.#store.script('extend-rate-limit', [keysOf(name)[1]], [this.#leaseMs, limits.rateLimit.redisTtlMs, ...ids]).catch(() => {})
    }
  }

  /** Nobody waits for it. What can't be said now is kept until the store is back. */
  #leave (name: number, unsaid: Unsaid): void {
    this.#say(name, unsaid).catch(() => {
      const later = this.#unsaid.get(name)
      if (later === undefined && this.#unsaid.size >= limits.rateLimit.companiesMax) return
      this.#unsaid.set(name, later === undefined ? unsaid : merge(unsaid, later))
    })
  }

  #sayAll (): void {
    const kept = [...this.#unsaid]
    this.#unsaid.clear()
    for (const [name, unsaid] of kept) this.#leave(name, unsaid)
  }

  /** What is written late is told as it stands then. */
  #say (name: number, { ids, epoch, isAnswered, counted, told, block }: Unsaid): Promise<unknown> {
    const leftMs = (atMs = 0) => Math.max(0, atMs - Date.now())
    const resetMs = leftMs(told?.resetAtMs)
    return this.#store.script('release-rate-limit', keysOf(name), [
      epoch, isAnswered ? '1' : '0', counted, resetMs > 0 ? told?.name ?? '' : '', told?.remaining ?? 0, resetMs, leftMs(block?.endsAtMs), block?.kind ?? '', limits.rateLimit.redisTtlMs, ...ids,
    ])
  }
}

const keysOf = (name: number): [known: string, underWay: string] => [`allowance:{${name}}`, `under-way:{${name}}`]

function unsaidOf (id: string, epoch: number, { isAnswered, isCounted, told, block }: AllowanceNews): Unsaid {
  const atMs = Date.now()
  return {
    ids: [id],
    epoch,
    isAnswered,
    counted: isCounted && told === undefined ? 1 : 0,
    told: told && { name: told.name, remaining: told.remaining, resetAtMs: Math.ceil(atMs + told.resetMs) },
    block: block && { kind: block.kind, endsAtMs: Math.ceil(atMs + block.ms) },
    atMs,
  }
}

/** It is the latest that counts; requests whose places are not given back lose them with their lease. */
function merge (one: Unsaid, other: Unsaid): Unsaid {
  const [earlier, later] = one.atMs <= other.atMs ? [one, other] : [other, one]
  return {
    ids: [...later.ids, ...earlier.ids].slice(0, limits.rateLimit.releasedPermitsMax),
    epoch: Math.max(earlier.epoch, later.epoch),
    isAnswered: earlier.isAnswered || later.isAnswered,
    counted: later.told === undefined ? earlier.counted + later.counted : later.counted,
    told: later.told ?? earlier.told,
    block: later.block ?? earlier.block,
    atMs: later.atMs,
  }
}
