/** Reads mutated files of imports in random chunks, and compares their rows with those of independent parsers. */
import { isDeepStrictEqual } from 'node:util'
import { readRows } from '../../src/proxy/import/read-rows.ts'
import type { ImportFormat, ImportRow } from '../../src/proxy/import/row.ts'
import { Problem } from '../../src/server/problem.ts'
import { isJsonObject } from '../../src/util/is-json-object.ts'
import { rowOptions } from '../helpers/import-rows.ts'
import type { Random } from '../helpers/random.ts'
import { parseCsv, type JudgedRecord } from './csv-judge.ts'
import { mutate } from './mutate.ts'

const fields = ['last_name', 'email_address', 'notes', 'is_active'] as const
const options = rowOptions({ rowsMax: 10_000, rowMaxBytes: 1_000_000 })

/** Reads files of both formats. Returns the findings. */
export async function fuzzRows (count: number, random: Random): Promise<string[]> {
  const findings: string[] = []
  for (let done = 0; done < count; done++) {
    const csv = generateCsv(random)
    const ndjson = mutate(generateNdjson(random), random)
    const faults = [
      ...compareCsv(await readInChunks(csv.file, 'csv', random), csv).map(fault => ({ fault, file: csv.file })),
      ...compareNdjson(await readInChunks(ndjson, 'ndjson', random), ndjson).map(fault => ({ fault, file: ndjson })),
    ]
    findings.push(...faults.map(({ fault, file }) => `rows: ${fault}: ${JSON.stringify(file.toString('latin1'))}`))
  }
  return findings
}

interface ReadRows { rows: ImportRow[], problem: string | undefined }

async function readInChunks (file: Buffer, format: ImportFormat, random: Random): Promise<ReadRows> {
  const size = random.pick([1, 2, 7, 64, 100_000])
  async function * source (): AsyncGenerator<Buffer> {
    for (let start = 0; start < file.length;) {
      const end = start + 1 + random.below(size)
      yield file.subarray(start, end)
      start = end
    }
  }
  const rows: ImportRow[] = []
  try {
    for await (const row of readRows(source(), format, options)) rows.push(row)
    return { rows, problem: undefined }
  } catch (error) {
    return { rows, problem: error instanceof Problem ? error.code : String(error) }
  }
}

interface CsvFile { file: Buffer, delimiter: string, body: Buffer }

/** The header stays as it is: without it, the rows have no meaning to compare. */
function generateCsv (random: Random): CsvFile {
  const delimiter = random.pick([',', ';', '\t'])
  const lineEnd = random.pick(['\n', '\r\n', '\r'])
  const lines = Array.from({ length: random.below(6) }, (_, index) =>
    [`Doe${index}`, `user-${index}@example.com`, randomText(random), random.pick(['', 'TRUE', 'falsch', '1'])]
      .map(cell => toCell(cell, random)).join(delimiter) + delimiter.repeat(random.below(2)))
  const clean = Buffer.from(lines.join(lineEnd) + random.pick(['', lineEnd, lineEnd + lineEnd]))
  const body = random.chance(0.8) ? mutate(clean, random) : clean
  const header = Buffer.from(random.pick(['', '\ufeff']) + fields.join(delimiter) + lineEnd)
  return { file: Buffer.concat([header, body]), delimiter, body }
}

function randomText (random: Random): string {
  const pieces = ['a', ' ', '"', ',', ';', '\n', '\r\n', 'ü', '😀', '=1+1', '']
  return Array.from({ length: random.below(6) }, () => pieces[random.below(pieces.length)]).join('')
}

function toCell (text: string, random: Random): string {
  return /[",;\t\r\n]/.test(text) || random.chance(0.2) ? `"${text.replaceAll('"', '""')}"` : text
}

function compareCsv ({ rows, problem }: ReadRows, { delimiter, body }: CsvFile): string[] {
  const { records, isWhole } = parseCsv(body, delimiter)
  const expected = isWhole ? undefined : 'malformed_csv'
  if (problem !== expected) return [`${String(problem)} instead of ${String(expected)}`]
  if (rows.length !== records.length) return [`${rows.length} rows instead of ${records.length}`]
  const emails = new Set<string>()
  return rows.flatMap((row, index) => {
    const record = records[index]
    if (row.number !== index + 1 || record === undefined) return ['a wrong number']
    const fault = compareCells(row, record, emails)
    if (row.kind === 'valid') emails.add(String(row.values.get('email_address')).toLowerCase())
    return fault === undefined ? [] : [`row ${row.number}: ${fault}`]
  })
}

function compareCells (row: ImportRow, record: JudgedRecord, emails: ReadonlySet<string>): string | undefined {
  if (record.kind === 'fault') return row.kind === 'invalid' ? undefined : 'a record with a fault is not invalid'
  const { cells } = record
  const [name = '', email = '', , isActive = ''] = cells
  if (row.kind === 'valid') {
    const texts = fields.slice(0, 3).map(field => row.values.get(field) ?? '')
    return isDeepStrictEqual(texts, Array.from({ length: 3 }, (_, index) => cells[index] ?? ''))
      ? undefined
      : `${JSON.stringify(texts)} instead of ${JSON.stringify(cells)}`
  }
  const mustBeValid = /^Doe\d$/.test(name) && /^user-\d@example\.com$/.test(email) && !emails.has(email) &&
    /^(|TRUE|falsch|1)$/.test(isActive) && cells.slice(fields.length).every(cell => cell.trim() === '')
  return mustBeValid ? `${JSON.stringify(cells)} is not valid` : undefined
}

function generateNdjson (random: Random): Buffer {
  const lines = Array.from({ length: random.below(6) }, (_, index) => JSON.stringify({
    last_name: `Doe${index}`,
    email_address: `user-${index}@example.com`,
    notes: random.pick([null, randomText(random)]),
    is_active: random.chance(0.5),
  }))
  return Buffer.from(random.pick(['', '\ufeff']) + lines.join(random.pick(['\n', '\r\n', '\n\n'])))
}

function compareNdjson ({ rows, problem }: ReadRows, file: Buffer): string[] {
  if (problem !== undefined) return [problem]
  const lines = file.toString('latin1').split('\n')
    .map((line, index) => decodeLine(Buffer.from(line, 'latin1'), index === 0))
    .filter(text => text === undefined || text.trim() !== '')
  if (rows.length !== lines.length) return [`${rows.length} rows instead of ${lines.length}`]
  return rows.flatMap((row, index) => {
    const members = parseObject(lines[index])
    if (row.kind !== 'valid') return []
    const present = Object.entries(members ?? {}).filter(([, value]) => value !== null)
    const isSame = members !== undefined && isDeepStrictEqual(new Map(present), row.values)
    return isSame ? [] : [`row ${row.number} has other values`]
  })
}

/** Returns undefined for a line that is not UTF-8. */
function decodeLine (line: Buffer, isFirst: boolean): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: !isFirst }).decode(line)
  } catch {
    return undefined
  }
}

function parseObject (text: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
