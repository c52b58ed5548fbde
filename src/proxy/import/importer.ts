/**
 * Imports people from a file: reads and validates its rows while they arrive, and sends the valid ones in batches. The
 * response starts when the whole file was read, because a gateway may stop an upload whose response has begun.
 */
import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { limits } from '../../config/limits.ts'
import type { Endpoint, RecordImport } from '../../endpoints/endpoint.ts'
import type { ProcoreClient } from '../../procore/client.ts'
import { isAbortReason, type AbortReason } from '../../server/abort.ts'
import { recordProblem } from '../../server/error-handler.ts'
import { hintMajorGc } from '../../server/gc-hint.ts'
import { overloadedProblem, Problem } from '../../server/problem.ts'
import type { ImportLease, ImportStore } from '../../storage/import-store.ts'
import type { Audit } from '../../telemetry/audit.ts'
import { auditOverloadedProblem } from '../audit.ts'
import type { EndpointResult, RequestContext } from '../context.ts'
import { serializeScope } from '../idempotency/idempotency.ts'
import type { RequestHead } from '../request-head.ts'
import { EventLoopPauses } from '../../util/event-loop-pauses.ts'
import { createUrlBuilder } from '../url.ts'
import { getCompanyId } from '../validation/parameters.ts'
import { validationProblem } from '../validation/record.ts'
import { compileBody, type CompiledNested, type CompiledRecord } from '../validation/schema.ts'
import { FileCheck, keyReusedProblem } from './file-check.ts'
import { toForbidden } from './match.ts'
import { readRows } from './read-rows.ts'
import type { RowOptions } from './row-validator.ts'
import { ProcoreImportRequests } from './requests.ts'
import { ImportResults } from './results.ts'
import { parseValues } from './row-queue.ts'
import { RowSender, type ReportedRow } from './sender.ts'
import { openFile } from './source.ts'

/** An endpoint that imports a file. */
export type ImportEndpoint = Endpoint & { import: RecordImport }

/** The services that imports use. */
export interface ImportServices {
  procore: ProcoreClient
  audit: Audit
  log: Pick<FastifyBaseLogger, 'info'>
  importStore: ImportStore
  /** Longest time of a request to Procore, from the wait for a connection until its response is not waited for. */
  exchangeMaxMs: number
  /** Calls the listener when the service begins to stop, or at once. Returns a function that unsubscribes. */
  onDraining (listener: () => void): () => void
}

/** A request with a file whose head is valid. */
export interface ImportRequest
  extends Pick<RequestContext, 'raw' | 'response' | 'signal' | 'bodyLimits' | 'usage' | 'record' | 'checkOperation'> {
  head: RequestHead
  subject: string
  callerId: string | undefined
  mayShowExisting: boolean
  /** Keeps the request in flight until the work is done. */
  hold (work: Promise<unknown>): void
  /** Returns the problem of an error that was not expected. */
  toProblem (error: unknown): Problem
}

/** The lease of an import that changes nothing. */
const noLease: ImportLease = {
  signal: new AbortController().signal,
  loadIdentity: async () => undefined,
  saveIdentity: async () => {},
  load: async () => undefined,
  save: async () => {},
  remove: async () => {},
  release: async () => {},
}

/** Serves the imports of one endpoint. */
export class Importer {
  readonly #endpoint: ImportEndpoint
  readonly #services: ImportServices
  readonly #rows: CompiledRows

  constructor (endpoint: ImportEndpoint, services: ImportServices) {
    const { body } = endpoint.import.batch
    const rows = compileBody(body).nested.get(body.rootKey)
    if (rows?.existing === undefined) throw new TypeError(`The rows of ${endpoint.name} cannot name records.`)
    this.#endpoint = endpoint
    this.#services = services
    this.#rows = {
      record: withoutOperations(rows.record),
      existing: { ...rows.existing, record: withoutOperations(rows.existing.record) },
    }
  }

  /**
   * Resolves when the whole file was read, with the lines of the response. The rest of the rows is sent after that.
   * @throws {Problem} if nothing of the file can be read, or if no row can be sent
   */
  async run (request: ImportRequest): Promise<EndpointResult> {
    const { checkOperation, record, head: { path, query } } = request
    const mode = query.values.get('mode') === 'upsert' ? 'upsert' : 'create'
    const isForbidden = mode === 'upsert' ? checkOperation(this.#endpoint.import.batch.sync.updateOperation) : undefined
    const problem = validationProblem([path, query]) ?? isForbidden
    if (problem !== undefined) throw problem
    const isDryRun = query.values.get('dry_run') === true
    const companyId = getCompanyId(path, query)
    const lease = isDryRun ? noLease : await this.#services.importStore.lease(companyId)
    if (lease === undefined) throw inProgressProblem()
    // The access log has a line at the end only, which may be an hour later.
    if (!isDryRun) this.#services.log.info({ requestId: record.requestId, companyId }, 'import started')
    const settings = { mode, isDryRun, lease, rows: this.#rows } as const
    return new ImportRun(request, settings, this.#endpoint, this.#services).run()
  }
}

/** Which scopes a row needs depends on the person that it is about, so they are checked later. */
function withoutOperations (record: CompiledRecord): CompiledRecord {
  const restrictions = [...record.restrictions].filter(([, { kind }]) => kind !== 'operation')
  return { ...record, restrictions: new Map(restrictions) }
}

const inProgressProblem = () =>
  new Problem('import_in_progress', 'Another import into this company is in progress.', {
    outcome: 'not_sent', headers: { 'retry-after': '5' },
  })

/** The descriptions of a row: for a new person, and for one that it names by id. */
type CompiledRows = Pick<CompiledNested, 'record' | 'existing'>

interface ImportSettings {
  mode: 'create' | 'upsert'
  /** Rows are only validated. */
  isDryRun: boolean
  lease: ImportLease
  rows: CompiledRows
}

/** One import. */
class ImportRun {
  readonly #request: ImportRequest
  readonly #settings: ImportSettings
  readonly #endpoint: ImportEndpoint
  readonly #services: ImportServices
  readonly #results = new ImportResults()
  /** Aborts when no more rows are to be sent. */
  readonly #stop = new AbortController()
  /** Aborts when responses of Procore are not waited for any longer, because the process exits. */
  readonly #exit = new AbortController()
  /** Undefined if nothing is stored. */
  readonly #storedId: string | undefined
  readonly #sender: RowSender

  constructor (
    request: ImportRequest, settings: ImportSettings, endpoint: ImportEndpoint, services: ImportServices
  ) {
    this.#request = request
    this.#settings = settings
    this.#endpoint = endpoint
    this.#services = services
    this.#storedId = this.#getStoredId()
    this.#sender = this.#createSender()
  }

  async run (): Promise<EndpointResult> {
    const { usage, raw, record, hold, toProblem } = this.#request
    const { promise: isOver, resolve: end } = Promise.withResolvers<void>()
    hold(isOver)
    const removeListeners = this.#addListeners()
    // The connection may be idle while the upload waits for Procore.
    raw.socket.setTimeout(limits.imports.timeoutMs)
    let fault: AbortReason | undefined
    try {
      usage.add('bytes', limits.imports.queueMaxBytes)
      await this.#readRows()
    } catch (error) {
      fault = isAbortReason(error) ? error : toProblem(error)
      // The rows that were read are imported, unless the caller has left or the idempotency key had another file.
      const isImported = fault instanceof Problem && fault.code !== 'idempotency_key_reused'
      if (this.#results.rows === 0 || !isImported) this.#stop.abort(fault)
    }
    this.#sender.end()
    const finished = this.#sender.finished.then(async () => {
      this.#finish(fault)
      removeListeners()
      await this.#settings.lease.release()
    }).finally(end)
    // A problem of the whole import is its response, if it is known soon and nothing was sent.
    const waited = sleep(limits.imports.progressIntervalMs, undefined, { ref: false })
    await Promise.race([finished, this.#sender.started, waited])
    const problem = this.#results.rows === 0 ? fault : this.#sender.hasSent ? undefined : this.#sender.problem
    if (problem !== undefined) {
      await finished
      throw problem instanceof Problem ? problem.withExtras({ outcome: 'not_sent', ...problem.extras }) : problem
    }
    const content = this.#results.read(record.requestId)
    return { kind: 'lines', status: 200, contentType: 'application/x-ndjson', content }
  }

  async #readRows (): Promise<void> {
    const { head: { body }, checkOperation } = this.#request
    const { mode, isDryRun, rows, lease } = this.#settings
    const { rowsMax, rowMaxBytes } = limits.imports
    const { lookup } = this.#endpoint.import
    const check = new FileCheck(await this.#loadDigests())
    const { chunks, format } = await openFile(this.#request, body)
    const options: RowOptions = { ...rows, mode, lookup, checkOperation, rowsMax, rowMaxBytes }
    const pauses = new EventLoopPauses()
    for await (const row of readRows(check.read(chunks), format, options)) {
      await pauses.pauseIfDue()
      this.#results.add()
      hintMajorGc(1)
      if (row.kind === 'invalid') this.#results.set(row.number, { status: 'invalid', errors: row.errors })
      else if (row.kind === 'forbidden') this.#results.set(row.number, toForbidden(row.problem))
      else if (isDryRun) this.#results.set(row.number, { status: 'not_sent' })
      else await this.#sender.add({ number: row.number, json: JSON.stringify(Object.fromEntries(row.values)) })
    }
    if (this.#storedId !== undefined) await lease.saveIdentity(this.#storedId, { mode, digests: check.digests })
  }

  /**
   * Returns the digests of the file that was imported with the same idempotency key.
   * @throws {Problem} `idempotency_key_reused` for another mode
   */
  async #loadDigests (): Promise<readonly string[] | undefined> {
    const { mode, lease } = this.#settings
    if (this.#storedId === undefined) return undefined
    const earlier = await lease.loadIdentity(this.#storedId)
    if (earlier === undefined) await lease.saveIdentity(this.#storedId, { mode, digests: undefined })
    else if (earlier.mode !== mode) throw keyReusedProblem()
    return earlier?.digests
  }

  /** Ends the import when no more rows are sent. */
  #finish (fault: AbortReason | undefined): void {
    const { record, raw } = this.#request
    const reason = this.#sender.problem ?? fault
    const problem = reason instanceof Problem ? reason : undefined
    this.#results.end(problem)
    record.importRows = this.#results.totals
    if (problem !== undefined) recordProblem(problem, record)
    raw.socket.setTimeout(limits.server.responseReadTimeoutMs)
  }

  /** The caller, the service, the store and the time limit may end the import. Returns a function that unsubscribes. */
  #addListeners (): () => void {
    const { signal } = this.#request
    const { signal: leaseSignal } = this.#settings.lease
    const onAbort = () => {
      this.#stop.abort(signal.reason)
      // The process exits. If only the caller has left, the batch in flight is finished.
      if (signal.reason instanceof Problem) this.#exit.abort(signal.reason)
    }
    const onLost = () => this.#stop.abort(leaseSignal.reason)
    const stopping = new Problem('stopping', 'This service is stopping. Repeat the import with the same key.')
    const removeDrainListener = this.#services.onDraining(() => this.#stop.abort(stopping))
    const timeout = overloadedProblem(`An import may take at most ${limits.imports.timeoutMs / 60_000} minutes.`)
    const timer = setTimeout(() => this.#stop.abort(timeout), limits.imports.timeoutMs)
    signal.addEventListener('abort', onAbort)
    leaseSignal.addEventListener('abort', onLost)
    return () => {
      clearTimeout(timer)
      removeDrainListener()
      signal.removeEventListener('abort', onAbort)
      leaseSignal.removeEventListener('abort', onLost)
    }
  }

  #createSender (): RowSender {
    const { record, head, callerId, checkOperation, mayShowExisting, toProblem } = this.#request
    const { mode, lease, rows } = this.#settings
    const { import: spec } = this.#endpoint
    const { procore, audit, exchangeMaxMs } = this.#services
    return new RowSender({
      requests: new ProcoreImportRequests({
        spec,
        procore,
        companyId: getCompanyId(head.path, head.query),
        callerId,
        record,
        compiled: rows.record,
        batchPath: createUrlBuilder(spec.batch.procorePath)(head.path.values, new Map()),
        mode,
        signal: this.#stop.signal,
        exitSignal: this.#exit.signal,
      }),
      match: {
        mode,
        matchField: spec.lookup.matchField,
        sync: spec.batch.sync,
        checkOperation,
        rowsByPerson: new Map(),
        mayShowExisting,
      },
      stored: { id: this.#storedId, lease },
      results: this.#results,
      processingMs: exchangeMaxMs + limits.imports.slackMs,
      signal: this.#stop.signal,
      audit: {
        reserve: count => { if (!audit.reserve(count)) throw auditOverloadedProblem() },
        release: count => audit.release(count),
        report: reported => this.#audit(reported),
      },
      toProblem,
    })
  }

  /** Returns undefined without an idempotency key, and for a dry run, which changes nothing. */
  #getStoredId (): string | undefined {
    const { head: { path, query, idempotencyKey }, subject: caller } = this.#request
    if (idempotencyKey === undefined || this.#settings.isDryRun) return undefined
    const scope = { caller, companyId: getCompanyId(path, query), endpoint: this.#endpoint.name, idempotencyKey }
    return hash('sha256', serializeScope(scope), 'base64url')
  }

  /** Writes a line for each row that was sent. */
  #audit (reported: readonly ReportedRow[]): void {
    const { record, head: { path, query, route }, subject } = this.#request
    const { address, requestId, traceId, procoreRequestId } = record
    const { name: operation, import: { lookup: { matchField } } } = this.#endpoint
    for (const { row, result } of reported) {
      const { number, id } = row
      const outcome = result.status === 'updated' ? 'changed' : result.status
      this.#services.audit.write({
        subject,
        address,
        companyId: getCompanyId(path, query),
        operation,
        route: route.url,
        requestId,
        traceId,
        procoreRequestId,
        row: number,
        outcome,
        status: undefined,
        recordId: 'id' in result ? result.id : id,
        fingerprint: this.#services.audit.fingerprint(parseValues(row).get(matchField)),
      }, id === undefined ? 'create' : 'change')
    }
  }
}
