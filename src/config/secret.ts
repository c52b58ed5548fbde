/**
 * A value that must not be shown: it prints as `[secret]` in logs, JSON, templates and the inspector. One that came from a file
 * can be read again, so that a secret is changed without a restart.
 */
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'

const mask = '[secret]'

/** One secret; whoever holds it has the newest value, since `reload` changes it for all. */
export class Secret {
  #value: string
  readonly #file: string | undefined

  /** @param file where it was read from, if it was */
  constructor (value: string, file?: string) {
    this.#value = value
    this.#file = file
  }

  /** The value itself, for the one place that sends it. */
  reveal (): string {
    return this.#value
  }

  /** Reads the file again, if it came from one; returns whether the value is a new one. A file that can't be read or is empty changes nothing. */
  reload (): boolean {
    if (this.#file === undefined) return false
    try {
      const value = readSecretFile(this.#file)
      if (value === '' || value === this.#value) return false
      this.#value = value
      return true
    } catch {
      return false
    }
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

/** The content of a file without the white space around it, read at once, as a start may. @throws when it can't be read */
export function readSecretFile (path: string): string {
  return readFileSync(path, 'utf8').trim()
}
