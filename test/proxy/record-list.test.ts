// JSON bodies that are a list of records, of which those with an id exist already.
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { Endpoint } from '../../src/endpoints/endpoint.ts'
import { boolean, companyParams, id, ids, line } from '../../src/endpoints/fields.ts'
import { limits } from '../../src/config/limits.ts'
import { multipartBody, send, sendJson, sendMultipart, summarizeErrors } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const description = 'A test.'
const newFields = {
  name: line({ description }),
  code: Type.Optional(line({ description })),
  parent: Type.Optional(line({ description })),
  template_id: Type.Optional(id({ description })),
  trade_ids: Type.Optional(ids({ description })),
  active: Type.Optional(boolean({ description })),
}
const rules = {
  dependencies: [{
    fields: ['code', 'parent'],
    check: (values: ReadonlyMap<string, unknown>) => values.has('parent') && !values.has('code')
      ? { field: 'code', message: 'is required when parent is given' }
      : undefined,
  }],
  restrictions: [{
    kind: 'values',
    fields: ['template_id'],
    values: new Set([7]),
    code: 'template_not_allowed',
    message: 'is not a permission template that callers may assign',
  }],
} as const
const base = {
  params: companyParams,
  query: Type.Object({ dry: Type.Optional(boolean({ description })) }),
  summary: 'Test',
  description,
  success: { status: 200, description },
} as const
const list: Endpoint = {
  ...base,
  name: 'sync-things',
  path: '/companies/:company_id/things/sync',
  procorePath: '/rest/v1.0/companies/:company_id/things/sync',
  method: 'PATCH',
  effect: 'once',
  acceptsIdempotencyKey: true,
  body: {
    rootKey: 'updates',
    maxItems: 300,
    record: { fields: Type.Object(newFields), ...rules },
    existing: {
      idField: 'id',
      record: {
        fields: Type.Object({ id: id({ description }), ...Type.Partial(Type.Object(newFields)).properties }),
        nullMeaning: { kind: 'cleared', exceptFields: ['name'] },
        ...rules,
      },
    },
  },
}
const service = await startService(t, { endpoints: [list] })
const { url, emulator } = service
const things = `${url}/companies/101/things/sync`
emulator.faults.add({ kind: 'status', status: 200, body: '{}', method: 'PATCH', rate: 1 })

const sync = (body: unknown, headers: Record<string, string> = {}) =>
  send(things, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
const lastSent = (): unknown => JSON.parse(String(emulator.apiRequests.at(-1)?.body))
const rows = (count: number, row: unknown = { name: 'a' }) => Array.from({ length: count }, () => row)

const valid = [
  { name: 'a new and an existing record', updates: [{ name: 'a', trade_ids: [5] }, { id: 3, active: false }] },
  { name: 'the largest list', updates: rows(300) },
  { name: 'an existing record without other fields', updates: [{ id: 3 }] },
  { name: 'null in an existing record, which clears the field', updates: [{ id: 3, code: null, template_id: 7 }] },
  {
    name: 'null in a new record as absent',
    updates: [{ name: 'a', code: null, trade_ids: null }, { name: 'b' }],
    sent: [{ name: 'a' }, { name: 'b' }],
  },
]
for (const { name, updates, sent = updates } of valid) {
  t.test(`a list of records sends ${name}`, async t => {
    t.match(await sync({ updates }), { status: 200 })
    t.strictSame(lastSent(), { updates: sent })
  })
}

const invalid = [
  { body: '[]', error: 'body  type' },
  { body: '{}', error: 'body /updates required' },
  { body: '{"updates":null}', error: 'body /updates required' },
  { body: '{"updates":{"name":"a"}}', error: 'body /updates type' },
  { body: '{"updates":[]}', error: 'body /updates size' },
  { body: JSON.stringify({ updates: rows(301) }), error: 'body /updates size' },
  { body: '{"updates":[{"name":"a"}],"dry":true}', error: 'body /dry unknown' },
  { body: '{"updates":[{"name":"a"},[]]}', error: 'body /updates/1 type' },
  { body: '{"updates":[null]}', error: 'body /updates/0 type' },
  { body: '{"updates":[{}]}', error: 'body /updates/0/name required' },
  { body: '{"updates":[{"name":null}]}', error: 'body /updates/0/name required' },
  { body: '{"updates":[{"name":"a","id":null}]}', error: 'body /updates/0/id required' },
  { body: '{"updates":[{"id":0,"name":"a"}]}', error: 'body /updates/0/id size' },
  { body: '{"updates":[{"id":3,"name":null}]}', error: 'body /updates/0/name required' },
  { body: '{"updates":[{"id":3,"active":null}]}', error: 'body /updates/0/active required' },
  { body: '{"updates":[{"id":3},{"id":3,"code":5}]}', error: 'body /updates/1/code type' },
  { body: '{"updates":[{"name":"a","trade_ids":[1,"2"]}]}', error: 'body /updates/0/trade_ids/1 type' },
  { body: '{"updates":[{"name":"a","template_id":7.0000000000000001}]}', error: 'body /updates/0/template_id type' },
  { body: '{"updates":[{"name":"a","Code":"b"}]}', error: 'body /updates/0/Code unknown' },
  { body: '{"updates":[{"name":"a","__proto__":1}]}', error: 'body /updates/0/__proto__ unknown' },
  { body: '{"updates":[{"name":"a","parent":"b"}]}', error: 'body /updates/0/code dependency' },
  { body: '{"updates":[{"id":3,"parent":"b"}]}', error: 'body /updates/0/code dependency' },
]
for (const { body, error } of invalid) {
  t.test(`a list of records refuses ${body.slice(0, 60)}`, async t => {
    const sentBefore = emulator.apiRequests.length
    t.strictSame(summarizeErrors(await sync(body)), [error])
    t.equal(emulator.apiRequests.length, sentBefore)
  })
}

t.test('the errors of all records are reported in the order of the records, then unknown fields', async t => {
  const response = await sync({
    updates: [{ code: 1, nmae: 'x' }, { name: 'a' }, { id: 3, trade_ids: [0] }], update: 1,
  })
  t.match(response, { status: 422, json: { code: 'validation_failed' } })
  t.strictSame(response.json.errors?.map(({ pointer, field, message }) => [pointer, field, message]), [
    ['/updates/0/name', 'updates[0][name]', 'is required'],
    ['/updates/0/code', 'updates[0][code]', 'must be a string'],
    ['/updates/2/trade_ids/0', 'updates[2][trade_ids][]', 'must be at least 1'],
    ['/updates/0/nmae', 'updates[0][nmae]', 'is not a known field'],
    ['/update', 'update', 'is not a known field'],
  ])
})

t.test('at most 200 errors of a list are reported', async t => {
  const { json } = await sync({ updates: rows(300, { name: 1 }) })
  t.equal(json.errors?.length, limits.validation.listErrorsMax)
  t.match(json, { detail: /more than 200 errors/ })
  t.equal(json.errors?.at(-1)?.['pointer'], '/updates/199/name')
})

t.test('a restricted value in any record refuses the whole list, unless there are other errors', async t => {
  const sentBefore = emulator.apiRequests.length
  for (const record of [{ name: 'b', template_id: 8 }, { id: 3, template_id: 8 }, { id: 3, template_id: null }]) {
    const response = await sync({ updates: [{ name: 'a', template_id: 7 }, record] })
    t.match(response, { status: 403, json: { code: 'template_not_allowed', detail: /^updates\[1\]\[template_id\] is not/ } })
    t.strictSame(summarizeErrors(await sync({ updates: [record, { name: 5 }] })), ['body /updates/1/name type'])
  }
  t.equal(emulator.apiRequests.length, sentBefore)
})

t.test('a list of records has no form', async t => {
  const body = multipartBody([{ name: 'updates[][name]', data: 'a' }])
  const headers = { 'content-type': 'multipart/form-data; boundary=test-boundary' }
  t.match(await send(things, { method: 'PATCH', headers, body }), {
    status: 415, json: { code: 'unsupported_media_type', detail: /Send application\/json\.$/ },
  })
  t.match(await sendMultipart(`${things}/multipart`, body), { status: 404 })
  t.match(await sendJson(`${things}/multipart`, { updates: [] }), { status: 404 })
})

t.test('a list that is larger than JSON_MAX_BYTES is refused', async t => {
  t.match(await sync({ updates: rows(300, { name: 'a'.repeat(1000) }) }), { status: 413 })
})

t.test('an idempotency key belongs to all records, whatever the order of their members', async t => {
  const headers = { 'idempotency-key': 'sync-1' }
  const updates = [{ name: 'a', code: 'b' }, { name: 'c' }]
  t.match(await sync({ updates }, headers), { status: 200 })
  const repeat = await sync({ updates: [{ code: 'b', name: 'a' }, { name: 'c' }] }, headers)
  t.match(repeat, { status: 200, headers: { 'idempotency-replayed': 'true' } })
  for (const other of [[{ name: 'a', code: 'b' }, { name: 'd' }], updates.slice(0, 1), updates.toReversed()]) {
    t.match(await sync({ updates: other }, headers), { status: 422, json: { code: 'idempotency_key_reused' } })
  }
})

t.test('a rejection of the list points to it', async t => {
  const faulty = await startService(t, { endpoints: [list] })
  const body = '{"errors":{"updates":["are too many"],"base":["no"]}}'
  faulty.emulator.faults.add({ kind: 'status', status: 422, body })
  const response = await send(`${faulty.url}/companies/101/things/sync`, {
    method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"updates":[{"name":"a"}]}',
  })
  t.strictSame(summarizeErrors(response), ['body /updates procore', 'body  procore'])
})
