/** How many forms are being streamed at a time, of one caller and of all: they hold their connections for as long as their callers take. */
import { overloadedProblem, Problem } from '../../server/problem.ts'
import type { RequestRecord } from '../../telemetry/request-record.ts'

/** Counts of this process alone: each replica has as many. */
export class Uploads {
  readonly #max: number
  readonly #maxOfCaller: number
  readonly #byCaller = new Map<string, number>()
  #underWay = 0

  constructor (max: number, maxOfCaller: number) {
    this.#max = max
    this.#maxOfCaller = maxOfCaller
  }

  /**
   * Takes a place; what comes back gives it up.
   * @param callerId nothing where callers can't be told apart
   * @throws {Problem} `too_many_requests` of this caller, `overloaded` of all
   */
  enter (callerId: string | undefined): () => void {
    const ofCaller = callerId === undefined ? 0 : this.#byCaller.get(callerId) ?? 0
    if (ofCaller >= this.#maxOfCaller) throw new Problem('too_many_requests', 'This caller has too many uploads under way.', { headers: { 'retry-after': '1' } })
    if (this.#underWay >= this.#max) throw overloadedProblem('Too many uploads are under way.')
    this.#add(callerId, 1)
    return () => this.#add(callerId, -1)
  }

  #add (callerId: string | undefined, change: 1 | -1): void {
    this.#underWay += change
    if (callerId === undefined) return
    const ofCaller = (this.#byCaller.get(callerId) ?? 0) + change
    if (ofCaller === 0) this.#byCaller.delete(callerId)
    else this.#byCaller.set(callerId, ofCaller)
  }
}

/** One of them, with how far it has come on its trail. */
export interface FormUnderWay {
  trail: RequestRecord
  startedAtMs: number
  /** As the caller declared it; nothing when it did not. */
  declaredBytes: number | undefined
}

/** They are as many as callers are let in with; it limits nothing. */
export class Forms {
  readonly #underWay = new Set<FormUnderWay>()

  enter (form: FormUnderWay): () => void {
    this.#underWay.add(form)
    return () => this.#underWay.delete(form)
  }

  count (way: RequestRecord['bodyMode']): number {
    let count = 0
    for (const { trail } of this.#underWay) if (trail.bodyMode === way) count++
    return count
  }

  /** The oldest first. @param max how many at most */
  oldest (max: number): FormUnderWay[] {
    return this.#underWay.values().take(max).toArray()
  }
}
