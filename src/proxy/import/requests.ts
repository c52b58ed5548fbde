/** The requests of an import to Procore: lists of the directory, and batches of rows. */
import { setTimeout as sleep } from 'node:timers/promises'
import { limits } from '../../config/limits.ts'
import type { RecordImport } from '../../endpoints/endpoint.ts'
import { expectJson } from '../../procore/classify.ts'
import type { ProcoreClient } from '../../procore/client.ts'
import { Delivery, failureOutcome } from '../../procore/delivery.ts'
import { readDirectory } from '../../procore/directory.ts'
import type { UpstreamRejection, UpstreamResult } from '../../procore/result.ts'
import { matchSyncRows, type SyncRowResult } from '../../procore/sync-result.ts'
import type { AbortReason } from '../../server/abort.ts'
import { getRetryAfterMs, Problem, type ProblemCode } from '../../server/problem.ts'
import type { RequestRecord } from '../../telemetry/request-record.ts'
import { toWallTimeMs } from '../../util/clock.ts'
import { parseJson } from '../../util/parse-json.ts'
import { contentStatuses } from '../idempotency/idempotency.ts'
import { rejectionProblem } from '../rejection.ts'
import type { CompiledRecord } from '../validation/schema.ts'
import { DirectoryIndex } from './directory-index.ts'
import { parseValues } from './row-queue.ts'
import type { BatchResult, ImportRequests, SentRow } from './sender.ts'

export interface RequestOptions {
  spec: RecordImport
  procore: ProcoreClient
  companyId: number
  callerId: string | undefined
  record: RequestRecord
  /** The description of a row. */
  compiled: CompiledRecord
  /** Path of the requests with rows. */
  batchPath: string
  mode: 'create' | 'upsert'
  /** When it aborts, requests that have not been sent are not sent. */
  signal: AbortSignal
  /** When it aborts, the service exits, and responses are not waited for. */
  exitSignal: AbortSignal
}

/** A created person may be listed with a time before the request, if the clocks differ. */
const clockSkewMs = 3_600_000
/** Attempts to read a directory that changes meanwhile. */
const directoryAttemptsMax = 3

export class ProcoreImportRequests implements Omit<ImportRequests, 'report'> {
  readonly #options: RequestOptions
  #directory: DirectoryIndex | undefined

  constructor (options: RequestOptions) {
    this.#options = options
  }

  async readDirectory (): Promise<DirectoryIndex> {
    this.#directory = await this.#read({}, this.#options.mode === 'upsert')
    return this.#directory
  }

  readRecent (sinceMs: number): Promise<DirectoryIndex> {
    const since = new Date(toWallTimeMs(sinceMs) - clockSkewMs).toISOString()
    const until = new Date(Date.now() + clockSkewMs).toISOString()
    return this.#read({ 'filters[created_at]': `${since}...${until}` }, true)
  }

  /** @throws {AbortReason} */
  async #read (query: Record<string, string>, keepsValues: boolean): Promise<DirectoryIndex> {
    const { spec: { lookup }, procore, compiled, companyId, callerId, record, signal } = this.#options
    for (let attempt = 1; ; attempt++) {
      const index = new DirectoryIndex({ lookup, fields: [...compiled.fields.keys()], keepsValues })
      const result = await readDirectory(procore, { companyId, callerId, record, signal }, {
        purpose: 'import',
        rateLimitMaxWaitMs: limits.imports.rateLimitMaxWaitMs,
        query,
        onPerson: person => index.add(person),
      })
      if (result.kind === 'complete') return index
      if (result.kind === 'rejection') throw rejectionProblem(result, compiled).withExtras({ outcome: 'not_sent' })
      const isUnstable = result.error instanceof Problem && result.error.code === 'procore_bad_response'
      if (!isUnstable || attempt === directoryAttemptsMax) throw withOutcome(result.error, 'not_sent')
    }
  }

  /** Sends rows, a few times if they cannot reach Procore. */
  async send (rows: readonly SentRow[], beforeSend: () => Promise<void>): Promise<BatchResult> {
    for (let attempt = 1; ; attempt++) {
      const sent = await this.#sendOnce(rows, beforeSend)
      if (sent.kind !== 'not_sent' || attempt === limits.imports.attemptsMax) return sent
      const waitMs = getRetryMs(sent.problem)
      if (waitMs === undefined) return sent
      await sleep(waitMs, undefined, { signal: this.#options.signal }).catch(() => {})
      if (this.#options.signal.aborted) return sent
    }
  }

  async #sendOnce (rows: readonly SentRow[], beforeSend: () => Promise<void>): Promise<BatchResult> {
    const { procore, companyId, callerId, record, batchPath, spec: { batch: { method, body } } } = this.#options
    const delivery = new Delivery()
    delivery.onValidated()
    const waiting = new WaitSignal(this.#options)
    try {
      const result = await procore.send({
        method,
        path: batchPath,
        companyId,
        callerId,
        purpose: 'import',
        rateLimitMaxWaitMs: limits.imports.rateLimitMaxWaitMs,
        isIdempotent: false,
        expectation: expectJson,
        contentType: 'application/json',
        body: Buffer.from(`{${JSON.stringify(body.rootKey)}:[${rows.map(toJson).join(',')}]}`),
        record,
        delivery,
        beforeSend,
        onSent: () => waiting.pause(),
        onRefused: () => waiting.resume(),
        signal: waiting.signal,
      })
      return this.#interpret(rows, result, delivery)
    } finally {
      waiting.pause()
    }
  }

  #interpret (rows: readonly SentRow[], result: UpstreamResult, delivery: Delivery): BatchResult {
    switch (result.kind) {
      case 'success': {
        const existedBefore = (_: unknown, id: number) => this.#directory?.has(id) === true
        const sent = rows.map(row => {
          const values = parseValues(row)
          return row.id === undefined ? values : new Map([...values, ['id', row.id]])
        })
        const response = parseJson(result.body.toString('utf8'))
        return { kind: 'answered', results: matchSyncRows(sent, response, existedBefore) }
      }
      case 'rejection': {
        const problem = rejectionProblem(result, this.#options.compiled)
        if (!isAboutRows(result)) return { kind: 'not_sent', problem }
        const rejected: SyncRowResult = { status: 'rejected', errors: [...toRowErrors(problem)] }
        return { kind: 'answered', results: rows.map(() => rejected) }
      }
      case 'failure': {
        const isUnknown = failureOutcome(result.error, delivery) === 'unknown'
        return { kind: isUnknown ? 'unknown' : 'not_sent', problem: result.error }
      }
    }
  }
}

/** A row that updates a person has its id. */
function toJson (row: SentRow): string {
  const { json, id } = row
  return id === undefined ? json : JSON.stringify({ ...Object.fromEntries(parseValues(row)), id })
}

const isAboutRows = ({ status, hasRetryAfter }: UpstreamRejection) =>
  contentStatuses.has(status) && hasRetryAfter !== true

function toRowErrors ({ extras: { errors }, message }: Problem) {
  const general = [{ in: 'body', pointer: '', field: '', rule: 'procore', message } as const]
  return errors === undefined || errors.length === 0 ? general : errors
}

function withOutcome (error: AbortReason, outcome: 'not_sent'): AbortReason {
  return error instanceof Problem ? error.withExtras({ outcome }) : error
}

const transientCodes: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  'procore_unreachable', 'procore_unavailable', 'procore_timeout', 'overloaded',
])

/** Longest pause before rows that did not reach Procore are sent again. */
const retryMaxMs = 30_000

/** Returns the pause before the next attempt, or undefined if it would fail again. */
function getRetryMs (error: AbortReason): number | undefined {
  if (!(error instanceof Problem)) return undefined
  const isTransient = transientCodes.has(error.code)
  const waitMs = Math.max(1_000, getRetryAfterMs(error))
  return isTransient && waitMs <= retryMaxMs ? waitMs : undefined
}

/** Aborts with either signal while the request is not in flight, and while it is, only if the service exits. */
class WaitSignal {
  readonly #controller = new AbortController()
  readonly signal: AbortSignal
  readonly #waits: AbortSignal
  readonly #onAbort = () => this.#controller.abort(this.#waits.reason)

  constructor ({ signal: waits, exitSignal }: Pick<RequestOptions, 'signal' | 'exitSignal'>) {
    this.#waits = waits
    this.signal = AbortSignal.any([this.#controller.signal, exitSignal])
    this.resume()
  }

  pause (): void {
    this.#waits.removeEventListener('abort', this.#onAbort)
  }

  /** Aborts at once if the signal has aborted meanwhile. */
  resume (): void {
    if (this.#waits.aborted) this.#onAbort()
    this.#waits.addEventListener('abort', this.#onAbort)
  }
}
