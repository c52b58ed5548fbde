/**
 * A value that must not be shown: it prints as `[secret]` in logs, JSON, templates and the inspector.
 */
import { inspect } from 'node:util'

const mask = '[secret]'

export class Secret {
  readonly #value: string

  constructor (value: string) {
    this.#value = value
  }

  /** The value itself, for the one place that sends it. */
  reveal (): string {
    return this.#value
  }

  toString (): string {
    return mask
  }

  toJSON (): string {
    return mask
  }

  [inspect.custom] (): string {
    return mask
  }
}
