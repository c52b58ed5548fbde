/** The forms that are being read or streamed at this moment, for whoever looks at what the service is doing. */
import type { Trail } from '../../telemetry/request-record.ts'

/** One of them, with how far it has come on its trail. */
export interface FormUnderWay {
  trail: Trail
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

  count (way: Trail['form']): number {
    let count = 0
    for (const { trail } of this.#underWay) if (trail.form === way) count++
    return count
  }

  /** The oldest first. @param max how many at most */
  oldest (max: number): FormUnderWay[] {
    return this.#underWay.values().take(max).toArray()
  }
}
