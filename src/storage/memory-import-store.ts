import { LRUCache } from 'lru-cache'
import { limits } from '../config/limits.ts'
import type { ImportBatch, ImportIdentity, ImportLease, ImportStore } from './import-store.ts'

/** Bytes of a row's number and result in memory, without its errors. */
const rowBytes = 64

/** One import: its identity, its batches by number, and the size of both. */
interface StoredImport {
  identity: ImportIdentity | undefined
  batches: Map<number, ImportBatch>
  bytes: number
}

/**
 * Stores imports in the memory of this process: the latest `limits.imports.storedMax`, with at most
 * `limits.imports.storedMaxBytes` of their batches. An import that is removed starts from its first row again, and
 * finds the people that it has created in the directory.
 */
export class MemoryImportStore implements ImportStore {
  readonly #companies = new Set<number>()
  readonly #imports = new LRUCache<string, StoredImport>({
    max: limits.imports.storedMax,
    maxSize: limits.imports.storedMaxBytes,
    ttl: limits.idempotency.ttlMs,
    ttlAutopurge: false,
  })

  async lease (companyId: number): Promise<ImportLease | undefined> {
    if (this.#companies.has(companyId)) return undefined
    this.#companies.add(companyId)
    return {
      signal: new AbortController().signal,
      loadIdentity: async importId => this.#imports.get(importId)?.identity,
      saveIdentity: async (importId, identity) => this.#saveIdentity(importId, identity),
      load: async (importId, index) => this.#imports.get(importId)?.batches.get(index),
      save: async (importId, index, batch) => this.#save(importId, index, batch),
      remove: async (importId, index) => this.#remove(importId, index),
      release: async () => { this.#companies.delete(companyId) },
    }
  }

  #get (importId: string): StoredImport {
    return this.#imports.get(importId) ?? { identity: undefined, batches: new Map<number, ImportBatch>(), bytes: 1 }
  }

  #saveIdentity (importId: string, identity: ImportIdentity): void {
    const { batches, bytes } = this.#get(importId)
    const size = bytes + JSON.stringify(identity).length
    this.#imports.set(importId, { identity, batches, bytes: size }, { size })
  }

  #save (importId: string, index: number, batch: ImportBatch): void {
    const { identity, batches, bytes } = this.#get(importId)
    // The import was removed while it was running. Without its first batches, the others cannot be resumed.
    if (index > batches.size) return
    const size = bytes + getSize(batch) - getSize(batches.get(index))
    this.#imports.set(importId, { identity, batches: batches.set(index, batch), bytes: size }, { size })
  }

  #remove (importId: string, index: number): void {
    const { identity, batches, bytes } = this.#get(importId)
    const size = bytes - getSize(batches.get(index))
    batches.delete(index)
    this.#imports.set(importId, { identity, batches, bytes: size }, { size })
  }
}

function getSize (batch: ImportBatch | undefined): number {
  if (batch === undefined) return 0
  const { rows, results = [] } = batch
  const errors = results.flatMap(result => result.status === 'rejected' ? result.errors : [])
  return rows.length * rowBytes + errors.reduce((bytes, error) => bytes + JSON.stringify(error).length, 0)
}
