/** Builds files to import, and reads the lines of the response. */
import { send, type TestResponse } from './requests.ts'

/** E-mail address of a generated person. */
export const addressOf = (number: number) => `user-${String(number).padStart(4, '0')}@example.com`

/** Returns a CSV file with one person in each row. */
export function csvOf (count: number, start = 1): string {
  const rows = Array.from({ length: count }, (_, index) => `Person ${start + index},${addressOf(start + index)}`)
  return ['last_name,email_address', ...rows, ''].join('\n')
}

export interface ImportLine {
  row?: number
  status?: string
  id?: number
  code?: string
  errors?: Array<Record<string, string>>
  progress?: Record<string, number>
  totals?: Record<string, number>
  problem?: Record<string, unknown>
}

const parseLine: (line: string) => ImportLine = JSON.parse

export const parseLines = (text: string): ImportLine[] => text.split('\n').filter(line => line !== '').map(parseLine)

export interface ImportResponse extends TestResponse {
  /** All lines but those about the progress. */
  lines: ImportLine[]
  /** `<row> <status>` of each row. */
  rows: string[]
  totals: Record<string, number> | undefined
  problem: Record<string, unknown> | undefined
}

export async function sendImport (
  url: string, body: string | Buffer, headers: Record<string, string> = {}
): Promise<ImportResponse> {
  const response = await send(url, { body, headers: { 'content-type': 'text/csv', ...headers } })
  const allLines = response.status === 200 ? parseLines(response.text) : []
  const lines = allLines.filter(({ progress }) => progress === undefined)
  const rows = lines.filter(line => line.row !== undefined).map(({ row, status }) => `${row} ${status}`)
  const last = lines.at(-1)
  return { ...response, lines, rows, totals: last?.totals, problem: last?.problem }
}
