// Imports 100,000 rows through the whole service, with the emulator in a process of its own. The memory of the service
// grows by less than 64 MB, and the line of every row is true.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { assertSchema } from '../helpers/assert-schema.ts'
import { addressOf, csvOf, parseLines, sendImport, type ImportLine } from '../helpers/imports.ts'
import { send } from '../helpers/requests.ts'
import { serviceEnvironment, spawnProgram } from '../helpers/spawn-program.ts'

const rowCount = 100_000
const warmUpRowCount = 1_000
const growthMaxBytes = 64 * 1_048_576
const sampleIntervalMs = 50
const header = 'last_name,email_address,job_title\n'

interface Row {
  email: string
  status: 'created' | 'invalid' | 'rejected'
}

/** Of each hundred rows, one is not valid, one repeats an earlier one, and one is about a person who exists. */
function expectedRow (number: number): Row {
  switch (number % 100) {
    case 1: return { email: `person ${number}`, status: 'invalid' }
    case 2: return number < 100
      ? { email: addressOf(number), status: 'created' }
      : { email: addressOf(number - 2), status: 'invalid' }
    case 3: return { email: addressOf(number), status: 'rejected' }
    default: return { email: addressOf(number), status: 'created' }
  }
}

const toCsv = (number: number) => `Person ${number},${expectedRow(number).email},"Mason, first class"\n`
const existing = Array.from({ length: rowCount / 100 }, (_, index) => index * 100 + 3)

async function * largeFile (): AsyncGenerator<Buffer> {
  yield Buffer.from(header)
  for (let start = 1; start <= rowCount; start += 1000) {
    yield Buffer.from(Array.from({ length: 1000 }, (_, index) => toCsv(start + index)).join(''))
  }
}

/** Samples the resident memory of a process. Returns a function that stops and returns the peak in bytes. */
function sampleMemory (pid: number | undefined): () => number {
  let peak = 0
  const sample = () => { peak = Math.max(peak, getResidentBytes(pid)) }
  sample()
  const timer = setInterval(sample, sampleIntervalMs)
  return () => {
    clearInterval(timer)
    sample()
    return peak
  }
}

function getResidentBytes (pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}

async function startPrograms (t: Test) {
  const emulator = spawnProgram(t, 'tools/emulator/main.ts', {
    EMULATOR_PORT: '0', EMULATOR_SETTINGS: JSON.stringify({ rateLimit: 1_000_000 }),
  })
  const emulatorUrl = await emulator.listening
  const settings = { clientId: 'demo-client', clientSecret: 'demo-secret' }
  const { child, listening } = spawnProgram(t, 'src/main.js', serviceEnvironment({ url: emulatorUrl, settings }))
  return { emulatorUrl, pid: child.pid, url: `${await listening}/companies/101/users/import` }
}

async function importLargeFile (url: string): Promise<ImportLine[]> {
  const body = Readable.from(largeFile(), { objectMode: false })
  const options = { headersTimeout: 600_000, bodyTimeout: 600_000 }
  const response = await request(url, { method: 'POST', headers: { 'content-type': 'text/csv' }, body, ...options })
  const lines: ImportLine[] = []
  for await (const line of createInterface({ input: response.body })) lines.push(...parseLines(line))
  return lines.filter(({ progress }) => progress === undefined)
}

const UsersSchema = Type.Array(Type.Object({
  id: Type.Integer(), companyId: Type.Integer(), values: Type.Object({ email_address: Type.String() }),
}))

async function readAddresses (emulatorUrl: string): Promise<Map<number, string>> {
  const { text } = await send(`${emulatorUrl}/__emulator/users`, { method: 'GET' })
  const users = assertSchema(UsersSchema, JSON.parse(text))
  return new Map(users.filter(({ companyId }) => companyId === 101).map(({ id, values }) => [id, values.email_address]))
}

t.test('100,000 rows are imported in less than 64 MB more memory, and every line is true', async t => {
  const { emulatorUrl, pid, url } = await startPrograms(t)
  const first = await sendImport(url, header + existing.map(toCsv).join(''))
  t.match(first.totals, { rows: existing.length, created: existing.length })
  // Compiles the code.
  await sendImport(url.replace('/101/', '/102/'), csvOf(warmUpRowCount))

  const before = getResidentBytes(pid)
  const stopSampling = sampleMemory(pid)
  const lines = await importLargeFile(url)
  const peak = stopSampling()
  t.comment(`resident memory: ${before} bytes before, ${peak} bytes at most`)
  t.ok(peak - before < growthMaxBytes, `it grows by ${peak - before} bytes`)

  const addresses = await readAddresses(emulatorUrl)
  const rows = lines.slice(0, -1)
  const untrue = rows.filter(({ row = 0, status, id = 0 }, index) => {
    const { email, status: expected } = expectedRow(index + 1)
    return row !== index + 1 || status !== expected || (status === 'created' && addresses.get(id) !== email)
  })
  t.strictSame(untrue.slice(0, 10), [])
  const counts = Object.fromEntries(['created', 'invalid', 'rejected'].map(name => {
    return [name, rows.filter(({ status }) => status === name).length]
  }))
  t.match(lines.at(-1), { totals: { rows: rowCount, ...counts } })
  t.equal(rows.length, rowCount)
  t.equal(addresses.size, existing.length + (counts['created'] ?? 0))
  t.equal(new Set(addresses.values()).size, addresses.size, 'nobody exists twice')
})
