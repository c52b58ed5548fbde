import { createHmac, hkdfSync } from 'node:crypto'
import type { Secret } from '../../config/secret.ts'
import { serializeScope, type IdempotencyScope } from './idempotency.ts'

/** 160 bits. Hexadecimal ids stay different if Procore ignores upper and lower case. */
const idLength = 40

/**
 * Generates ids in the system of origin for creates with an idempotency key, one for each state key. Procore keeps such
 * ids unique, so it rejects a second create with the same key even if the store of the keys was lost.
 *
 * The oldest key generates the id that is sent: while keys are rotated, replicas with and without the newer key then
 * send the same id. The ids of all keys are recognized.
 */
export class OriginIds {
  readonly #prefix: string
  /** The oldest first. */
  readonly #hmacKeys: readonly Buffer[]

  /**
   * @param prefix empty: no ids are generated
   * @param secrets the newest first
   */
  constructor (prefix: string, secrets: readonly Secret[]) {
    this.#prefix = prefix
    const oldestFirst = prefix === '' ? [] : secrets.toReversed()
    this.#hmacKeys = oldestFirst.map(secret => Buffer.from(hkdfSync('sha256', secret.reveal(), '', 'origin-id', 32)))
  }

  /** Returns the id to send, and then those that earlier requests with other keys may have sent. */
  generate (scope: IdempotencyScope): readonly string[] {
    return this.#hmacKeys.map(hmacKey => {
      const hmac = createHmac('sha256', hmacKey).update(serializeScope(scope)).digest('hex')
      return this.#prefix + hmac.slice(0, idLength)
    })
  }
}
