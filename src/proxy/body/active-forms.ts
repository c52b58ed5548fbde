import type { BodyMode, RequestRecord } from '../../telemetry/request-record.ts'

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
