// Users are added to projects and removed in bulk: rows are validated, templates are restricted, Procore's results are
// relayed, and a queued request has a status.
import t from 'tap'
import { createClient } from '../../client/client.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { get } from '../helpers/request-builders.ts'
import { jane, sendJson, sendMultipart, multipartBody, summarizeErrors } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'

/** Creates a user of company 101, and returns its id. */
async function createUser ({ usersUrl }: Service): Promise<string> {
  return String((await sendJson(usersUrl, { user: jane })).json['id'])
}

const row = { user_id: '381006', project_id: '3' }

t.test('users are added to projects under both paths, with a line in the audit trail', async t => {
  const service = await startService(t)
  const userId = await createUser(service)
  const paths = ['/companies/101/users/bulk_add', '/rest/v2.0/companies/101/users/bulk_add']
  for (const [index, path] of paths.entries()) {
    await t.test(path, async t => {
      const projectId = String(index + 1)
      const users = [{ user_id: userId, project_id: projectId, permission_template_id: '27', project_role_ids: ['12'] }]
      const response = await sendJson(service.url + path, { users })
      t.strictSame({ status: response.status, json: response.json }, {
        status: 200, json: { data: [{ entities: [{ userId, projects: [{ projectId }] }] }], errors: [] },
      })
      const received = service.emulator.apiRequests.at(-1)
      t.match(received, { method: 'POST', path: paths[1], headers: { 'procore-company-id': '101' } })
      t.strictSame(JSON.parse(String(received?.body)), { users })
      t.match(service.lines.findLast(({ name }) => name === 'audit'), {
        msg: 'change',
        operation: 'add-company-users-to-projects',
        companyId: 101,
        outcome: 'changed',
        status: 200,
        rows: { changed: 1, rejected: 0, unknown: 0 },
      })
    })
  }
  t.match((await get(`${service.url}/metrics`)).text, /route="\/companies\/:company_id\/users\/bulk_add"/)
})

t.test('rows that Procore refuses are relayed with status 207, byte for byte', async t => {
  const service = await startService(t)
  const userId = await createUser(service)
  const users = [
    { user_id: userId, project_id: '3' }, { user_id: userId, project_id: '21' }, { user_id: '999', project_id: '3' },
  ]
  const response = await sendJson(`${service.usersUrl}/bulk_add`, { users })
  t.equal(response.status, 207)
  t.strictSame(response.json, {
    data: [{ entities: [{ userId, projects: [{ projectId: '3' }] }] }],
    errors: [
      { userId, errors: [{ projectId: '21', message: 'Project not found' }] },
      { userId: '999', errors: [{ projectId: '3', message: 'User not found' }] },
    ],
  })
  const body = '{ "data" : [ ],\n "errors":[{"userId":"1"}] }'
  const headers = { 'content-type': 'application/json' }
  service.emulator.faults.add({ kind: 'status', status: 207, headers, body })
  t.match(await sendJson(`${service.usersUrl}/bulk_add`, { users }), { status: 207, text: body })
})

/** Sends rows to a bulk operation whose response is the body, and returns the `rows` of the audit line. */
async function countRows (service: Service, operation: string, users: object[], body: unknown, status = 200) {
  const headers = { 'content-type': 'application/json' }
  service.emulator.faults.add({ kind: 'status', status, headers, body: JSON.stringify(body) })
  t.equal((await sendJson(`${service.usersUrl}/${operation}`, { users })).status, status)
  return service.lines.findLast(({ name }) => name === 'audit')?.['rows']
}

t.test('the audit line counts the rows of an addition and of a removal', async t => {
  const service = await startService(t)
  const users = [
    { user_id: '1', project_id: '3' }, { user_id: '1', project_id: '4' }, { user_id: '2', project_id: '3' },
  ]
  const [first, second, third] = ['3', '4', '5'].map(projectId => ({ projectId }))
  const refused = (userId: unknown, ...errors: unknown[]) => ({ userId, errors })
  const added = (userId: unknown, ...projects: unknown[]) => ({ userId, projects })
  const rows = [
    {
      name: 'in another order and with ids as numbers',
      body: { data: [{ entities: [added(2, { projectId: 3 }), added('1', first)] }], errors: [refused('1', second)] },
      rows: { changed: 2, rejected: 1, unknown: 0 },
    },
    {
      name: 'with ids that nobody sent',
      body: { data: [{ entities: [added('1', third), added('9', first)] }], errors: [refused('2', first)] },
      rows: { changed: 0, rejected: 1, unknown: 2 },
    },
    {
      name: 'as added and as refused, or twice',
      body: { data: [{ entities: [added('1', first, second, second)] }], errors: [refused('1', first)] },
      rows: { changed: 0, rejected: 0, unknown: 3 },
    },
    { name: 'of another shape', body: { data: [7, { entities: {} }, null], errors: [{ errors: 'x' }] } },
    { name: 'that is a list', body: [[], 'x'] },
    {
      name: 'whose ids are objects',
      body: { data: [{ entities: [added({ toString: 1 }, first), added('1', { projectId: { toString: 'x' } })] }] },
    },
    { name: 'that queues them', status: 202, body: { data: [{ status: 'accepted', batch_id: 'batch-1' }] } },
  ]
  for (const { name, body, status, rows: expected = { changed: 0, rejected: 0, unknown: 3 } } of rows) {
    await t.test(`by a response ${name}`, async t => {
      t.strictSame(await countRows(service, 'bulk_add', users, body, status), expected)
    })
  }
  const twice = [...users.slice(0, 1), ...users.slice(0, 1)]
  const both = { data: [{ entities: [added('1', first), added('1', first)] }] }
  t.strictSame(await countRows(service, 'bulk_add', twice, both), { changed: 2, rejected: 0, unknown: 0 })
  const removed = { data: [{ 1: { 3: 'success', 4: 'skipped_managed' } }, { 7: 'x' }, null] }
  t.strictSame(await countRows(service, 'bulk_remove', users, removed), { changed: 1, rejected: 1, unknown: 1 })
})

t.test('the client adds users, reads the status of a queued request, and removes users', async t => {
  const service = await startService(t, { emulator: { projectCount: 1000 } })
  const userId = await createUser(service)
  const client = createClient({ baseUrl: service.url })
  const users = Array.from({ length: 120 }, (_, index) => ({ user_id: userId, project_id: String(index + 1) }))
  const added = await client.addUsersToProjects(101, users)
  t.equal(added.status, 202)
  const [batch] = added.data.data
  const batchId = batch !== undefined && 'batch_id' in batch ? String(batch.batch_id) : ''
  const pending: unknown[] = []
  for (let isComplete = false; !isComplete;) {
    const { data: { data: status } } = await client.getBulkStatus(101, batchId)
    pending.push(status.pending)
    isComplete = status.is_complete ?? true
  }
  t.strictSame(pending, [70, 20, 0])
  t.equal(service.emulator.api.projectUsers.memberships.size, 120)

  service.emulator.api.settings.managedUserIds = [Number(userId)]
  const skipped = await client.removeUsersFromProjects(101, users.slice(0, 1))
  t.strictSame(skipped.data.data, [{ [userId]: { 1: 'skipped_managed' } }])
  service.emulator.api.settings.managedUserIds = []
  const removed = await client.removeUsersFromProjects(101, users.slice(0, 2))
  t.strictSame(removed.data.data, [{ [userId]: { 1: 'success', 2: 'success' } }])
  t.equal(service.emulator.api.projectUsers.memberships.size, 118)
})

t.test('a repeat with the same idempotency key is not sent to Procore again', async t => {
  const service = await startService(t)
  const client = createClient({ baseUrl: service.url })
  const users = [{ user_id: await createUser(service), project_id: '3' }]
  const options = { idempotencyKey: 'bulk-1' }
  for (const isReplayed of [false, true]) {
    t.match(await client.addUsersToProjects(101, users, options), { status: 200, isReplayed })
  }
  t.equal(service.emulator.apiRequests.filter(({ path }) => path.endsWith('/bulk_add')).length, 1)
})

t.test('a repeat after status 207 gets the same response, and is not counted again', async t => {
  const service = await startService(t)
  const users = [{ user_id: await createUser(service), project_id: '3' }, { ...row, project_id: '21' }]
  const bodies = []
  for (const rows of [{ changed: 1, rejected: 1, unknown: 0 }, undefined]) {
    const response = await sendJson(`${service.usersUrl}/bulk_add`, { users }, { 'idempotency-key': 'bulk-2' })
    t.equal(response.status, 207)
    bodies.push(response.text)
    t.strictSame(service.lines.findLast(({ name }) => name === 'audit')?.['rows'], rows)
  }
  t.equal(bodies[1], bodies[0])
})

t.test('a repeat of an addition whose response was lost stays unknown, and is not sent to Procore again', async t => {
  const service = await startService(t)
  const users = [{ user_id: await createUser(service), project_id: '3' }]
  for (const kind of ['reset-after-body', 'truncate', 'garbage', 'reset-before-body'] as const) {
    await t.test(kind, async t => {
      service.emulator.faults.add({ kind, path: 'bulk_add' })
      const sentCount = service.emulator.apiRequests.length
      const add = (sent: object[]) =>
        sendJson(`${service.usersUrl}/bulk_add`, { users: sent }, { 'idempotency-key': kind })
      t.match(await add(users), { status: 502, json: { outcome: 'unknown' } })
      t.match(await add(users), {
        status: 502, json: { outcome: 'unknown' }, headers: { 'idempotency-replayed': 'true' },
      })
      t.match(await add([{ ...row, project_id: '4' }]), { status: 422, json: { code: 'idempotency_key_reused' } })
      t.equal(service.emulator.apiRequests.length, sentCount + 1)
    })
  }
})

t.test('the status of a batch is shown to its company only', async t => {
  const service = await startService(t)
  const users = Array.from({ length: 51 }, (_, index) => ({ user_id: '1', project_id: String(index + 1) }))
  const { json } = await sendJson(`${service.usersUrl}/bulk_add`, { users })
  t.match(json, { data: [{ batch_id: 'batch-1abc' }] })
  const readStatus = (companyId: number) =>
    get(`${service.url}/companies/${companyId}/users/bulk/status/batch-1abc`)
  t.match(await readStatus(102), { status: 404, json: { code: 'procore_rejected' } })
  t.match(await readStatus(101), { status: 200, json: { data: { total: 51 } } })
})

t.test('a lost response is reported as unknown, and the request is not repeated', async t => {
  const service = await startService(t)
  service.emulator.faults.add({ kind: 'reset-after-body', path: 'bulk_remove' })
  const response = await sendJson(`${service.usersUrl}/bulk_remove`, { users: [row] })
  t.match(response, { status: 502, json: { code: 'procore_unreachable', outcome: 'unknown' } })
  t.equal(service.emulator.apiRequests.length, 1)
})

t.test('rows that are not valid are refused', async t => {
  const service = await startService(t)
  const rows = [
    {
      name: 'a missing user and project',
      users: [{}],
      errors: ['/users/0/user_id required', '/users/0/project_id required'],
    },
    { name: 'an id that is a number', users: [{ ...row, user_id: 381006 }], errors: ['/users/0/user_id type'] },
    ...['007', '+7', '-7', '0', '7.0', ' 7', '7\n', '１', '12345678901234567890', ''].map(id => {
      const rule = id === '' ? 'required' : 'format'
      const users = [row, { ...row, project_id: id }]
      return { name: `the id ${JSON.stringify(id)}`, users, errors: [`/users/1/project_id ${rule}`] }
    }),
    {
      name: 'a role that is no id',
      users: [{ ...row, project_role_ids: ['12', '012'] }],
      errors: ['/users/0/project_role_ids/1 format'],
    },
    { name: 'an unknown field', users: [{ ...row, role: '1' }], errors: ['/users/0/role unknown'] },
    { name: 'no rows', users: [], errors: ['/users size'] },
    { name: '1,001 rows', users: Array(1001).fill(row), errors: ['/users size'] },
  ]
  for (const { name, users, errors } of rows) {
    await t.test(name, async t => {
      const response = await sendJson(`${service.usersUrl}/bulk_add`, { users })
      t.equal(response.status, 422)
      t.strictSame(summarizeErrors(response), errors.map(error => `body ${error}`))
    })
  }
  t.match(await sendMultipart(`${service.usersUrl}/bulk_add`, multipartBody([])), { status: 415 })
  t.strictSame(service.emulator.apiRequests, [])
})

t.test('where templates are restricted, each row of an addition names one that callers may assign', async t => {
  const service = await startService(t, { env: { PERMISSION_TEMPLATE_IDS: '27,28' } })
  const add = (template: object) => {
    const users = [{ ...row, permission_template_id: '27' }, { ...row, ...template }]
    return sendJson(`${service.usersUrl}/bulk_add`, { users })
  }
  t.match(await add({ permission_template_id: '29' }), { status: 403, json: { code: 'template_not_allowed' } })
  for (const template of [{}, { permission_template_id: null }]) {
    t.strictSame(summarizeErrors(await add(template)), ['body /users/1/permission_template_id required'])
  }
  for (const id of ['027', '+27', 27]) t.equal((await add({ permission_template_id: id })).status, 422)
  t.strictSame(service.emulator.apiRequests, [])
  t.equal((await add({ permission_template_id: '28' })).status, 207)
  const { status } = await sendJson(`${service.usersUrl}/bulk_remove`, { users: [row] })
  t.equal(status, 200)
})

t.test('a batch id is relayed in the path, or refused', async t => {
  const service = await startService(t)
  const readStatus = (batchId: string) => get(`${service.usersUrl}/bulk/status/${batchId}`)
  t.match(await readStatus('batch-123abc456def'), { status: 404, json: { code: 'procore_rejected' } })
  t.equal(service.emulator.apiRequests.at(-1)?.path, '/rest/v2.0/companies/101/users/bulk/status/batch-123abc456def')
  for (const batchId of ['..%2F..%2F102', '%2e%2e', '.', 'a.b', 'a%3Fb', 'a%23b', 'a%5Cb', 'a%00', '-a', 'ä', 'a%0A']) {
    await t.test(batchId, async t => {
      t.match((await readStatus(batchId)).status, /404|422/)
      t.equal(service.emulator.apiRequests.length, 1)
    })
  }
})

t.test('where scopes are on, each operation has a scope of its own', async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, { env: { ...issuer.env, JWT_SCOPE_PREFIX: 'p:' } })
  const headers = bearerHeader(await issuer.sign({ scope: 'p:list-companies' }))
  const change = (name: string) => sendJson(`${service.usersUrl}/${name}`, { users: [row] }, headers)
  const rows = [
    { scope: 'p:add-company-users-to-projects', send: () => change('bulk_add') },
    { scope: 'p:remove-company-users-from-projects', send: () => change('bulk_remove') },
    { scope: 'p:show-company-users-bulk-status', send: () => get(`${service.usersUrl}/bulk/status/batch-1`, headers) },
  ]
  for (const { scope, send } of rows) {
    await t.test(scope, async t => {
      const response = await send()
      t.match(response, { status: 403, json: { code: 'operation_not_allowed' } })
      t.match(response.headers['www-authenticate'], `scope="${scope}"`)
    })
  }
  t.strictSame(service.emulator.apiRequests, [])
})
