// Tests the client's import: the lines of the response, however they arrive, and how an import ends.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import {
  createClient, NetworkError, ProblemError, type ImportedRow, type ImportFile, type ImportOptions, type ImportProgress,
} from '../../client/client.ts'
import { limits } from '../../client/limits.ts'
import { problemTable } from '../../src/server/problem.ts'
import { listen } from '../helpers/listen.ts'
import { problemResponse } from '../helpers/scripted-server.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const csv = 'last_name,email_address\nMüller,user-0001@example.com\n'
const totals = { rows: 2, created: 1, updated: 0, invalid: 1, rejected: 0, unknown: 0, not_sent: 0, unchanged: 0 }
const created = { row: 1, status: 'created', id: 381007 }
const error = {
  in: 'body', pointer: '/email_address', field: 'email_address', rule: 'format', message: 'muß eine Adresse sein 🏗',
}
const invalid = { row: 2, status: 'invalid', errors: [error] }
const toLines = (...lines: unknown[]) => lines.map(line => `${JSON.stringify(line)}\n`).join('')

interface ReceivedImport { request: IncomingMessage, body: string }

interface ImportServer {
  url: string
  received: ReceivedImport[]
}

/** Responds to each import with the next script; the last script is repeated. */
async function startImportServer (
  t: Test, ...scripts: Array<(response: ServerResponse) => void | Promise<void>>
): Promise<ImportServer> {
  const received: ReceivedImport[] = []
  const server = createServer(async (request, response) => {
    const body = await text(request)
    const script = scripts[Math.min(received.length, scripts.length - 1)]
    received.push({ request, body })
    await script?.(response)
  })
  return { url: `http://127.0.0.1:${await listen(t, server)}`, received }
}

const writeHead = (response: ServerResponse) => response.writeHead(200, { 'content-type': 'application/x-ndjson' })

const respondWith = (...lines: unknown[]) => (response: ServerResponse) => {
  writeHead(response).end(toLines(...lines))
}

/** Writes the lines and destroys the connection when the client has them. */
const cutOffAfter = (content: string) => async (response: ServerResponse) => {
  await new Promise(resolve => writeHead(response).write(content, resolve))
  response.socket?.end(() => response.destroy())
}

const importUsers = (url: string, file: ImportFile = csv, options?: ImportOptions) =>
  createClient({ baseUrl: url }).importUsers(101, file, options)

async function collect (rows: AsyncIterable<ImportedRow>): Promise<ImportedRow[]> {
  const collected: ImportedRow[] = []
  for await (const row of rows) collected.push(row)
  return collected
}

t.test('the loop gets each row with its status, and the end has the totals', async t => {
  const { url, received } = await startImportServer(t, respondWith(created, invalid, { totals }))
  const userImport = importUsers(url)
  t.strictSame(await collect(userImport), [created, invalid])
  t.match(await userImport.finish(), { totals, problem: undefined })
  const [{ request, body } = { request: undefined, body: '' }] = received
  t.equal(request?.url, '/companies/101/users/import')
  t.match(request?.headers, { 'content-type': 'text/csv', 'idempotency-key': userImport.idempotencyKey })
  t.equal(body, csv)
})

t.test('`finish` calls onRow and onProgress, and returns the end', async t => {
  const { url } = await startImportServer(t, respondWith(
    created, { progress: { read: 2, finished: 1 } }, { a_later_kind: true }, invalid, { totals }
  ))
  const rows: ImportedRow[] = []
  const progress: ImportProgress[] = []
  const end = await importUsers(url, csv, {
    onRow: row => rows.push(row), onProgress: heartbeat => progress.push(heartbeat),
  }).finish()
  t.strictSame(rows, [created, invalid])
  t.strictSame(progress, [{ read: 2, finished: 1 }])
  t.strictSame(end, { totals, problem: undefined, requestId: undefined })
})

t.test('lines and characters that are split over chunks are read whole', async t => {
  const { url } = await startImportServer(t, async response => {
    writeHead(response)
    for (const byte of Buffer.from(toLines(created, invalid, { totals }))) {
      await new Promise(resolve => response.write(Buffer.of(byte), resolve))
    }
    response.end()
  })
  t.strictSame(await collect(importUsers(url)), [created, invalid])
})

t.test('a row reaches the loop before the response has ended', async t => {
  const { promise: hasRow, resolve } = Promise.withResolvers<void>()
  const { url } = await startImportServer(t, async response => {
    writeHead(response).write(toLines(created))
    await hasRow
    response.end(toLines(invalid, { totals }))
  })
  const rows = importUsers(url)[Symbol.asyncIterator]()
  t.match(await rows.next(), { value: created })
  resolve()
  t.match(await rows.next(), { value: invalid })
  t.match(await rows.next(), { done: true })
})

const files: Array<{ name: string, file: () => ImportFile, type?: 'application/x-ndjson', expected: string }> = [
  { name: 'a string', file: () => csv, expected: 'text/csv' },
  { name: 'a string with a type', file: () => csv, type: 'application/x-ndjson', expected: 'application/x-ndjson' },
  {
    name: 'a CSV file of Windows',
    file: () => new File([csv], 'a.CSV', { type: 'application/vnd.ms-excel' }),
    expected: 'text/csv',
  },
  { name: 'an NDJSON file', file: () => new File([csv], 'a.ndjson'), expected: 'application/x-ndjson' },
  {
    name: 'a Blob of NDJSON',
    file: () => new Blob([csv], { type: 'application/x-ndjson' }),
    expected: 'application/x-ndjson',
  },
  { name: 'a Blob without a type', file: () => new Blob([csv]), expected: 'text/csv' },
  { name: 'a stream', file: () => new Blob([csv]).stream(), expected: 'text/csv' },
]
for (const { name, file, type, expected } of files) {
  t.test(`${name} is sent as ${expected}`, async t => {
    const { url, received } = await startImportServer(t, respondWith({ totals }))
    await importUsers(url, file(), { type }).finish()
    t.match(received, [{ request: { headers: { 'content-type': expected } }, body: csv }])
  })
}

t.test('the options are sent in the query, and a dry run has no idempotency key', async t => {
  const { url, received } = await startImportServer(t, respondWith({ totals }))
  await importUsers(url, csv, { mode: 'upsert', dryRun: true, idempotencyKey: 'one' }).finish()
  t.equal(received[0]?.request.url, '/companies/101/users/import?mode=upsert&dry_run=true')
  t.equal(received[0]?.request.headers['idempotency-key'], undefined)
})

t.test('an import that ended early has the problem, and when to resume', async t => {
  const { status, title } = problemTable.procore_rate_limited
  const type = '/docs/problems#procore_rate_limited'
  const detail = 'Try again later.'
  const problem = { type, title, status, detail, code: 'procore_rate_limited', request_id: 'r-1', retry_after: 30 }
  const { url } = await startImportServer(t, respondWith(created, { totals, problem }))
  const end = await importUsers(url).finish()
  t.ok(end.problem instanceof ProblemError)
  t.match(end, { totals, problem: { code: 'procore_rate_limited', requestId: 'r-1', retryAfterMs: 30_000 } })
})

t.test('a problem before the first row is thrown with the key', async t => {
  const { status, headers, body } = problemResponse('validation_failed')
  const { url } = await startImportServer(t, response => { response.writeHead(status, headers).end(body) })
  await t.rejects(collect(importUsers(url, csv, { idempotencyKey: 'one' })), {
    name: 'ProblemError', code: 'validation_failed', idempotencyKey: 'one',
  })
})

t.test('a problem that may pass is retried with the same key and file, but a stream cannot be sent again', async t => {
  const { status, headers, body } = problemResponse('overloaded', undefined, '0')
  const refuse = (response: ServerResponse) => { response.writeHead(status, headers).end(body) }
  await t.test('text', async t => {
    const { url, received } = await startImportServer(t, refuse, respondWith(created, { totals }))
    t.strictSame(await collect(importUsers(url)), [created])
    t.strictSame(received.map(({ body }) => body), [csv, csv])
    t.equal(new Set(received.map(({ request }) => request.headers['idempotency-key'])).size, 1)
  })
  await t.test('a stream', async t => {
    const { url, received } = await startImportServer(t, refuse)
    await t.rejects(collect(importUsers(url, new Blob([csv]).stream())), { code: 'overloaded' })
    t.equal(received.length, 1)
  })
})

const cutOffs = [
  { name: 'between two lines', content: toLines(created) },
  { name: 'within a line', content: `${toLines(created)}{"row":2,"sta` },
  { name: 'before the line feed of the last line', content: `${toLines(created)}${JSON.stringify({ totals })}` },
]
for (const { name, content } of cutOffs) {
  t.test(`a response that is cut off ${name} can be resumed with the key`, async t => {
    const complete = respondWith(created, invalid, { totals })
    const { url, received } = await startImportServer(t, cutOffAfter(content), complete)
    const rows: ImportedRow[] = []
    const userImport = importUsers(url, csv, { onRow: row => rows.push(row) })
    const failure = await userImport.finish().catch((error: unknown) => error)
    t.strictSame(rows, [created])
    t.match(failure, {
      name: 'NetworkError', reason: 'incomplete', outcome: 'unknown', idempotencyKey: userImport.idempotencyKey,
    })
    t.equal(received.length, 1, 'a response of which rows were read is not requested again')
    const { idempotencyKey } = userImport
    t.strictSame(await collect(importUsers(url, csv, { idempotencyKey })), [created, invalid])
    t.equal(received[1]?.request.headers['idempotency-key'], idempotencyKey)
  })
}

t.test('a response that ends without a last line is incomplete, and changes nothing in a dry run', async t => {
  const { url } = await startImportServer(t, respondWith(created))
  const catchFailure = (options: ImportOptions) =>
    importUsers(url, csv, options).finish().catch((error: unknown) => error)
  t.match(await catchFailure({}), { reason: 'incomplete', outcome: 'unknown', idempotencyKey: String })
  t.match(await catchFailure({ dryRun: true }), { reason: 'incomplete', outcome: undefined, idempotencyKey: undefined })
})

const foreign: Array<{ name: string, respond: (response: ServerResponse) => void }> = [
  { name: 'a line that is not JSON', respond: response => { writeHead(response).end('<html>\n') } },
  { name: 'a response of JSON', respond: response => { response.writeHead(200).end('{}') } },
  { name: 'a last line without totals', respond: respondWith({ totals: null }) },
  { name: 'a problem of another form', respond: respondWith({ totals, problem: 'none' }) },
  { name: 'a line without an end', respond: response => { writeHead(response).end('x'.repeat(1_100_000)) } },
]
for (const { name, respond } of foreign) {
  t.test(`${name} does not come from the service`, async t => {
    const { url } = await startImportServer(t, respond)
    const failure = await importUsers(url).finish().catch((error: unknown) => error)
    t.ok(failure instanceof NetworkError)
    t.match(failure, { reason: 'response' })
  })
}

t.test('an import that is aborted throws the reason of the signal and closes the connection', async t => {
  let isClosed = false
  const { url } = await startImportServer(t, response => {
    response.once('close', () => { isClosed = true })
    writeHead(response).write(toLines(created))
  })
  const controller = new AbortController()
  const reason = new Error('paused')
  await t.rejects(importUsers(url, csv, {
    signal: controller.signal, onRow: () => controller.abort(reason),
  }).finish(), reason)
  await waitUntil(() => isClosed)
})

t.test('leaving the loop closes the connection', async t => {
  let isClosed = false
  const { url } = await startImportServer(t, response => {
    response.once('close', () => { isClosed = true })
    writeHead(response).write(toLines(created))
  })
  const userImport = importUsers(url)
  for await (const { status } of userImport) if (status === 'created') break
  t.match(await userImport.finish().catch((error: unknown) => error), { reason: 'incomplete' })
  await waitUntil(() => isClosed)
})

t.test('a response that is silent for longer than the limit is a timeout', async t => {
  const { url } = await startImportServer(t, response => { writeHead(response).write(toLines(created)) })
  const startTimer = setTimeout
  t.intercept(globalThis, 'setTimeout', {
    value: (callback: () => void, ms: number) => startTimer(callback, ms === limits.importSilenceMaxMs ? 50 : ms),
  })
  const failure = await importUsers(url).finish().catch((error: unknown) => error)
  t.match(failure, { name: 'NetworkError', reason: 'timeout', outcome: 'unknown' })
})
