/** Run with `--expose-gc` and a format: reads 100,000 rows, and prints by how much its memory grew in bytes. */
import { readRows } from '../../src/proxy/import/read-rows.ts'
import type { ImportFormat } from '../../src/proxy/import/row.ts'
import { hintMajorGc } from '../../src/server/gc-hint.ts'
import { rowOptions } from './import-rows.ts'

const rowCount = 100_000
const format: ImportFormat = process.argv[2] === 'csv' ? 'csv' : 'ndjson'
const options = rowOptions({ rowsMax: rowCount })
const notes = 'x'.repeat(100)

async function * file (count: number): AsyncGenerator<Buffer> {
  let text = format === 'csv' ? 'last_name,email_address,origin_id,notes\n' : ''
  for (let index = 0; index < count; index++) {
    const [name, email, origin] = [`Doe ${index}`, `user-${index}@example.com`, `origin-${index}`]
    text += format === 'csv'
      ? `${name},${email},${origin},"${notes}"\n`
      : `${JSON.stringify({ last_name: name, email_address: email, origin_id: origin, notes })}\n`
    if (text.length < 65_536) continue
    yield Buffer.from(text)
    text = ''
  }
  yield Buffer.from(text)
}

async function getPeak (count: number): Promise<number> {
  let peak = 0
  for await (const row of readRows(file(count), format, options)) {
    if (row.kind !== 'valid') throw new Error(`row ${row.number} is not valid`)
    if (row.number % 1000 !== 0) continue
    // As the import does.
    hintMajorGc(1000)
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  return peak
}

// Compiles the code.
await getPeak(5_000)
globalThis.gc?.()
const before = process.memoryUsage.rss()
process.stdout.write(String(await getPeak(rowCount) - before))
