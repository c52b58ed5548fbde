// Rows of users that Procore creates and updates in a batch: all are checked before any is sent, and the response says
// what became of each.
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { startRedis } from '../helpers/redis.ts'
import { jane, send, summarizeErrors, type TestResponse } from '../helpers/requests.ts'
import { startService, type Service, type ServiceOptions } from '../helpers/service.ts'
import { skipWithoutRedis as skip } from '../helpers/skip-without-redis.ts'

const longAgo = new Date('2026-01-01T00:00:00Z')

type Row = Record<string, unknown>

const newRow = (n: number): Row => ({ last_name: `L${n}`, email_address: `user-${n}@example.com` })
const newRows = (count: number) => Array.from({ length: count }, (_, index) => newRow(index))

const sync = ({ usersUrl }: Service, updates: unknown, headers: Record<string, string> = {}): Promise<TestResponse> =>
  send(`${usersUrl}/sync`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ updates }),
  })

interface SyncBody { rows: Array<{ row: number, status: string, id?: number }>, entities: Array<{ id: number }> }
const parseBody: (text: string) => SyncBody = JSON.parse

const addUser = ({ emulator }: Service, values: Row = {}): number =>
  emulator.api.directory.add(101, { values: { ...jane, ...values } }, longAgo).id

const getMethods = ({ emulator }: Service) => emulator.apiRequests.map(({ method }) => method)
const countSent = (service: Service) => getMethods(service).filter(method => method === 'PATCH').length
const start = (t: Test, options: ServiceOptions = {}) => startService(t, options)

t.test('users are created and updated by one request, which is sent without bid_contact and with all rows', async t => {
  const service = await start(t)
  const id = addUser(service)
  const rows = [newRow(1), { id, job_title: 'QA', notes: null }, { ...newRow(2), city: null }]
  const response = await sync(service, rows)
  t.match(response, { status: 200, headers: { 'content-type': /^application\/json/, 'cache-control': 'no-store' } })
  t.strictSame(response.json['rows'], [
    { row: 1, status: 'created', id: id + 1 },
    { row: 2, status: 'updated', id },
    { row: 3, status: 'created', id: id + 2 },
  ])
  t.match(response.json, { entities: [newRow(1), { id, job_title: 'QA', last_name: 'Doe' }, newRow(2)], errors: [] })
  const [sent] = service.emulator.apiRequests
  t.match(sent, { method: 'PATCH', path: '/rest/v1.3/companies/101/users/sync' })
  const sentRows = [newRow(1), { id, job_title: 'QA', notes: null }, newRow(2)]
  t.strictSame(JSON.parse(String(sent?.body)), { updates: sentRows })
  t.strictSame(getMethods(service), ['PATCH'], 'the directory is not read')
})

t.test('the body of Procore is passed on byte for byte, with one more member', async t => {
  const service = await start(t)
  const json = { 'content-type': 'application/json' }
  const rows = '"rows":[{"row":1,"status":"unknown"}]'
  for (const [body, expected] of [
    ['{ "entities" : [ ], "x":1.50 }\n', `{ "entities" : [ ], "x":1.50 ,${rows}}\n`],
    [' {} ', ` {${rows}} `],
    ['{"entities":"ü"}', `{"entities":"ü",${rows}}`],
  ] as const) {
    service.emulator.faults.add({ kind: 'status', status: 200, headers: json, body })
    t.equal((await sync(service, [newRow(1)])).text, expected)
  }
  service.emulator.faults.add({ kind: 'status', status: 200, headers: json, body: '[]' })
  t.match(await sync(service, [newRow(1)]), { status: 502, json: { code: 'procore_bad_response', outcome: 'unknown' } })
})

t.test('the route has Procore\'s own path too', async t => {
  const service = await start(t)
  const response = await send(`${service.url}/rest/v1.3/companies/101/users/sync`, {
    method: 'PATCH', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ updates: [newRow(1)] }),
  })
  t.match(response, { status: 200, json: { rows: [{ status: 'created' }] } })
})

t.test('a rejected row has the errors of Procore at its place in the request', async t => {
  const service = await start(t)
  addUser(service)
  const { json, text } = await sync(service, [newRow(1), jane])
  t.match(json['rows'], [{ row: 1, status: 'created' }, { row: 2, status: 'rejected' }])
  t.strictSame(json['rows'], [
    { row: 1, status: 'created', id: parseBody(text).entities[0]?.id },
    {
      row: 2,
      status: 'rejected',
      errors: [{
        in: 'body',
        pointer: '/updates/1/email_address',
        field: 'updates[1][email_address]',
        rule: 'procore',
        message: 'has already been taken',
      }],
    },
  ])
})

t.test('a row that the response does not mention is unknown, whatever the order of the others', async t => {
  const service = await start(t, { emulator: { syncDropsRows: 2, syncShuffles: true } })
  const { rows } = parseBody((await sync(service, newRows(5))).text)
  const statuses = rows.map(({ status }) => status)
  t.strictSame(statuses, ['created', 'unknown', 'created', 'unknown', 'created'])
})

t.test('a user that existed before is updated, by the times in the response if nothing else is known', async t => {
  const service = await start(t)
  const id = addUser(service, { origin_id: 'A' })
  const { json } = await sync(service, [{ ...jane, origin_id: 'A', job_title: 'QA' }])
  t.strictSame(json['rows'], [{ row: 1, status: 'updated', id }])
})

const invalid: Array<[string, Row[], string[]]> = [
  ['a field that is not known', [newRow(1), { ...newRow(2), nickname: 'x' }], ['body /updates/1/nickname unknown']],
  ['bid_contact', [{ ...newRow(1), bid_contact: true }], ['body /updates/0/bid_contact unknown']],
  ['a missing name', [{ email_address: 'a@example.com' }], ['body /updates/0/last_name required']],
  ['an e-mail address of another form', [newRow(1), { id: 5, email_address: 'x' }], [
    'body /updates/1/email_address format',
  ]],
  ['a state of another country', [{ id: 5, country_code: 'US', state_code: 'NSW' }], [
    'body /updates/0/state_code dependency',
  ]],
  ['a name that is cleared', [{ id: 5, last_name: null }], ['body /updates/0/last_name required']],
]
for (const [name, rows, errors] of invalid) {
  t.test(`a sync with ${name} is refused as a whole`, async t => {
    const service = await start(t)
    const response = await sync(service, rows)
    t.match(response, { status: 422, json: { code: 'validation_failed' } })
    t.strictSame(summarizeErrors(response), errors)
    t.strictSame(getMethods(service), [])
  })
}

t.test('a sync of 1,000 rows is one request, and one of 1,001 rows is refused', async t => {
  const service = await start(t)
  t.strictSame(summarizeErrors(await sync(service, newRows(1001))), ['body /updates size'])
  const { rows } = parseBody((await sync(service, newRows(1000))).text)
  t.equal(rows.length, 1000)
  t.ok(rows.every(({ status }) => status === 'created'))
  t.strictSame(getMethods(service), ['PATCH'])
})

t.test('a sync whose response is lost has an unknown outcome, and no row is looked up', async t => {
  const service = await start(t)
  const headers = { 'idempotency-key': 'lost' }
  service.emulator.faults.add({ kind: 'reset-after-body', method: 'PATCH' })
  const lost = { status: 502, json: { code: 'procore_unreachable', outcome: 'unknown' } }
  t.match(await sync(service, [newRow(1)], headers), lost)
  t.match(await sync(service, [newRow(1)], headers), { ...lost, headers: { 'idempotency-replayed': 'true' } })
  t.strictSame(getMethods(service), ['PATCH'])
})

t.test('the audit line counts the rows by result, without personal data', async t => {
  const service = await start(t, { emulator: { syncDropsRows: 4 } })
  const id = addUser(service)
  await sync(service, [newRow(1), { id, city: 'Carpinteria' }, jane, newRow(2)])
  t.match(service.lines.filter(({ name }) => name === 'audit'), [{
    operation: 'sync-company-users',
    outcome: 'changed',
    status: 200,
    rows: { created: 1, updated: 1, rejected: 1, unknown: 1 },
  }])
})

const longRows = (count: number) => newRows(count).map(row => ({ ...row, notes: 'x'.repeat(100) }))

for (const store of ['memory', 'Redis'] as const) {
  t.test(`a repeat of 1,000 rows receives what became of each from ${store}`, { skip }, async t => {
    const redis = store === 'Redis' ? await startRedis(t) : undefined
    const env: Record<string, string> = redis === undefined ? {} : { REDIS_URL: redis.url }
    const service = await start(t, { env })
    const headers = { 'idempotency-key': 'large' }
    const first = await sync(service, longRows(1000), headers)
    const repeat = await sync(service, longRows(1000), headers)
    t.match(repeat, { status: 200, headers: { 'idempotency-replayed': 'true' } })
    t.strictSame(repeat.json, { rows: first.json['rows'] })
    t.match(parseBody(repeat.text).rows[999], { row: 1000, status: 'created', id: Number })
  })

  t.test(`a repeat with too many errors to be stored receives the statuses from ${store}`, { skip }, async t => {
    const redis = store === 'Redis' ? await startRedis(t) : undefined
    const service = await start(t, { env: redis === undefined ? {} : { REDIS_URL: redis.url } })
    const rows = newRows(1000).map(row => ({ ...row, email_address: jane.email_address }))
    addUser(service)
    const headers = { 'idempotency-key': 'errors' }
    const first = await sync(service, rows, headers)
    t.ok(Buffer.byteLength(first.text) > limits.idempotency.rowsMaxBytes)
    const repeat = await sync(service, rows, headers)
    t.strictSame(repeat.json, { rows: rows.map((_, index) => ({ row: index + 1, status: 'rejected' })) })
  })
}

/** Starts a service where callers may assign the templates 27 and 28, and `admin@example.com` has another one. */
async function startRestricted (t: Test, admin: Row = {}) {
  const service = await start(t, { env: { PERMISSION_TEMPLATE_IDS: '27,28' }, emulator: { syncMatchesEmail: true } })
  const id = addUser(service, {
    email_address: 'admin@example.com', origin_id: 'Admin', company_permission_template_id: 1, ...admin,
  })
  return { service, id }
}

const refused = { status: 403, json: { code: 'template_not_allowed', outcome: 'not_sent' } }
const forbidden: Array<[string, (id: number) => Row]> = [
  ['the id', id => ({ id, city: 'Carpinteria' })],
  ['the e-mail address', () => ({ last_name: 'Doe', email_address: 'admin@example.com' })],
  ['the e-mail address in another case', () => ({ last_name: 'Doe', email_address: 'ADMIN@example.com' })],
  ['the origin id', () => ({ ...newRow(1), origin_id: 'Admin' })],
  ['the origin id in another case', () => ({ ...newRow(1), origin_id: 'admin' })],
  ['the e-mail address beside another id', id => ({ id: id + 1, email_address: 'admin@example.com' })],
  ['the origin id beside another id', id => ({ id: id + 1, origin_id: 'Admin' })],
]
for (const [name, toRow] of forbidden) {
  for (const isActive of [true, false]) {
    const state = isActive ? 'active' : 'inactive'
    t.test(`no row is sent if one has ${name} of an ${state} user with another template`, async t => {
      const { service, id } = await startRestricted(t, { is_active: isActive })
      addUser(service)
      const response = await sync(service, [newRow(7), toRow(id), newRow(8)])
      t.match(response, refused)
      t.match(response.json['detail'], /company_permission_template_id of an existing user .*updates\[1\]/)
      t.equal(countSent(service), 0)
    })
  }
}

t.test('a row with a template that callers may not assign is refused without a request to Procore', async t => {
  const { service } = await startRestricted(t)
  const rows: Row[] = [
    { ...newRow(1), default_permission_template_id: 1 }, { id: 5, company_permission_template_id: null },
  ]
  for (const row of rows) {
    t.match(await sync(service, [newRow(2), row]), { status: 403, json: { code: 'template_not_allowed' } })
  }
  t.strictSame(getMethods(service), [])
})

t.test('a row with an id that Procore does not list is refused where templates are restricted', async t => {
  const { service } = await startRestricted(t)
  const response = await sync(service, [newRow(1), { id: 5, city: 'Carpinteria' }])
  t.match(response, refused)
  t.match(response.json['detail'], /does not list the user.*updates\[1\]/)
  t.equal(countSent(service), 0)
})

t.test('the first of several rows that are refused is named', async t => {
  const { service, id } = await startRestricted(t)
  const other = addUser(service, { email_address: 'other@example.com', company_permission_template_id: 2 })
  const response = await sync(service, [newRow(1), { id: other }, { id }, { id: 5 }])
  t.match(response.json['detail'], /updates\[1\]\.$/)
})

t.test('users with templates that callers may assign are updated, and are known to have existed', async t => {
  const { service } = await startRestricted(t)
  const id = addUser(service, { company_permission_template_id: 28 })
  const { json } = await sync(service, [{ ...jane, job_title: 'QA' }, newRow(1)])
  t.strictSame(json['rows'], [{ row: 1, status: 'updated', id }, { row: 2, status: 'created', id: id + 1 }])
  t.strictSame(getMethods(service), ['GET', 'GET', 'PATCH'])
})

for (const [name, fault] of [
  ['cannot be read', { kind: 'status', status: 500, times: 2 }],
  ['is refused', { kind: 'status', status: 403 }],
  ['is not a list', { kind: 'status', status: 200, body: '{}' }],
] as const) {
  t.test(`no row is sent, and the idempotency key stays free, if the directory ${name}`, async t => {
    const { service } = await startRestricted(t)
    const headers = { 'idempotency-key': 'directory' }
    service.emulator.faults.add({ ...fault, method: 'GET', path: '/users/inactive' })
    t.match(await sync(service, [newRow(1)], headers), { json: { outcome: 'not_sent' } })
    t.equal(countSent(service), 0)
    t.match(await sync(service, [newRow(1)], headers), { status: 200 })
  })
}

/** Starts a service with scopes, and returns a function that syncs with these scopes beside that of the sync. */
async function startScoped (t: Test, env: Record<string, string> = {}) {
  const issuer = await startIssuer(t)
  const service = await start(t, {
    env: { ...issuer.env, JWT_SCOPE_PREFIX: 'p:', ...env }, emulator: { syncMatchesEmail: true },
  })
  const syncWith = async (scopes: readonly string[], rows: readonly Row[]) => {
    const scope = ['sync-company-users', ...scopes].map(name => `p:${name}`).join(' ')
    return sync(service, rows, bearerHeader(await issuer.sign({ scope })))
  }
  return { service, syncWith }
}

const create = 'create-company-user'
const update = 'update-company-user'
const login = 'update-company-user-login'
const scopeCases: Array<{ name: string, toRow: (id: number) => Row, needed: string[] }> = [
  { name: 'a new user', toRow: () => newRow(1), needed: [create] },
  { name: 'a field of a user by id', toRow: id => ({ id, city: 'Carpinteria' }), needed: [update] },
  {
    name: 'the address of a user by id',
    toRow: id => ({ id, email_address: 'b@example.com' }),
    needed: [update, login],
  },
  { name: 'the state of a user by id', toRow: id => ({ id, is_active: false }), needed: [update, login] },
  { name: 'a field of a user by e-mail address', toRow: () => ({ ...jane, city: 'x' }), needed: [create, update] },
  {
    name: 'the state of a user by e-mail address',
    toRow: () => ({ ...jane, is_active: false }),
    needed: [create, update, login],
  },
  {
    name: 'the address of a user by origin id',
    toRow: () => ({ ...newRow(1), origin_id: 'A' }),
    needed: [create, update, login],
  },
  {
    name: 'an inactive user, who may become active',
    toRow: () => ({ last_name: 'Doe', email_address: 'inactive@example.com' }),
    needed: [create, update, login],
  },
  {
    name: 'an inactive user, who stays inactive',
    toRow: () => ({ last_name: 'Doe', email_address: 'inactive@example.com', is_active: false }),
    needed: [create, update],
  },
]
for (const { name, toRow, needed } of scopeCases) {
  t.test(`a row that changes ${name} needs ${needed.join(', ')}`, async t => {
    const { service, syncWith } = await startScoped(t)
    const id = addUser(service, { origin_id: 'A' })
    addUser(service, { email_address: 'inactive@example.com', is_active: false })
    for (const missing of needed) {
      const scopes = [create, update, login].filter(scope => scope !== missing)
      const response = await syncWith(scopes, [newRow(9), toRow(id)])
      t.match(response, { status: 403, json: { code: 'operation_not_allowed' } }, missing)
      t.match(response.headers['www-authenticate'], `scope="p:${missing}"`)
    }
    t.equal(countSent(service), 0)
    t.match(await syncWith(needed, [toRow(id)]), { status: 200, json: { rows: [{ row: 1 }] } })
  })
}

t.test('the directory is not read for a caller who has all scopes, or who sends ids only', async t => {
  const { service, syncWith } = await startScoped(t)
  const id = addUser(service)
  t.match(await syncWith([create, update, login], [newRow(1)]), { status: 200 })
  t.match(await syncWith([update], [{ id, city: 'Carpinteria' }]), { status: 200 })
  t.strictSame(getMethods(service), ['PATCH', 'PATCH'])
})

t.test('a sync needs its own scope, and the company of the caller', async t => {
  const issuer = await startIssuer(t)
  const service = await start(t, {
    env: { ...issuer.env, JWT_SCOPE_PREFIX: 'p:', JWT_COMPANIES_CLAIM: 'companies' },
  })
  const scope = `p:${create} p:${update} p:${login}`
  const syncAs = async (claims: Row) => sync(service, [newRow(1)], bearerHeader(await issuer.sign(claims)))
  t.match(await syncAs({ scope, companies: [101] }), { status: 403, json: { code: 'operation_not_allowed' } })
  t.match(await syncAs({ scope: `${scope} p:sync-company-users`, companies: [102] }), {
    status: 403, json: { code: 'company_not_allowed' },
  })
  t.match(await syncAs({ scope: `${scope} p:sync-company-users`, companies: [101] }), { status: 200 })
})
