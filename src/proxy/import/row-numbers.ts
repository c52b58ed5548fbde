import { hash } from 'node:crypto'

/** Words of an entry: 64 bits of the digest of a value, and its row number, which is 0 in a free entry. */
const entryWords = 3
const initialEntries = 1_024
/** Share of the entries that are used before there are twice as many. */
const usedMax = 0.8

/**
 * Remembers the row of each value that must be unique. The digests of the values are in a typed array with open
 * addressing, because a `Map` of 100,000 texts takes five times as much memory.
 */
export class RowNumbers {
  #words = new Uint32Array(initialEntries * entryWords)
  #count = 0

  /** Returns the row of the value, or undefined. */
  get (value: string): number | undefined {
    const number = this.#words[this.#find(toDigest(value)) + 2] ?? 0
    return number === 0 ? undefined : number
  }

  /** Sets the row of a value that has none. */
  add (value: string, number: number): void {
    if (this.#count >= this.#words.length / entryWords * usedMax) this.#grow()
    const digest = toDigest(value)
    this.#words.set([...digest, number], this.#find(digest))
    this.#count++
  }

  /** Returns the position of the digest, or that of the free entry where it belongs. */
  #find ([high, low]: Digest): number {
    const words = this.#words
    for (let start = high % (words.length / entryWords) * entryWords; ; start = (start + entryWords) % words.length) {
      if (words[start + 2] === 0 || (words[start] === high && words[start + 1] === low)) return start
    }
  }

  #grow (): void {
    const old = this.#words
    this.#words = new Uint32Array(old.length * 2)
    for (let start = 0; start < old.length; start += entryWords) {
      const [high = 0, low = 0, number = 0] = old.subarray(start, start + entryWords)
      if (number !== 0) this.#words.set([high, low, number], this.#find([high, low]))
    }
  }
}

type Digest = readonly [high: number, low: number]

function toDigest (value: string): Digest {
  const digest = hash('sha256', value, 'buffer')
  return [digest.readUInt32BE(0), digest.readUInt32BE(4)]
}
