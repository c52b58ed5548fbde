import { LRUCache } from 'lru-cache'
import { limits } from '../config/limits.ts'

const windowMs = 60_000

/**
 * Counts the JWTs of each address that fail the verification, in windows of one minute. The address that failed longest
 * ago is evicted first.
 */
export class AddressFailures {
  readonly #windows = new LRUCache<string, { count: number }>({
    max: limits.jwt.addressesMax,
    ttl: windowMs,
    ttlResolution: 0,
  })

  /** Returns the time after which an address may try again; 0 if it may now. */
  retryAfterSeconds (address: string): number {
    const count = this.#windows.get(address)?.count ?? 0
    return count < limits.jwt.failuresPerMinute ? 0 : Math.ceil(this.#windows.getRemainingTTL(address) / 1000)
  }

  add (address: string): void {
    const current = this.#windows.get(address)
    if (current === undefined) this.#windows.set(address, { count: 1 })
    else current.count++
  }
}
