import { overloadedProblem, Problem } from '../../server/problem.ts'
import type { BodyMode, RequestRecord } from '../../telemetry/request-record.ts'

/**
 * Limits how many forms are streamed at the same time, by caller and in total, because a slow caller occupies a
 * connection to Procore. It counts this process only, so each replica has the same limits.
 */
export class UploadLimiter {
  readonly #max: number
  readonly #maxPerCaller: number
  readonly #countByCaller = new Map<string, number>()
  #inFlight = 0

  constructor (max: number, maxPerCaller: number) {
    this.#max = max
    this.#maxPerCaller = maxPerCaller
  }

  /**
   * Counts an upload. Returns the function that releases it.
   * @param callerId undefined if callers cannot be distinguished
   * @throws {Problem} `too_many_requests` at the limit by caller, `overloaded` at the total limit
   */
  acquire (callerId: string | undefined): () => void {
    const callerCount = callerId === undefined ? 0 : this.#countByCaller.get(callerId) ?? 0
    if (callerCount >= this.#maxPerCaller) {
      const headers = { 'retry-after': '1' }
      throw new Problem('too_many_requests', 'This caller has too many uploads in progress.', { headers })
    }
    if (this.#inFlight >= this.#max) throw overloadedProblem('Too many uploads are in progress.')
    this.#add(callerId, 1)
    return () => this.#add(callerId, -1)
  }

  #add (callerId: string | undefined, change: 1 | -1): void {
    this.#inFlight += change
    if (callerId === undefined) return
    const callerCount = (this.#countByCaller.get(callerId) ?? 0) + change
    if (callerCount === 0) this.#countByCaller.delete(callerId)
    else this.#countByCaller.set(callerId, callerCount)
  }
}

/** A form in flight. Its record has its progress. */
export interface ActiveForm {
  record: RequestRecord
  startedAtMs: number
  /** The Content-Length; undefined for a chunked body. */
  declaredBytes: number | undefined
}

/** The registry of the forms in flight. */
export class ActiveForms {
  readonly #forms = new Set<ActiveForm>()

  /** Returns the function that removes the form. */
  add (activeForm: ActiveForm): () => void {
    this.#forms.add(activeForm)
    return () => this.#forms.delete(activeForm)
  }

  count (bodyMode: BodyMode): number {
    let count = 0
    for (const { record } of this.#forms) if (record.bodyMode === bodyMode) count++
    return count
  }

  /** Returns at most `max` forms, the oldest first. */
  list (max: number): ActiveForm[] {
    return this.#forms.values().take(max).toArray()
  }
}
