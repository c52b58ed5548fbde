/** How many forms are being streamed at a time, of one caller and of all: they hold their connections for as long as their callers take. */
import { overloadedProblem, Problem } from '../../server/problem.ts'
import type { RequestRecord } from '../../telemetry/request-record.ts'

/** Counts of this process alone: each replica has as many. */
export class UploadLimiter {
  readonly #max: number
  readonly #maxPerCaller: number
  readonly #countByCaller = new Map<string, number>()
  #inFlight = 0

  constructor (max: number, maxOfCaller: number) {
    this.#max = max
    this.#maxPerCaller = maxOfCaller
  }

  /**
   * Takes a place; what comes back gives it up.
   * @param callerId nothing where callers can't be told apart
   * @throws {Problem} `too_many_requests` of this caller, `overloaded` of all
   */
  acquire (callerId: string | undefined): () => void {
    const ofCaller = callerId === undefined ? 0 : this.#countByCaller.get(callerId) ?? 0
    if (ofCaller >= this.#maxPerCaller) throw new Problem('too_many_requests', 'This caller has too many uploads under way.', { headers: { 'retry-after': '1' } })
    if (this.#inFlight >= this.#max) throw overloadedProblem('Too many uploads are under way.')
    this.#add(callerId, 1)
    return () => this.#add(callerId, -1)
  }

  #add (callerId: string | undefined, change: 1 | -1): void {
    this.#inFlight += change
    if (callerId === undefined) return
    const ofCaller = (this.#countByCaller.get(callerId) ?? 0) + change
    if (ofCaller === 0) this.#countByCaller.delete(callerId)
    else this.#countByCaller.set(callerId, ofCaller)
  }
}

/** One of them, with how far it has come on its trail. */
export interface ActiveForm {
  record: RequestRecord
  startedAtMs: number
  /** As the caller declared it; nothing when it did not. */
  declaredBytes: number | undefined
}

/** They are as many as callers are let in with; it limits nothing. */
export class ActiveForms {
  readonly #slots = new Set<ActiveForm>()

  add (form: ActiveForm): () => void {
    this.#slots.add(form)
    return () => this.#slots.delete(form)
  }

  count (way: RequestRecord['bodyMode']): number {
    let count = 0
    for (const { record } of this.#slots) if (record.bodyMode === way) count++
    return count
  }

  /** The oldest first. @param max how many at most */
  list (max: number): ActiveForm[] {
    return this.#slots.values().take(max).toArray()
  }
}
