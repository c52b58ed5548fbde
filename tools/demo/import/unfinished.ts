/**
 * Stores the idempotency keys of imports that have not finished, so that they can be resumed after a reload: the same
 * file with the same mapping and mode is sent with the same key.
 */
import { createIdempotencyKey } from '../../../client/client.ts'
import type { Mapping } from './fields.ts'

/** What a key belongs to. The content that is sent follows from it. */
export interface ImportIdentity {
  companyId: number
  mode: 'create' | 'upsert'
  mapping: Mapping
  /** Of the file. */
  digest: string
}

export interface UnfinishedImport extends ImportIdentity {
  fileName: string
  idempotencyKey: string
}

const itemName = 'unfinished-imports'
const entriesMax = 10

/** Returns the imports, the latest first. */
export function listUnfinished (): UnfinishedImport[] {
  return parseEntries(localStorage.getItem(itemName) ?? '[]')
}

/** Only this module writes the item. */
const parseEntries: (text: string) => UnfinishedImport[] = JSON.parse

export function findUnfinished (identity: ImportIdentity): UnfinishedImport | undefined {
  return listUnfinished().find(entry => isSame(entry, identity))
}

/** Returns the idempotency key of an import, a new one if the import is not stored. */
export function rememberImport (identity: ImportIdentity, fileName: string): string {
  const idempotencyKey = findUnfinished(identity)?.idempotencyKey ?? createIdempotencyKey()
  forgetImport(identity)
  store([{ ...identity, fileName, idempotencyKey }, ...listUnfinished()].slice(0, entriesMax))
  return idempotencyKey
}

export function forgetImport (identity: ImportIdentity): void {
  store(listUnfinished().filter(entry => !isSame(entry, identity)))
}

export const forgetAllImports = (): void => localStorage.removeItem(itemName)

const store = (entries: readonly UnfinishedImport[]) => localStorage.setItem(itemName, JSON.stringify(entries))

const isSame = (a: ImportIdentity, b: ImportIdentity) => toText(a) === toText(b)

const toText = ({ companyId, mode, mapping, digest }: ImportIdentity) =>
  JSON.stringify([companyId, mode, mapping, digest])
