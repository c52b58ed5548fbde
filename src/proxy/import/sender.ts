/**
 * Sends the valid rows of an import to Procore, in batches. Each batch is stored before it is sent, so that a repeat of
 * the import knows which rows may have been sent. If a response is lost, the people of the batch are looked up, and
 * those that the directory does not have are sent again.
 */
import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { limits } from '../../config/limits.ts'
import type { SyncRowResult } from '../../procore/sync-result.ts'
import { isAbortReason, type AbortReason } from '../../server/abort.ts'
import { hintMajorGc } from '../../server/gc-hint.ts'
import type { ImportBatch, ImportLease } from '../../storage/import-store.ts'
import { monotonicNowMs } from '../../util/clock.ts'
import type { DirectoryIndex } from './directory-index.ts'
import { keyReusedProblem } from './file-check.ts'
import { decide, hasValues, type MatchOptions } from './match.ts'
import type { ImportResults } from './results.ts'
import { parseValues, RowQueue, type QueuedRow } from './row-queue.ts'

/** A row on its way to Procore. */
export interface SentRow extends QueuedRow {
  /** The person that it updates; undefined if it creates one. */
  id: number | undefined
}

/** What Procore says about the rows of one request. */
export type BatchResult =
  | { kind: 'answered', results: readonly SyncRowResult[] }
  /** The response was lost, so the rows may have been processed. */
  | { kind: 'unknown', problem: AbortReason }
  /** No row was processed. */
  | { kind: 'not_sent', problem: AbortReason }

/** The requests to Procore that an import needs. */
export interface ImportRequests {
  /** Reads the whole directory. */
  readDirectory (): Promise<DirectoryIndex>
  /** Reads the people that were created since then, by the monotonic clock. */
  readRecent (sinceMs: number): Promise<DirectoryIndex>
  /** @param beforeSend is awaited before each attempt. If it throws an `AbortReason`, nothing is sent. */
  send (rows: readonly SentRow[], beforeSend: () => Promise<void>): Promise<BatchResult>
}

/** A row that was sent, and what became of it. */
export interface ReportedRow {
  row: SentRow
  result: SyncRowResult
}

/** Records what became of the rows of each batch. */
interface BatchAudit {
  /**
   * Reserves space for the lines of so many rows before they are sent.
   * @throws {Problem} if their lines could be lost
   */
  reserve (count: number): void
  release (count: number): void
  /** Called with the results of rows that were sent, when they are known. */
  report (rows: readonly ReportedRow[]): void
}

/** Where the progress of the import is stored. */
export interface StoredImport {
  /** Undefined without an idempotency key: nothing is stored. */
  id: string | undefined
  lease: ImportLease
}

export interface SenderOptions {
  requests: ImportRequests
  match: MatchOptions
  stored: StoredImport
  results: ImportResults
  /** Longest time from the moment at which a request is sent until Procore has processed it. */
  processingMs: number
  /** When it aborts, the batch in flight is finished, and no other is sent. */
  signal: AbortSignal
  audit: BatchAudit
  /** Reports an error that was not expected. */
  toProblem: (error: unknown) => AbortReason
}

interface Batch {
  rows: readonly SentRow[]
  /** As an earlier request with the same key stored it; undefined for a new one. */
  earlier: ImportBatch | undefined
}

export class RowSender {
  readonly #options: SenderOptions
  readonly #queue = new RowQueue()
  readonly #started = Promise.withResolvers<void>()
  #run: Promise<void> | undefined
  #batchIndex = 0
  #problem: AbortReason | undefined
  #hasSent = false

  constructor (options: SenderOptions) {
    this.#options = options
    const { signal } = options
    const stop = () => {
      const reason: unknown = signal.reason
      this.#stop(isAbortReason(reason) ? reason : options.toProblem(reason))
    }
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
  }

  /** Resolves when the first rows were sent. */
  get started (): Promise<void> {
    return this.#started.promise
  }

  /** Resolves when no more rows are sent: all have a result, or there is a `problem`. Never rejects. */
  get finished (): Promise<void> {
    return this.#run ?? Promise.resolve()
  }

  /** Whether rows were or may have been sent, by this request or by an earlier one with the same key. */
  get hasSent (): boolean {
    return this.#hasSent
  }

  /** Why no more rows are sent. */
  get problem (): AbortReason | undefined {
    return this.#problem
  }

  /** Resolves when there is space for another row. The directory is read when the first row is added. */
  add (row: QueuedRow): Promise<void> {
    this.#run ??= this.#sendAll()
    return this.#queue.add(row)
  }

  /** All rows were added. */
  end (): void {
    this.#queue.end()
  }

  async #sendAll (): Promise<void> {
    try {
      const index = await this.#options.requests.readDirectory()
      for (;;) {
        const batch = await this.#nextBatch(index)
        if (batch === undefined || this.#problem !== undefined) return
        this.#options.audit.reserve(batch.rows.length)
        try {
          await this.#process(batch)
        } finally {
          this.#options.audit.release(batch.rows.length)
          hintMajorGc(batch.rows.length)
        }
        if (this.#problem !== undefined) return
      }
    } catch (error) {
      this.#stop(isAbortReason(error) ? error : this.#options.toProblem(error))
    }
  }

  #stop (problem: AbortReason): void {
    this.#problem ??= problem
    this.#queue.close()
  }

  #markSent (): void {
    this.#hasSent = true
    this.#started.resolve()
  }

  /** Takes rows until there are enough for a batch, or those of a batch that was stored. */
  async #nextBatch (index: DirectoryIndex): Promise<Batch | undefined> {
    const { stored: { id, lease } } = this.#options
    const earlier = id === undefined ? undefined : await lease.load(id, this.#batchIndex)
    return earlier === undefined ? this.#nextNewBatch(index) : this.#nextStoredBatch(earlier)
  }

  async #nextNewBatch (index: DirectoryIndex): Promise<Batch | undefined> {
    const { match, results } = this.#options
    const { batchRowsMax, batchMaxLength } = limits.imports
    const rows: SentRow[] = []
    let length = 0
    while (rows.length < batchRowsMax && length < batchMaxLength) {
      const row = await this.#queue.take()
      if (row === undefined) break
      const decision = decide({ number: row.number, values: parseValues(row) }, index, match)
      if (decision.kind === 'settled') {
        results.set(row.number, decision.result)
      } else {
        rows.push({ ...row, id: decision.kind === 'update' ? decision.id : undefined })
        length += row.json.length
      }
    }
    return rows.length === 0 ? undefined : { rows, earlier: undefined }
  }

  /** Rows before its last one that are not part of it were not sent, and are decided again. */
  async #nextStoredBatch (earlier: ImportBatch): Promise<Batch | undefined> {
    const rows: SentRow[] = []
    const others: QueuedRow[] = []
    while (rows.length < earlier.rows.length) {
      const row = await this.#queue.take()
      const expected = earlier.rows[rows.length] ?? 0
      if (row === undefined || row.number > expected) {
        this.#stop(keyReusedProblem())
        return undefined
      }
      if (row.number < expected) {
        others.push(row)
        continue
      }
      const id = earlier.ids[rows.length] ?? undefined
      if (id !== undefined) this.#options.match.rowsByPerson.set(id, row.number)
      rows.push({ ...row, id })
    }
    this.#queue.putBack(others)
    if (earlier.fingerprint !== fingerprint(rows)) {
      this.#stop(keyReusedProblem())
      return undefined
    }
    return { rows, earlier }
  }

  /** Sends the rows of a batch that have no result yet, again if their result was lost. */
  async #process ({ rows, earlier }: Batch): Promise<void> {
    const known = getKnownResults(rows, earlier)
    let open: readonly SentRow[] = rows.filter(({ number }) => !known.has(number))
    const opened = open
    if (known.size > 0) this.#markSent()
    let sentAtMs = earlier?.sentAtMs ?? monotonicNowMs()
    const firstSentAtMs = sentAtMs
    let isLost = earlier !== undefined
    // The wait for the rate limit may be long, so the time is stored after it.
    const beforeSend = async () => {
      sentAtMs = monotonicNowMs()
      await this.#save({ rows, sentAtMs, known: undefined })
    }
    try {
      for (let attempt = 1; open.length > 0; attempt++) {
        if (isLost) open = await this.#findCreated(open, known, { sentAtMs, firstSentAtMs })
        if (open.length === 0 || attempt > limits.imports.attemptsMax) break
        const sent = await this.#options.requests.send(open, beforeSend)
        if (sent.kind === 'not_sent') {
          if (!isLost) await this.#forget()
          throw sent.problem
        }
        isLost = true
        this.#markSent()
        if (sent.kind === 'answered') addKnown(open, sent.results, known)
        open = open.filter(({ number }) => !known.has(number))
        this.#options.signal.throwIfAborted()
      }
    } catch (error) {
      if (!isAbortReason(error)) throw error
      this.#stop(error)
    }
    if (isLost) for (const { number } of open) known.set(number, { status: 'unknown' })
    await this.#finish({ rows, sentAtMs, known }, opened)
  }

  /** Reports what is known of a batch, and stores it if it is known of all rows. */
  async #finish (
    { rows, sentAtMs, known }: BatchState & { known: KnownResults }, opened: readonly SentRow[]
  ): Promise<void> {
    const { audit, results } = this.#options
    for (const { number } of rows) {
      const result = known.get(number)
      if (result !== undefined) results.set(number, result)
    }
    audit.report(opened.flatMap(row => {
      const result = known.get(row.number)
      return result === undefined ? [] : [{ row, result }]
    }))
    if (opened.length > 0 && known.size === rows.length) await this.#save({ rows, sentAtMs, known })
    this.#batchIndex++
  }

  /**
   * Returns the rows that Procore has certainly not processed, although a response was lost: it has had the time to do
   * so, and the directory does not have their people. An update is sent again, which changes nothing.
   */
  async #findCreated (
    rows: readonly SentRow[],
    known: KnownResults,
    { sentAtMs, firstSentAtMs }: { sentAtMs: number, firstSentAtMs: number }
  ): Promise<readonly SentRow[]> {
    const { requests, processingMs, signal } = this.#options
    let open = rows
    let waitMs = limits.imports.lookupIntervalMs
    while (open.some(({ id }) => id === undefined)) {
      const leftMs = sentAtMs + processingMs - monotonicNowMs()
      open = this.#settleCreated(open, await requests.readRecent(firstSentAtMs), known)
      if (leftMs <= 0) return open
      signal.throwIfAborted()
      await waitFor(Math.min(leftMs, waitMs), signal)
      waitMs *= 2
    }
    return open
  }

  /** Adds the results of rows whose people the directory has by now, and returns the others. */
  #settleCreated (rows: readonly SentRow[], index: DirectoryIndex, known: KnownResults): readonly SentRow[] {
    return rows.filter(row => {
      const { number, id } = row
      const values = parseValues(row)
      const match = id === undefined ? index.find(values) : undefined
      if (match === undefined || match.kind === 'none') return true
      // Procore may have changed a value, so a person that differs may be of this import, or of others.
      const isOwn = match.kind === 'person' && hasValues(match.person, values, this.#options.match.matchField)
      known.set(number, isOwn ? { status: 'created', id: match.person.id } : { status: 'unknown' })
      return false
    })
  }

  /** Removes the batch, of which nothing was sent. If it stays stored, a repeat of the import takes longer. */
  async #forget (): Promise<void> {
    const { stored: { id, lease } } = this.#options
    if (id !== undefined && !lease.signal.aborted) await lease.remove(id, this.#batchIndex).catch(() => {})
  }

  async #save ({ rows, sentAtMs, known }: BatchState): Promise<void> {
    const { stored: { id, lease } } = this.#options
    lease.signal.throwIfAborted()
    if (id === undefined) return
    await lease.save(id, this.#batchIndex, {
      rows: rows.map(({ number }) => number),
      ids: rows.map(row => row.id ?? null),
      fingerprint: fingerprint(rows),
      sentAtMs,
      results: known === undefined ? undefined : limitErrors(rows.flatMap(({ number }) => known.get(number) ?? [])),
    })
  }
}

type KnownResults = Map<number, SyncRowResult>

interface BatchState {
  rows: readonly SentRow[]
  sentAtMs: number
  /** Results of all rows; undefined before the response. */
  known: ReadonlyMap<number, SyncRowResult> | undefined
}

/** Returns the results that an earlier request with the same key has stored, by row. */
function getKnownResults (rows: readonly SentRow[], earlier: ImportBatch | undefined): KnownResults {
  const known: KnownResults = new Map()
  if (earlier?.results !== undefined) addKnown(rows, earlier.results, known)
  return known
}

function addKnown (rows: readonly SentRow[], results: readonly SyncRowResult[], known: KnownResults): void {
  for (const [index, { number }] of rows.entries()) {
    const result = results[index]
    if (result !== undefined && result.status !== 'unknown') known.set(number, result)
  }
}

/** Leaves errors out if they would take too much memory in the store. */
function limitErrors (results: readonly SyncRowResult[]): readonly SyncRowResult[] {
  if (JSON.stringify(results).length <= limits.imports.storedBatchMaxLength) return results
  return results.map(result => result.status === 'rejected' ? { ...result, errors: [] } : result)
}

/** Hashes the values of the rows, so that another file is noticed. */
function fingerprint (rows: readonly QueuedRow[]): string {
  return hash('sha256', rows.map(({ json }) => json).join('\n'), 'base64url')
}

/** @throws the reason of the signal */
async function waitFor (ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
  signal.throwIfAborted()
}
