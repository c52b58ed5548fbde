// A file of people is validated while it streams and sent in batches; each row has a line that says what became of it.
import t, { type Test } from 'tap'
import { unbufferedOutput } from '../../src/telemetry/log-writer.ts'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { addressOf, csvOf, parseLines, sendImport } from '../helpers/imports.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { get as sendGet } from '../helpers/request-builders.ts'
import { RawConnection, boundary, multipartBody, sendJson } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { skipTime } from '../helpers/skip-time.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// Many tests wait for Procore. Those that move the clocks run alone, also those with tests that do.
t.jobs = 4
const alone = { buffered: false, jobs: 4 }

const syncPath = '/users/sync'
const importUrl = (service: Service, query = '') => `${service.usersUrl}/import${query}`
const syncs = ({ emulator }: Service) => emulator.apiRequests.filter(({ path }) => path.includes(syncPath))
const people = ({ emulator }: Service) =>
  emulator.api.directory.list(101).map(({ values }) => String(values['email_address'])).sort()
const withKey = (key: string) => ({ 'idempotency-key': key })
const fileOf = (...rows: string[]) => rows.map(row => `${row}\n`).join('')
const range = (count: number, start = 1) => Array.from({ length: count }, (_, index) => start + index)

t.test('every row of a CSV file is created by one request, and reported in order', async t => {
  const service = await startService(t)
  const response = await sendImport(importUrl(service), csvOf(3))
  t.match(response, { status: 200, headers: { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' } })
  t.strictSame(response.rows, ['1 created', '2 created', '3 created'])
  t.match(response.totals, { rows: 3, created: 3, invalid: 0 })
  t.equal(response.problem, undefined)
  t.strictSame(people(service), range(3).map(addressOf))
  t.equal(syncs(service).length, 1)
  const ids = service.emulator.api.directory.list(101).map(({ id }) => id)
  t.strictSame(response.lines.slice(0, 3).map(({ id }) => id), ids)
})

t.test('the log has a line when an import begins, and none for a dry run', async t => {
  const service = await startService(t)
  const started = () => service.lines.filter(({ msg }) => msg === 'import started')
  await sendImport(importUrl(service, '?dry_run=true'), csvOf(1))
  t.strictSame(started(), [])
  // Its file does not end, so the import is in progress.
  const head = [
    'POST /companies/101/users/import HTTP/1.1', 'host: localhost', 'x-request-id: begins', 'content-type: text/csv',
    'content-length: 1000', '', 'last_name',
  ].join('\r\n')
  const connection = new RawConnection(service.port).write(head)
  await waitUntil(() => started().length > 0)
  t.match(started(), [{ level: 'info', requestId: 'begins', companyId: 101 }])
  connection.socket.destroy()
})

t.test('a thousand people cost a handful of requests', async t => {
  const service = await startService(t)
  const { totals } = await sendImport(importUrl(service), csvOf(1_000))
  t.match(totals, { rows: 1_000, created: 1_000 })
  t.equal(people(service).length, 1_000)
  t.ok(service.emulator.apiRequests.length <= 8, String(service.emulator.apiRequests.length))
})

t.test('a row that is not valid does not keep the others from being created', async t => {
  const service = await startService(t)
  const file = fileOf('last_name,email_address,vendor_id',
    `Doe,${addressOf(1)},x`, 'Doe,nobody,', `,${addressOf(3)},`, `Doe,${addressOf(4)},5`)
  const response = await sendImport(importUrl(service), file)
  t.strictSame(response.rows, ['1 invalid', '2 invalid', '3 invalid', '4 created'])
  t.match(response.lines[0]?.errors, [{ pointer: '/vendor_id', field: 'vendor_id', rule: 'type' }])
  t.match(response.lines[1]?.errors, [{ pointer: '/email_address', rule: 'format' }])
  t.match(response.lines[2]?.errors, [{ pointer: '/last_name', rule: 'required' }])
  t.strictSame(people(service), [addressOf(4)])
})

t.test('a person that is in the directory already is found before anything is sent', async t => {
  const service = await startService(t)
  const user = { last_name: 'Doe', email_address: addressOf(2).toUpperCase() }
  const { json } = await sendJson(service.usersUrl, { user })
  const response = await sendImport(importUrl(service), csvOf(2))
  t.strictSame(response.rows, ['1 created', '2 rejected'])
  t.match(response.lines[1], { id: json['id'], errors: [{ pointer: '/email_address', rule: 'duplicate' }] })
  t.equal(JSON.stringify(syncs(service).map(({ body }) => String(body))).includes(addressOf(2)), false)
})

t.test('a second row with the same address is invalid', async t => {
  const service = await startService(t)
  const response = await sendImport(importUrl(service), csvOf(2) + `Other,${addressOf(1)}\n`)
  t.strictSame(response.rows, ['1 created', '2 created', '3 invalid'])
  const message = 'repeats the value of row 1'
  t.match(response.lines[2]?.errors, [{ pointer: '/email_address', rule: 'duplicate', message }])
})

t.test('with mode=upsert people who exist are updated, and those who do not differ are not sent', async t => {
  const service = await startService(t)
  await sendImport(importUrl(service), csvOf(2))
  const file = fileOf('last_name,email_address,job_title',
    `Person 1,${addressOf(1)},`, `Person 2,${addressOf(2)},Foreman`, `New,${addressOf(3)},`)
  const response = await sendImport(importUrl(service, '?mode=upsert'), file)
  t.strictSame(response.rows, ['1 unchanged', '2 updated', '3 created'])
  const user = service.emulator.api.directory.list(101).find(({ values }) => values['email_address'] === addressOf(2))
  t.match(user?.values, { job_title: 'Foreman', last_name: 'Person 2' })
  t.equal(people(service).length, 3)
})

t.test('a row may name a person by id, and the id must exist', async t => {
  const service = await startService(t)
  const { lines } = await sendImport(importUrl(service), csvOf(1))
  const file = `id,job_title\n${lines[0]?.id},Foreman\n999,Foreman\n`
  const response = await sendImport(importUrl(service, '?mode=upsert'), file)
  t.strictSame(response.rows, ['1 updated', '2 rejected'])
  t.match(response.lines[1]?.errors, [{ pointer: '/id', rule: 'dependency' }])
})

t.test('a second row about the same person is invalid, by whatever it names the person', async t => {
  const service = await startService(t)
  const { lines } = await sendImport(importUrl(service), csvOf(2))
  const file = fileOf('id,last_name,email_address,job_title',
    `${lines[0]?.id},,,Foreman`, `,Doe,${addressOf(1)},Boss`, `,Doe,${addressOf(2)},Boss`)
  const response = await sendImport(importUrl(service, '?mode=upsert'), file, withKey('same'))
  t.strictSame(response.rows, ['1 updated', '2 invalid', '3 updated'])
  t.match(response.lines[1]?.errors, [{ pointer: '/email_address', rule: 'duplicate', message: /row 1$/ }])
  const repeated = await sendImport(importUrl(service, '?mode=upsert'), file, withKey('same'))
  t.strictSame(repeated.lines, response.lines)
})

t.test('a row with the address of several people is rejected, unless it names one of them by id', async t => {
  const service = await startService(t)
  const add = (lastName: string) => service.emulator.api.directory.add(101, {
    values: { last_name: lastName, email_address: addressOf(1) },
  }, new Date())
  add('First')
  const { id } = add('Second')
  for (const query of ['', '?mode=upsert']) {
    const { lines } = await sendImport(importUrl(service, query), csvOf(1))
    t.match(lines[0], { status: 'rejected', errors: [{ pointer: '/email_address', rule: 'duplicate' }] })
  }
  t.strictSame(syncs(service), [])
  const file = fileOf('id,email_address,job_title', `${id},${addressOf(1)},Foreman`)
  await sendImport(importUrl(service, '?mode=upsert'), file)
  t.match(String(syncs(service)[0]?.body), `"id":${id}`)
})

t.test('an origin_id that differs in case only is that of the same person', async t => {
  const service = await startService(t)
  const file = (...ids: string[]) =>
    fileOf('last_name,email_address,origin_id', ...ids.map((id, index) => `Doe,${addressOf(index + 1)},${id}`))
  t.strictSame((await sendImport(importUrl(service), file('Abc', 'aBC'))).rows, ['1 created', '2 invalid'])
  const other = `last_name,email_address,origin_id\nDoe,${addressOf(5)},ABC\n`
  for (const query of ['', '?mode=upsert']) {
    const { lines } = await sendImport(importUrl(service, query), other)
    t.match(lines[0], { status: 'rejected', errors: [{ pointer: '/origin_id', rule: 'duplicate' }] })
  }
})

t.test('a dry run reports every row and calls Procore for none', async t => {
  const service = await startService(t)
  const response = await sendImport(importUrl(service, '?dry_run=true'), csvOf(2) + 'Doe,nobody\n')
  t.strictSame(response.rows, ['1 not_sent', '2 not_sent', '3 invalid'])
  t.strictSame(service.emulator.apiRequests, [])
})

t.test('the file is NDJSON, or the one part of a form', async t => {
  const rows = range(2).map(number => JSON.stringify({ last_name: 'Doe', email_address: addressOf(number) })).join('\n')
  const parts = [{ name: 'file', filename: 'people.csv', type: 'text/csv', data: csvOf(2) }]
  const requests: ReadonlyArray<[name: string, body: string | Buffer, type: string]> = [
    ['NDJSON', rows, 'application/x-ndjson'],
    ['form', multipartBody(parts), `multipart/form-data; boundary=${boundary}`],
  ]
  for (const [name, body, type] of requests) {
    await t.test(name, async t => {
      const service = await startService(t)
      const response = await sendImport(importUrl(service), body, { 'content-type': type })
      t.strictSame(response.rows, ['1 created', '2 created'], response.text)
    })
  }
  await t.test('JSON is refused', async t => {
    const service = await startService(t)
    const response = await sendImport(importUrl(service), '[]', { 'content-type': 'application/json' })
    t.match(response.json, { status: 415, code: 'unsupported_media_type', detail: /text\/csv/ })
  })
})

t.test('a header with an unknown column is refused before any row is sent', async t => {
  const service = await startService(t)
  const response = await sendImport(importUrl(service), csvOf(2).replace('last_name', 'last_nam'))
  t.match(response.json, { status: 422, code: 'validation_failed' })
  t.strictSame(service.emulator.apiRequests, [])
})

t.test('a second import into the same company is refused, and one into another company is not', async t => {
  const service = await startService(t)
  service.emulator.faults.add({ kind: 'delay', delayMs: 600, path: '/companies/101/users/sync' })
  const first = sendImport(importUrl(service), csvOf(1))
  await waitUntil(() => syncs(service).length === 1)
  const second = await sendImport(importUrl(service), csvOf(1, 5))
  t.match(second.json, { status: 409, code: 'import_in_progress', outcome: 'not_sent' })
  t.match(second.headers['retry-after'], /^\d+$/)
  const other = await sendImport(importUrl(service).replace('/101/', '/102/'), csvOf(1))
  t.strictSame(other.rows, ['1 created'])
  t.strictSame((await first).rows, ['1 created'])
  t.strictSame((await sendImport(importUrl(service), csvOf(1, 6))).rows, ['1 created'])
})

t.test('a company without the app is a problem of the whole request', async t => {
  const service = await startService(t, { emulator: { forbiddenCompanyIds: [101] } })
  const response = await sendImport(importUrl(service), csvOf(2))
  t.match(response.json, { status: 403, code: 'procore_rejected', outcome: 'not_sent' })
})

t.test('progress is reported while the import waits', async t => {
  const service = await startService(t)
  service.emulator.faults.add({ kind: 'delay', delayMs: 11_000, path: syncPath })
  const response = await sendImport(importUrl(service), csvOf(2) + 'Doe,nobody\n')
  const lines = parseLines(response.text)
  t.match(lines.find(({ progress }) => progress !== undefined), { progress: { read: 3, finished: 1 } })
  t.strictSame(response.rows, ['1 created', '2 created', '3 invalid'])
})

t.test('errors that Procore reports for a row are in its line', async t => {
  const service = await startService(t, { env: { UPSTREAM_TIMEOUT_MS: '1000' } })
  const file = `last_name,email_address,origin_id\nDoe,${addressOf(1)},a\nDoe,${addressOf(2)},b\n`
  service.emulator.faults.add({
    kind: 'status',
    status: 200,
    path: syncPath,
    body: JSON.stringify({
      entities: [], errors: [{ email_address: addressOf(1), errors: { email_address: ['is bad'] } }],
    })
  })
  const body = '{"errors":{"base":["no"]}}'
  service.emulator.faults.add({ kind: 'status', status: 422, path: syncPath, times: 9, body })
  const response = await sendImport(importUrl(service), file, withKey('errors'))
  t.strictSame(response.rows, ['1 rejected', '2 rejected'], response.text)
  t.match(response.lines[0]?.errors, [{ pointer: '/email_address', rule: 'procore', message: 'is bad' }])
})

t.test('a batch whose response was lost is looked up, and no person is made twice', { jobs: 5 }, async t => {
  const kinds = ['reset-after-body', 'truncate', 'garbage', 'reset-before-body', 'silence'] as const
  for (const kind of kinds) {
    t.test(kind, async t => {
      const service = await startService(t, { env: { UPSTREAM_TIMEOUT_MS: '1000' } })
      service.emulator.faults.add({ kind, path: syncPath })
      const response = await sendImport(importUrl(service), csvOf(3))
      t.strictSame(response.rows, ['1 created', '2 created', '3 created'], response.text)
      t.strictSame(people(service), range(3).map(addressOf))
    })
  }
})

t.test('rows that Procore does not mention in its answer are looked up', async t => {
  const service = await startService(t, { emulator: { syncDropsRows: 2, syncShuffles: true } })
  const response = await sendImport(importUrl(service), csvOf(4))
  t.strictSame(response.rows, range(4).map(number => `${number} created`))
  t.strictSame(people(service), range(4).map(addressOf))
})

t.test('the time for Procore to process a lost batch starts after the wait for the rate limit', alone, async t => {
  const service = await startService(t, { env: { UPSTREAM_TIMEOUT_MS: '500' } })
  const skip = skipTime(t)
  const { faults } = service.emulator
  faults.add({ kind: 'status', status: 429, path: syncPath, headers: { 'retry-after': '1' }, body: '{}' })
  faults.add({ kind: 'reset-before-body', path: syncPath })
  const pending = sendImport(importUrl(service), csvOf(2))
  await waitUntil(() => syncs(service).length === 1)
  skip(60_000)
  t.strictSame((await pending).rows, ['1 created', '2 created'])
  const requests = service.emulator.apiRequests.map(({ path }) => path.includes(syncPath) ? 'sync' : 'list')
  const [lost = 0, repeated = 0] = requests.flatMap((kind, index) => kind === 'sync' ? [index] : []).slice(1)
  t.ok(repeated - lost > 3, 'the directory is read more than once before the rows are sent again')
})

t.test('an import whose first rows meet the rate limit is refused with the time to wait', async t => {
  const service = await startService(t)
  const headers = { 'retry-after': '3000' }
  service.emulator.faults.add({ kind: 'status', status: 429, path: syncPath, headers, body: '{}' })
  const limited = await sendImport(importUrl(service), csvOf(2), withKey('limited'))
  t.match(limited, { status: 429, json: { code: 'procore_rate_limited', outcome: 'rejected' } })
  t.match(limited.headers['retry-after'], /^\d{4}$/)
  t.strictSame(people(service), [])
})

t.test('an import that meets the rate limit in its middle ends with the time to wait, and is resumed',
  alone, async t => {
    const service = await startService(t)
    const skip = skipTime(t)
    const file = csvOf(250)
    const { faults } = service.emulator
    faults.add({ kind: 'delay', delayMs: 1, path: syncPath })
    faults.add({ kind: 'status', status: 429, path: syncPath, headers: { 'retry-after': '2000' }, body: '{}' })
    const limited = await sendImport(importUrl(service), file, withKey('limited'))
    t.match(limited.totals, { created: 200, not_sent: 50 })
    t.match(limited.problem, { code: 'procore_rate_limited', status: 429, request_id: limited.headers['x-request-id'] })
    t.match(limited.problem?.['retry_after'], Number)
    skip(2_100_000)
    const resumed = await sendImport(importUrl(service), file, withKey('limited'))
    t.match(resumed.totals, { rows: 250, created: 250 })
    t.strictSame(people(service), range(250).map(addressOf))
  })

t.test('a row of a batch that Procore refused is rejected, if others created its person meanwhile', alone, async t => {
  const service = await startService(t)
  const skip = skipTime(t)
  const { faults, api } = service.emulator
  faults.add({ kind: 'status', status: 429, path: syncPath, headers: { 'retry-after': '2000' }, body: '{}' })
  t.equal((await sendImport(importUrl(service), csvOf(2), withKey('others'))).status, 429)
  api.directory.add(101, { values: { last_name: 'Other', email_address: addressOf(2) } }, new Date())
  skip(2_100_000)
  const resumed = await sendImport(importUrl(service), csvOf(2), withKey('others'))
  t.strictSame(resumed.rows, ['1 created', '2 rejected'])
  t.equal(syncs(service).filter(({ body }) => String(body).includes(addressOf(2))).length, 1)
})

t.test('a row whose response was lost is unknown, and not sent again, if its person differs in Procore',
  alone, async t => {
    const service = await startService(t)
    const skip = skipTime(t)
    const { faults, api } = service.emulator
    faults.add({ kind: 'status', status: 500, path: syncPath, body: '{}' })
    const running = sendImport(importUrl(service), csvOf(2), withKey('others'))
    await waitUntil(() => syncs(service).length === 1)
    api.directory.add(101, { values: { last_name: 'Other', email_address: addressOf(2) } }, new Date())
    skip(60_000)
    t.strictSame((await running).rows, ['1 created', '2 unknown'])
    t.equal(syncs(service).filter(({ body }) => String(body).includes(addressOf(2))).length, 1)
  })

t.test('an import that arrives while the service is stopping sends nothing', async t => {
  const service = await startService(t)
  service.app.inFlight.startDraining()
  const response = await sendImport(importUrl(service), csvOf(2))
  t.match(response.json, { status: 503, code: 'stopping', outcome: 'not_sent' })
  t.strictSame(service.emulator.apiRequests, [])
})

t.test('an import whose caller leaves sends no other batch, and is resumed with its key', alone, async t => {
  const file = csvOf(450)
  const half = csvOf(250)
  const list = '/companies/101/users?'
  const headers = { 'retry-after': '100' }
  const limited = { kind: 'status', status: 429, headers, body: '{}', path: syncPath } as const
  const cases: ReadonlyArray<[when: string, start: LeftImport]> = [
    ['during the upload', {
      body: half,
      fault: { kind: 'delay', delayMs: 300, path: syncPath },
      isWaiting: service => syncs(service).length === 1,
      totals: { created: 200 },
    }],
    ['while the directory is read', {
      body: file,
      fault: { kind: 'delay', delayMs: 300, path: list },
      isWaiting: ({ emulator }) => emulator.apiRequests.length === 1,
      totals: { created: 0, not_sent: 450 },
    }],
    ['while a batch is in flight', {
      body: file,
      fault: { kind: 'delay', delayMs: 300, path: syncPath },
      isWaiting: service => syncs(service).length === 1,
      totals: { created: 200, not_sent: 250 },
    }],
    ['while lines of an earlier batch are received', {
      body: file,
      fault: { kind: 'delay', delayMs: 300, path: syncPath, times: 2 },
      isWaiting: service => syncs(service).length === 2,
      totals: { created: 400, not_sent: 50 },
    }],
    ['while a batch waits for the rate limit', {
      body: file,
      fault: limited,
      isWaiting: ({ app }) => app.procore.rateLimiter.waitingCount === 1,
      totals: { created: 0, not_sent: 450 },
    }],
  ]
  for (const [when, { body, fault, isWaiting, totals }] of cases) {
    const isLimited = when.includes('limit')
    t.test(when, { buffered: !isLimited }, async t => {
      const service = await startService(t)
      service.emulator.faults.add(fault)
      const head = [
        'POST /companies/101/users/import HTTP/1.1', 'host: x', 'content-type: text/csv', 'idempotency-key: left',
        `content-length: ${Buffer.byteLength(file)}`, '', '',
      ].join('\r\n')
      const connection = new RawConnection(service.port).write(head + body)
      await waitUntil(() => isWaiting(service))
      connection.socket.resetAndDestroy()
      await waitUntil(() => service.app.inFlight.count === 0)
      t.equal(people(service).length, totals.created)
      t.match(service.lines.findLast(({ route }) => route === '/companies/:company_id/users/import'), {
        status: 499, importRows: totals,
      })
      if (isLimited) skipTime(t)(200_000)
      const resumed = await sendImport(importUrl(service), file, withKey('left'))
      t.match(resumed.totals, { rows: 450, created: 450 })
      t.strictSame(people(service), range(450).map(addressOf))
    })
  }
})

interface LeftImport {
  /** The part of the file that is uploaded before the caller leaves. */
  body: string
  fault: InjectedFault
  isWaiting: (service: Service) => boolean
  totals: { created: number, not_sent?: number }
}

t.test('an import leaves the last third of the window to single creates', async t => {
  const service = await startService(t, { emulator: { rateLimit: 12, rateWindowSeconds: 600 } })
  const { totals, problem } = await sendImport(importUrl(service), csvOf(1_600))
  t.match(totals, { rows: 1_600, created: 1_200, not_sent: 400 })
  t.match(problem, { code: 'procore_rate_limited', detail: /reserved for single creates/ })
  t.equal(service.emulator.apiRequests.length, 8, 'two lists and six batches')
  const create = (number: number) =>
    sendJson(service.usersUrl, { user: { last_name: 'Doe', email_address: addressOf(number) } })
  for (const number of range(4, 9_001)) t.equal((await create(number)).status, 201)
  t.match((await create(9_005)).json, { status: 429, detail: /is exhausted/ })
  t.strictSame(people(service), [...range(1_200), ...range(4, 9_001)].map(addressOf))
})

t.test('a repeat with the same key and file reports the same rows and sends nothing', async t => {
  const service = await startService(t)
  const file = csvOf(3) + 'Doe,nobody\n'
  const first = await sendImport(importUrl(service), file, withKey('same'))
  const second = await sendImport(importUrl(service), file, withKey('same'))
  t.strictSame(second.lines, first.lines)
  t.equal(syncs(service).length, 1)
  const other = await sendImport(importUrl(service), csvOf(3, 7), withKey('same'))
  t.match(other.json, { status: 422, code: 'idempotency_key_reused' })
  t.equal(people(service).length, 3)
})

t.test('another file or mode with the same key is refused and sends nothing, also if it begins with the first file',
  async t => {
    const service = await startService(t)
    const file = csvOf(3)
    const dryRun = await sendImport(importUrl(service, '?dry_run=true'), csvOf(9), withKey('same'))
    t.equal(dryRun.status, 200, 'a dry run ignores the key')
    const first = await sendImport(importUrl(service), file, withKey('same'))
    const nobody = fileOf('last_name,email_address', 'Doe,nobody')
    await sendImport(importUrl(service), nobody, withKey('nothing-sent'))
    const large = csvOf(4_000)
    await sendImport(importUrl(service), large, withKey('large'))
    const sent = syncs(service).length
    const others: ReadonlyArray<[name: string, query: string, key: string, body: string]> = [
      ['longer', '', 'same', csvOf(4)],
      ['shorter', '', 'same', csvOf(2)],
      ['another mode', '?mode=upsert', 'same', file],
      ['after a file of which nothing was sent', '', 'nothing-sent', csvOf(1, 5_000)],
    ]
    for (const [name, query, key, body] of others) {
      const other = await sendImport(importUrl(service, query), body, withKey(key))
      t.match(other.json, { status: 422, code: 'idempotency_key_reused' }, name)
    }
    const differsLate = await sendImport(importUrl(service), csvOf(4_001), withKey('large'))
    const code = differsLate.problem?.['code'] ?? differsLate.json['code']
    t.equal(code, 'idempotency_key_reused')
    t.equal(syncs(service).length, sent)
    t.strictSame((await sendImport(importUrl(service), file, withKey('same'))).lines, first.lines)
  })

t.test('each row that was sent has an audit line, and the import has a log line and metrics', async t => {
  const service = await startService(t)
  await sendImport(importUrl(service), csvOf(2) + 'Doe,nobody\n')
  await waitUntil(() => service.lines.some(({ importRows }) => importRows !== undefined))
  const audits = service.lines.filter(({ name }) => name === 'audit')
  t.match(audits.filter(({ msg }) => msg === 'create'), [
    { operation: 'import-company-users', row: 1, outcome: 'created', companyId: 101 },
    { operation: 'import-company-users', row: 2, outcome: 'created', companyId: 101 },
  ])
  const { text } = await sendGet(`${service.url}/metrics`)
  t.match(text, /import_rows_total\{status="created"\} 2\n/)
  t.match(text, /import_rows_total\{status="invalid"\} 1\n/)
  t.notMatch(text, /upstream_duration_seconds_count/, 'its requests to Procore are not measured as those of one caller')
})

t.test('an import sends nothing while its audit lines could be lost', async t => {
  const service = await startService(t, { logOutput: { ...unbufferedOutput(() => {}), auditCapacity: 0 } })
  const response = await sendImport(importUrl(service), csvOf(2))
  t.match(response.json, { status: 503, code: 'overloaded', outcome: 'not_sent' })
  t.strictSame(syncs(service), [])
})

t.test('a repeat reports rows without their errors if these are too large to be stored', async t => {
  const service = await startService(t)
  const toError = (number: number) =>
    ({ email_address: addressOf(number), errors: { base: Array.from({ length: 50 }, () => 'x'.repeat(1_000)) } })
  const body = JSON.stringify({ entities: [], errors: [toError(1), toError(2)] })
  service.emulator.faults.add({ kind: 'status', status: 200, path: syncPath, body })
  const first = await sendImport(importUrl(service), csvOf(2), withKey('large'))
  t.equal(first.lines[1]?.errors?.length, 50)
  const repeated = await sendImport(importUrl(service), csvOf(2), withKey('large'))
  t.match(repeated.lines.slice(0, 2), [{ status: 'rejected', errors: [] }, { status: 'rejected', errors: [] }])
})

t.test('templates and scopes hold for every row', async t => {
  const issuer = await startIssuer(t)
  const env = { ...issuer.env, JWT_SCOPE_PREFIX: 'p:', PERMISSION_TEMPLATE_IDS: '27' }
  const service = await startService(t, { env })
  const run = async (file: string, query: string, scopes: string) =>
    sendImport(importUrl(service, query), file, bearerHeader(await issuer.sign({ scope: scopes })))
  await noScope(t, () => run(csvOf(1), '', 'p:import-company-users'), 'create-company-user')
  const all = 'p:import-company-users p:create-company-user'
  await noScope(t, () => run(csvOf(1), '?mode=upsert', all), 'update-company-user')
  const file = fileOf('last_name,email_address,default_permission_template_id',
    `Doe,${addressOf(1)},27`, `Doe,${addressOf(2)},28`)
  const created = await run(file, '', all)
  t.strictSame(created.rows, ['1 created', '2 invalid'])
  t.match(created.lines[1], { code: 'template_not_allowed' })
  const change = `last_name,email_address,is_active\nDoe,${addressOf(1)},false\n`
  const login = await run(change, '?mode=upsert', `${all} p:update-company-user`)
  t.match(login.lines[0], { status: 'invalid', code: 'operation_not_allowed' })
  const allowed = await run(change, '?mode=upsert', `${all} p:update-company-user p:update-company-user-login`)
  t.strictSame(allowed.rows, ['1 updated'])
  const again = fileOf('last_name,email_address', `Again,${addressOf(1)}`)
  const inactive = await run(again, '?mode=upsert', `${all} p:update-company-user`)
  t.match(inactive.lines[0], { status: 'invalid', code: 'operation_not_allowed' }, 'Procore may make the person active')
  const { id } = service.emulator.api.directory.add(101, {
    values: {
      last_name: 'Admin', email_address: addressOf(9), company_permission_template_id: 1,
    }
  }, new Date())
  const other = fileOf('last_name,email_address', `Other,${addressOf(9)}`)
  const admin = await run(other, '?mode=upsert', `${all} p:update-company-user`)
  t.match(admin.lines[0], { status: 'invalid', id, code: 'template_not_allowed' })
})

async function noScope (t: Test, run: () => ReturnType<typeof sendImport>, operation: string): Promise<void> {
  const response = await run()
  t.match(response.json, { status: 403, code: 'operation_not_allowed' })
  t.match(response.headers['www-authenticate'], operation)
}
