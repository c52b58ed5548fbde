/** Imports users from a file: sends it once, and reads the line of each row while the response arrives. */
import { sendRequest, type CallOptions, type ClientOptions } from './call.ts'
import { isProblem } from './error-response.ts'
import { isFailure, NetworkError, ProblemError } from './errors.ts'
import { createIdempotencyKey } from './idempotency-key.ts'
import { limits } from './limits.ts'
import { readJsonLines } from './lines.ts'
import type { FieldError, ProblemCode } from './operation.ts'
import { buildUrl } from './request.ts'

/** A file, its text, or its bytes as a stream. Browsers send a stream over HTTP/2 only. */
export type ImportFile = Blob | string | ReadableStream<Uint8Array>

export type ImportFileType = 'text/csv' | 'application/x-ndjson'

/** What became of a row. Rows are numbered from 1; the header is not counted. */
export type ImportedRow =
  | { row: number, status: 'created' | 'updated' | 'unchanged', id: number }
  | RefusedRow
  /** `unknown`: the row was sent, and its response was lost. `not_sent`: nothing was sent, as in a dry run. */
  | { row: number, status: 'unknown' | 'not_sent' }

/** A row of which nothing was saved. */
export interface RefusedRow {
  row: number
  status: 'invalid' | 'rejected'
  /** `field` and `pointer` of an error name the column. */
  errors?: readonly FieldError[]
  /** Instead of errors: why the caller may not import this row. */
  code?: ProblemCode
  detail?: string
  /** The person in the directory that the row is about, if it is known. */
  id?: number
}

export type ImportTotals = Readonly<Record<'rows' | ImportedRow['status'], number>>

export interface ImportProgress {
  /** Rows that the service has read. */
  read: number
  /** Rows whose status is known. */
  finished: number
}

export interface ImportEnd {
  totals: ImportTotals
  /** Why the import ended before its last row. */
  problem: ProblemError | undefined
  requestId: string | undefined
}

export interface ImportOptions extends CallOptions {
  /** Default: by the name of the file (`.ndjson`, `.jsonl`), then by its type, otherwise `text/csv`. */
  type?: ImportFileType | undefined
  /** `create` rejects rows of people who exist. `upsert` also updates people. Default: `create`. */
  mode?: 'create' | 'upsert' | undefined
  /** Validates the rows only. */
  dryRun?: boolean | undefined
  /** Default: a new key. The key of an import that ended early, with the same file, resumes it. */
  idempotencyKey?: string | undefined
  /** Called with each row, before the loop gets it. */
  onRow?: ((row: ImportedRow) => void) | undefined
  /** Called with each heartbeat, which the service writes when no row was finished for five seconds. */
  onProgress?: ((progress: ImportProgress) => void) | undefined
}

/** An import that was not sent yet. Iterating over its rows sends it, once. */
export class UserImport implements AsyncIterable<ImportedRow> {
  /** Resumes this import, if it is passed to `importUsers` with the same file. A dry run does not send it. */
  readonly idempotencyKey: string
  readonly #rows: AsyncGenerator<ImportedRow, void, undefined>
  #end: ImportEnd | undefined

  constructor (clientOptions: ClientOptions, companyId: number, file: ImportFile, options: ImportOptions) {
    const { idempotencyKey = createIdempotencyKey() } = options
    this.idempotencyKey = idempotencyKey
    const rows = readImport(clientOptions, companyId, file, { ...options, idempotencyKey })
    this.#rows = this.#readToEnd(rows)
  }

  [Symbol.asyncIterator] (): AsyncGenerator<ImportedRow, void, undefined> {
    return this.#rows
  }

  /**
   * Reads the rows that are left, and returns how the import ended.
   * @throws {ProblemError | NetworkError} or the reason of the signal
   */
  async finish (): Promise<ImportEnd> {
    while ((await this.#rows.next()).done !== true);
    // A loop that was left has no end.
    if (this.#end === undefined) throw new NetworkError('incomplete')
    return this.#end
  }

  async * #readToEnd (
    rows: AsyncGenerator<ImportedRow, ImportEnd, undefined>
  ): AsyncGenerator<ImportedRow, void, undefined> {
    this.#end = yield * rows
  }
}

async function * readImport (
  clientOptions: ClientOptions, companyId: number, file: ImportFile, options: ImportOptions
): AsyncGenerator<ImportedRow, ImportEnd, undefined> {
  const { signal, idempotencyKey, onRow, onProgress } = options
  try {
    const { data, requestId } = await sendImport(clientOptions, companyId, file, options)
    if (!isByteStream(data)) throw new NetworkError('response')
    for await (const line of readJsonLines(data)) {
      if (hasMember(line, 'totals')) return { ...toEnd(line), requestId }
      if (isProgress(line)) onProgress?.(line.progress)
      if (!isRow(line)) continue
      onRow?.(line)
      yield line
    }
    throw new NetworkError('incomplete')
  } catch (error) {
    signal?.throwIfAborted()
    if (isFailure(error) && options.dryRun !== true) error.idempotencyKey = idempotencyKey
    if (error instanceof NetworkError && options.dryRun === true) error.outcome = undefined
    throw error
  }
}

const sendImport = (
  clientOptions: ClientOptions, companyId: number, file: ImportFile, options: ImportOptions
) => {
  const { type = findType(file), mode, dryRun = false, signal, onRetry } = options
  const query = { mode, ...(dryRun && { dry_run: true }) }
  return sendRequest<unknown>(clientOptions, {
    method: 'post',
    url: buildUrl(clientOptions.baseUrl, '/companies/{company_id}/users/import', { company_id: companyId }, query),
    buildContent: () => ({ body: file, type }),
  }, {
    signal,
    onRetry,
    // With a key, the service would compare a dry run with the import that follows.
    idempotencyKey: dryRun ? undefined : options.idempotencyKey,
    effect: dryRun ? 'safe' : 'once',
    timeoutMs: limits.importTimeoutMs,
    isRepeatable: !(file instanceof ReadableStream),
  })
}

/** Windows gives a CSV file the type of Excel, so that the name comes first. */
function findType (file: ImportFile): ImportFileType {
  const name = file instanceof Blob && 'name' in file ? String(file.name) : ''
  if (/\.(ndjson|jsonl)$/i.test(name)) return 'application/x-ndjson'
  const isNdjson = file instanceof Blob && file.type.startsWith('application/x-ndjson') && !/\.csv$/i.test(name)
  return isNdjson ? 'application/x-ndjson' : 'text/csv'
}

/** The client checks only which kind of line it has: it trusts the service to follow its own document. */
const isRow = (line: unknown): line is ImportedRow => hasMember(line, 'row') && hasMember(line, 'status')

const isProgress = (line: unknown): line is { progress: ImportProgress } => hasMember(line, 'progress')

const isTotals = (value: unknown): value is ImportTotals => hasMember(value, 'rows')

const isByteStream = (data: unknown): data is ReadableStream<Uint8Array> => data instanceof ReadableStream

const hasMember = <Name extends string>(value: unknown, name: Name): value is Record<Name, unknown> =>
  typeof value === 'object' && value !== null && name in value

function toEnd (line: Record<'totals', unknown>): Pick<ImportEnd, 'totals' | 'problem'> {
  const { totals } = line
  const problem = hasMember(line, 'problem') ? line.problem : undefined
  if (!isTotals(totals)) throw new NetworkError('response')
  if (problem === undefined) return { totals, problem: undefined }
  if (!isProblem(problem)) throw new NetworkError('response')
  const retryAfter = hasMember(problem, 'retry_after') ? Number(problem.retry_after) : undefined
  return { totals, problem: new ProblemError(problem, retryAfter === undefined ? undefined : retryAfter * 1000) }
}
