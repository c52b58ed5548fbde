// The rows of a large file are read in little memory, however slowly they are consumed.
import { execFile } from 'node:child_process'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { readRows } from '../../../src/proxy/import/read-rows.ts'
import { collectGarbage } from '../../helpers/collect-garbage.ts'
import { rowOptions } from '../../helpers/import-rows.ts'

const run = promisify(execFile)
const growthMaxBytes = 64 * 1_048_576

for (const format of ['csv', 'ndjson']) {
  t.test(`the memory grows by less than 64 MB while 100,000 rows of ${format} are read`, async t => {
    // A process of its own, because tap keeps more of each promise. The lowest of three runs counts, because V8 leaves
    // a different amount of garbage each time.
    const growths: number[] = []
    for (let attempt = 0; attempt < 3; attempt++) {
      const args = ['--expose-gc', 'test/helpers/row-memory.ts', format]
      growths.push(Number((await run(process.execPath, args, { env: {} })).stdout))
    }
    const growth = Math.min(...growths)
    t.ok(growth > 0 && growth < growthMaxBytes, `it grows by ${growth} bytes`)
  })
}

const files = [
  { format: 'csv', header: 'last_name,email_address\n', row: index => `Doe,user-${index}@example.com\n` },
  { format: 'ndjson', header: '', row: index => `{"last_name":"Doe","email_address":"user-${index}@example.com"}\n` },
] satisfies Array<{ format: 'csv' | 'ndjson', header: string, row: (index: number) => string }>

for (const { format, header, row } of files) {
  t.test(`no chunk of a file of ${format} is read before the rows of the last one are consumed`, async t => {
    let chunks = 0
    async function * source (): AsyncGenerator<Buffer> {
      yield Buffer.from(header)
      for (;;) yield Buffer.from(row(chunks++) + row(chunks++))
    }
    const rows = readRows(source(), format, rowOptions())
    await rows.next()
    const read = chunks
    await setImmediate()
    t.equal(chunks, read)
    await rows.return(undefined)
  })
}

const endless = [
  { name: 'separators', format: 'csv', chunk: ','.repeat(65_536) },
  { name: 'separators and quotes', format: 'csv', chunk: '"",'.repeat(20_000) },
  { name: 'separators and line breaks in quotes', format: 'csv', chunk: `"\n"${','.repeat(65_536)}` },
  { name: 'NDJSON', format: 'ndjson', chunk: 'x'.repeat(65_536) },
] as const

for (const { name, format, chunk } of endless) {
  t.test(`a row of 100 MB of ${name} is refused in less than 64 MB of memory`, async t => {
    const bytes = Buffer.from(chunk)
    async function * source (): AsyncGenerator<Buffer> {
      yield Buffer.from(format === 'csv' ? 'last_name,email_address\n' : '')
      for (let sent = 0; sent < 100_000_000; sent += bytes.length) yield bytes
    }
    collectGarbage()
    const before = process.memoryUsage.rss()
    const first: unknown = await readRows(source(), format, rowOptions()).next().catch((error: unknown) => error)
    t.match(first, format === 'csv' ? { code: 'malformed_csv' } : { value: { kind: 'invalid' } })
    const growth = process.memoryUsage.rss() - before
    t.ok(growth < growthMaxBytes, `it grows by ${growth} bytes`)
  })
}
