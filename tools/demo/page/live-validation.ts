/**
 * Validates the form while it is filled in, with `users/validate`, which sends nothing to Procore. At most one request
 * is in flight. Errors are shown only for inputs that the user has left and not changed since the request was sent.
 */
import type { ErrorsByField, FieldError } from '../../../client/client.ts'
import { getElement } from './dom.ts'
import { showFieldErrors } from './field-errors.ts'

/** Long enough that no validation is sent if the user goes straight to the button: the create validates too. */
const debounceMs = 300

export class LiveValidator {
  readonly #form: HTMLFormElement
  readonly #validate: (signal: AbortSignal) => Promise<ErrorsByField>
  readonly #touched = new Set<string>()
  #abortController: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param validate returns the errors of the form; rejects if the form could not be validated */
  constructor (form: HTMLFormElement, validate: (signal: AbortSignal) => Promise<ErrorsByField>) {
    this.#form = form
    this.#validate = validate
    for (const type of ['focusout', 'change']) form.addEventListener(type, ({ target }) => this.#onLeave(target))
  }

  /** Stops until the user leaves the next input. */
  stop (): void {
    clearTimeout(this.#timer)
    this.#abortController?.abort()
  }

  /** Forgets which inputs were left, for an empty form. */
  reset (): void {
    this.stop()
    this.#touched.clear()
  }

  #onLeave (input: EventTarget | null): void {
    const field = input instanceof Element ? input.closest<HTMLElement>('[data-field]') : undefined
    const name = field?.dataset['field']
    // The avatar is too large to be uploaded for validation.
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
    const unchangedNames = [...currentValues.keys()]
      .filter(name => currentValues.get(name) === validatedValues.get(name))
    const errorsByName = new Map<string, readonly FieldError[]>(Object.entries(errors))
    const messages = unchangedNames.flatMap(name => {
      return showFieldErrors(name, (errorsByName.get(name) ?? []).filter(error => this.#shouldShow(name, error)))
    })
    getElement('validation-status', HTMLElement).textContent = messages.join(' ')
  }

  /** An error caused by another field is shown at once, because the user has just changed that field. */
  #shouldShow (name: string, { rule }: FieldError): boolean {
    return this.#touched.has(name) || rule === 'dependency'
  }
}

/** Returns the values by field name, without the avatar. */
function getFieldValues (form: HTMLFormElement): ReadonlyMap<string, string> {
  const data = new FormData(form)
  const fields = [...form.querySelectorAll<HTMLElement>('[data-field]')]
  const names = fields.map(({ dataset }) => dataset['field'] ?? '').filter(name => name !== 'avatar')
  return new Map(names.map(name => [name, String(data.get(name))]))
}
