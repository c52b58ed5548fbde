/**
 * Hides a value: it prints as `[secret]` in logs, JSON, templates and the inspector. A secret from a file can be
 * reloaded, so it can change without a restart.
 */
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'

const mask = '[secret]'

/** A control character within a value is an accident of copying, and the value would fail at its first use. */
export const controlCharacter = /\p{Cc}/u

/** One secret. All holders share the instance, so they see the new value after `reload`. */
export class Secret {
  #value: string
  readonly #file: string | undefined

  /** @param file the file that the value was read from, if any */
  constructor (value: string, file?: string) {
    this.#value = value
    this.#file = file
  }

  /** Returns the value. Call it only where the value is used. */
  reveal (): string {
    return this.#value
  }

  /**
   * Reads the file of the secret again, if it has one, and returns whether the value changed. A file changes nothing if
   * it is unreadable or empty, or if its value could not be used at startup either.
   */
  reload (): boolean {
    if (this.#file === undefined) return false
    try {
      const value = readSecretFile(this.#file)
      if (value === '' || controlCharacter.test(value) || value === this.#value) return false
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

/** Reads a file synchronously and trims white space. @throws when the file cannot be read */
export function readSecretFile (path: string): string {
  return readFileSync(path, 'utf8').trim()
}
