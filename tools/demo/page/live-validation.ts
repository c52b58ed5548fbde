/**
 * Judges the form while it is being filled in, by `users/validate`, of which Procore hears nothing: once for a moment in which inputs
 * were left, and never twice at a time. Only inputs that were left are told of, and only those that are as they were when it was asked.
 */
import type { FieldError } from '../../../client/client.ts'
import { getElement } from './dom.ts'
import { showFieldErrors, getFieldName } from './field-errors.ts'

/** Whoever goes on to the button at once is told by the create itself. */
const debounceMs = 300

export class LiveValidator {
  readonly #form: HTMLFormElement
  readonly #validate: (signal: AbortSignal) => Promise<readonly FieldError[]>
  readonly #touched = new Set<string>()
  #abortController: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param validate judges the form as it is; rejects when nobody could */
  constructor (form: HTMLFormElement, validate: (signal: AbortSignal) => Promise<readonly FieldError[]>) {
    this.#form = form
    this.#validate = validate
    for (const type of ['focusout', 'change']) form.addEventListener(type, event => this.#onLeave(event.target))
  }

  /** Until the next input is left. */
  stop (): void {
    clearTimeout(this.#timer)
    this.#abortController?.abort()
  }

  /** The form is empty again. */
  reset (): void {
    this.stop()
    this.#touched.clear()
  }

  #onLeave (input: EventTarget | null): void {
    const name = input instanceof Element ? input.closest<HTMLElement>('[data-field]')?.dataset['field'] : undefined
    // An avatar is too much to be sent for a look.
    if (name === undefined || name === 'avatar') return
    this.#touched.add(name)
    this.stop()
    this.#timer = setTimeout(() => this.#runValidation(), debounceMs)
  }

  async #runValidation (): Promise<void> {
    const { signal } = this.#abortController = new AbortController()
    const validatedValues = getFieldValues(this.#form)
    const errors = await this.#validate(signal).catch(() => undefined)
    if (errors === undefined || signal.aborted) return
    const currentValues = getFieldValues(this.#form)
    const unchangedNames = [...currentValues.keys()].filter(name => currentValues.get(name) === validatedValues.get(name))
    const messages = unchangedNames.flatMap(name => showFieldErrors(name, errors.filter(error => getFieldName(error) === name && this.#shouldShow(name, error))))
    getElement('judged', HTMLElement).textContent = messages.join(' ')
  }

  /** One that follows from what was chosen elsewhere is nobody's surprise. */
  #shouldShow (name: string, { rule }: FieldError): boolean {
    return this.#touched.has(name) || rule === 'dependency'
  }
}

/** By the names of the fields of the user. */
function getFieldValues (form: HTMLFormElement): ReadonlyMap<string, string> {
  const data = new FormData(form)
  const names = [...form.querySelectorAll<HTMLElement>('[data-field]')].map(({ dataset }) => dataset['field'] ?? '').filter(name => name !== 'avatar')
  return new Map(names.map(name => [name, String(data.get(name))]))
}
