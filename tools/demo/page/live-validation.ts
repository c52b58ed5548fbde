/**
 * Judges the form while it is being filled in, by `users/validate`, of which Procore hears nothing: once for a moment in which inputs
 * were left, and never twice at a time. Only inputs that were left are told of, and only those that are as they were when it was asked.
 */
import type { Fault } from '../../../client/client.ts'
import { find } from './dom.ts'
import { judgeField, nameOf } from './field-errors.ts'

/** Whoever goes on to the button at once is told by the create itself. */
const pauseMs = 300

export class Judge {
  readonly #form: HTMLFormElement
  readonly #ask: (signal: AbortSignal) => Promise<readonly Fault[]>
  readonly #left = new Set<string>()
  #asking: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param ask judges the form as it is; rejects when nobody could */
  constructor (form: HTMLFormElement, ask: (signal: AbortSignal) => Promise<readonly Fault[]>) {
    this.#form = form
    this.#ask = ask
    for (const type of ['focusout', 'change']) form.addEventListener(type, event => this.#leave(event.target))
  }

  /** Until the next input is left. */
  stop (): void {
    clearTimeout(this.#timer)
    this.#asking?.abort()
  }

  /** The form is empty again. */
  forget (): void {
    this.stop()
    this.#left.clear()
  }

  #leave (input: EventTarget | null): void {
    const name = input instanceof Element ? input.closest<HTMLElement>('[data-field]')?.dataset['field'] : undefined
    // An avatar is too much to be sent for a look.
    if (name === undefined || name === 'avatar') return
    this.#left.add(name)
    this.stop()
    this.#timer = setTimeout(() => this.#judge(), pauseMs)
  }

  async #judge (): Promise<void> {
    const { signal } = this.#asking = new AbortController()
    const asked = valuesOf(this.#form)
    const faults = await this.#ask(signal).catch(() => undefined)
    if (faults === undefined || signal.aborted) return
    const now = valuesOf(this.#form)
    const same = [...now.keys()].filter(name => now.get(name) === asked.get(name))
    const told = same.flatMap(name => judgeField(name, faults.filter(fault => nameOf(fault) === name && this.#mayTell(name, fault))))
    find('judged', HTMLElement).textContent = told.join(' ')
  }

  /** One that follows from what was chosen elsewhere is nobody's surprise. */
  #mayTell (name: string, { rule }: Fault): boolean {
    return this.#left.has(name) || rule === 'dependency'
  }
}

/** By the names of the fields of the user. */
function valuesOf (form: HTMLFormElement): ReadonlyMap<string, string> {
  const data = new FormData(form)
  const names = [...form.querySelectorAll<HTMLElement>('[data-field]')].map(({ dataset }) => dataset['field'] ?? '').filter(name => name !== 'avatar')
  return new Map(names.map(name => [name, String(data.get(name))]))
}
