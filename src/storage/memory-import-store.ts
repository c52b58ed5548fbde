import { LRUCache } from 'lru-cache'
import { limits } from '../config/limits.ts'
import type { ImportBatch, ImportLease, ImportStore } from './import-store.ts'

/** Bytes of a row's number and result in memory, without its errors. */
const rowBytes = 64

/**
 * Stores imports in the memory of this process: the latest `limits.imports.storedMax`, with at most
 * `limits.imports.storedMaxBytes` of their batches. An import that is removed starts from its first row again, and
 * finds the people that it has created in the directory.
 */
export class MemoryImportStore implements ImportStore {
  readonly #companies = new Set<number>()
  readonly #imports = new LRUCache<string, readonly ImportBatch[]>({
    max: limits.imports.storedMax,
    maxSize: limits.imports.storedMaxBytes,
    sizeCalculation: batches => batches.reduce((bytes, batch) => bytes + getSize(batch), 1),
    ttl: limits.idempotency.ttlMs,
    ttlAutopurge: false,
  })

  async lease (companyId: number): Promise<ImportLease | undefined> {
    if (this.#companies.has(companyId)) return undefined
    this.#companies.add(companyId)
    return {
      signal: new AbortController().signal,
      load: async (importId, index) => this.#imports.get(importId)?.[index],
      save: async (importId, index, batch) => {
        const batches = this.#imports.get(importId) ?? []
        this.#imports.set(importId, batches.toSpliced(index, 1, batch))
      },
      release: async () => { this.#companies.delete(companyId) },
    }
  }
}

function getSize ({ rows, results = [] }: ImportBatch): number {
  const errors = results.flatMap(result => result.status === 'rejected' ? result.errors : [])
  return rows.length * rowBytes + errors.reduce((bytes, error) => bytes + JSON.stringify(error).length, 0)
}
