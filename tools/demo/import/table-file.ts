/** Reads a CSV or NDJSON file as a table, so that its columns can be mapped. csv-parse parses the CSV. */
import { CsvError, parse } from 'csv-parse/browser/esm/sync'
import { createIdempotencyKey, type ImportFileType } from '../../../client/client.ts'
import { formatBytes } from '../page/dom.ts'
import { guessFields } from './fields.ts'

export interface TableFile {
  name: string
  bytes: number
  type: ImportFileType
  /** Separates the cells of a CSV file. */
  delimiter: string
  columns: readonly string[]
  /** The values by column. Those of CSV are texts; undefined is a member that a line of NDJSON does not have. */
  rows: ReadonlyArray<readonly unknown[]>
  /** SHA-256 of the content. */
  digest: string
}

/** Why a file cannot be read, in words for the person. */
export class FileError extends Error {}

/** As many as the service accepts. */
const maxBytes = 67_108_864
const delimiters = [',', ';', '\t']
const csvOptions = {
  recordDelimiter: ['\r\n', '\n', '\r'],
  skipEmptyLines: true,
  skipRecordsWithEmptyValues: true,
  relaxColumnCount: true,
}

/** @throws {FileError} */
export async function readTableFile (file: File): Promise<TableFile> {
  if (file.size > maxBytes) throw new FileError(`The file has more than ${formatBytes(maxBytes)}. Split it.`)
  const content = await file.arrayBuffer().catch(() => {
    throw new FileError('The file cannot be read. It may have changed since it was chosen: choose it again.')
  })
  const text = decode(content)
  const type = /\.(ndjson|jsonl)$/i.test(file.name) ? 'application/x-ndjson' : 'text/csv'
  const table = type === 'text/csv' ? readCsv(text) : readNdjson(text)
  if (table.rows.length === 0) throw new FileError('The file has no rows.')
  return { name: file.name, bytes: file.size, type, ...table, digest: await digest(content) }
}

function decode (content: ArrayBuffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch {
    throw new FileError('The file is not UTF-8. In Excel, save it as "CSV UTF-8".')
  }
}

/** Browsers calculate digests in secure contexts only. Elsewhere an import cannot be resumed after a reload. */
async function digest (content: ArrayBuffer): Promise<string> {
  if (!isSecureContext) return createIdempotencyKey()
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', content))
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}

type Table = Pick<TableFile, 'delimiter' | 'columns' | 'rows'>

function readCsv (text: string): Table {
  // Excel writes the separator into the first line of some files.
  const { 0: firstLine = '', groups } = /^"?sep=(?<separator>[,;\t])"?\r?\n/i.exec(text) ?? {}
  const content = text.slice(firstLine.length)
  const delimiter = groups?.['separator'] ?? findDelimiter(content)
  const [header = [], ...rows] = parseCsv(content, { delimiter })
  const width = rows.reduce((max, { length }) => Math.max(max, length), header.length)
  // Cells beyond the header, and columns without a name, matter only if they have values.
  const indexes = Array.from({ length: width }, (_, index) => index)
    .filter(index => (header[index] ?? '').trim() !== '' || rows.some(row => (row[index] ?? '').trim() !== ''))
  return {
    delimiter,
    columns: indexes.map(index => header[index] ?? ''),
    rows: rows.map(row => indexes.map(index => row[index] ?? '')),
  }
}

/** Returns the separator with which the header has the most names of fields, then the most columns. */
function findDelimiter (text: string): string {
  const candidates = delimiters.flatMap(delimiter => {
    try {
      const [header = []] = parseCsv(text, { delimiter, to: 1 })
      const knownCount = guessFields(header).filter(({ field }) => field !== '').length
      return [{ delimiter, knownCount, columnCount: header.length }]
    } catch {
      return []
    }
  })
  const [best] = candidates.sort((a, b) => b.knownCount - a.knownCount || b.columnCount - a.columnCount)
  return best?.delimiter ?? ','
}

/** @throws {FileError} */
function parseCsv (text: string, options: { delimiter: string, to?: number }): string[][] {
  try {
    return parse(text, { ...csvOptions, ...options })
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    const advice = 'Write a cell that has a quote in quotes, and each quote in it twice.'
    throw new FileError(`The file is not valid CSV near line ${String(error['lines'])}. ${advice}`)
  }
}

function readNdjson (text: string): Table {
  const objects = text.split('\n').flatMap((line, index) => line.trim() === '' ? [] : [parseLine(line, index + 1)])
  const columns = [...new Set(objects.flatMap(object => [...object.keys()]))]
  return { delimiter: ',', columns, rows: objects.map(object => columns.map(name => object.get(name))) }
}

function parseLine (line: string, number: number): ReadonlyMap<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return new Map(Object.entries(value))
  } catch {}
  throw new FileError(`Line ${number} of the file is not a JSON object.`)
}
