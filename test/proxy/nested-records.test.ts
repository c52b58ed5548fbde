// Records, and lists of records, in the record of a JSON body.
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { Endpoint } from '../../src/endpoints/endpoint.ts'
import { boolean, companyParams, date, id, ids, line, oneOf } from '../../src/endpoints/fields.ts'
import { multipartBody, send, sendJson, sendMultipart, summarizeErrors } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const description = 'A test.'
const contact = Type.Object({
  phone: line({ description }),
  kind: Type.Optional(oneOf(['home', 'work'], { description })),
  hours: Type.Optional(Type.Array(Type.Object({ from: date({ description }) }), { maxItems: 100, description })),
})
const fields = Type.Object({
  name: line({ description }),
  vendor: Type.Object({ id: id({ description }), name: Type.Optional(line({ description })) }, { description }),
  contacts: Type.Optional(Type.Array(contact, { maxItems: 100, description })),
  address: Type.Optional(Type.Object({
    city: Type.Optional(line({ description })),
    active: Type.Optional(boolean({ description })),
    trade_ids: Type.Optional(ids({ description })),
  })),
})
const base = {
  params: companyParams, query: Type.Object({}), summary: 'Test', description, success: { status: 200, description },
} as const
const toPaths = (name: string) =>
  ({ name, path: `/companies/:company_id/${name}`, procorePath: `/rest/v1.0/companies/:company_id/${name}` })
const body = { rootKey: 'user', fields, dependencies: [] }
const endpoints: Endpoint[] = [
  {
    ...base,
    ...toPaths('created'),
    method: 'POST',
    effect: 'once',
    acceptsIdempotencyKey: true,
    body,
  },
  {
    ...base,
    ...toPaths('cleared'),
    method: 'PATCH',
    effect: 'idempotent',
    body: { ...body, fields: Type.Partial(fields), nullMeaning: { kind: 'cleared', exceptFields: ['vendor'] } },
  },
]
const { url, emulator } = await startService(t, { endpoints })
const created = `${url}/companies/101/created`
const cleared = `${url}/companies/101/cleared`

const accept = () => emulator.faults.add({ kind: 'status', status: 200, body: '{}' })
const lastSent = (): unknown => JSON.parse(String(emulator.apiRequests.at(-1)?.body))
const user = { name: 'a', vendor: { id: 5 } }
const patch = (record: unknown) => send(cleared, {
  method: 'PATCH', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: record }),
})

const valid: Array<{ name: string, record: object, sent?: object }> = [
  { name: 'a record in the record', record: user },
  { name: 'an empty list of records', record: { ...user, contacts: [] } },
  { name: 'a list of records', record: { ...user, contacts: [{ phone: '1' }, { phone: '2', kind: 'work' }] } },
  { name: 'a third level', record: { ...user, contacts: [{ phone: '1', hours: [{ from: '2024-02-29' }] }] } },
  { name: 'an empty record', record: { ...user, address: {} } },
  {
    name: 'null as absent at every level',
    record: { name: 'a', vendor: { id: 5, name: null }, contacts: [{ phone: '1', kind: null }], address: null },
    sent: { ...user, contacts: [{ phone: '1' }] },
  },
]
for (const { name, record, sent = record } of valid) {
  t.test(`JSON sends ${name}`, async t => {
    accept()
    t.match(await sendJson(created, { user: record }), { status: 200 })
    t.strictSame(lastSent(), { user: sent })
  })
}

const invalid = [
  { record: { name: 'a' }, error: 'body /user/vendor required' },
  { record: { name: 'a', vendor: null }, error: 'body /user/vendor required' },
  { record: { name: 'a', vendor: [] }, error: 'body /user/vendor type' },
  { record: { name: 'a', vendor: 5 }, error: 'body /user/vendor type' },
  { record: { name: 'a', vendor: {} }, error: 'body /user/vendor/id required' },
  { record: { name: 'a', vendor: { id: '5' } }, error: 'body /user/vendor/id type' },
  { record: { name: 'a', vendor: { id: 5, Name: 'b' } }, error: 'body /user/vendor/Name unknown' },
  { record: { ...user, contacts: {} }, error: 'body /user/contacts type' },
  { record: { ...user, contacts: [{ phone: '1' }, 5] }, error: 'body /user/contacts/1 type' },
  { record: { ...user, contacts: [{ phone: '1\n' }] }, error: 'body /user/contacts/0/phone format' },
  { record: { ...user, contacts: [{ phone: ' ' }] }, error: 'body /user/contacts/0/phone required' },
  { record: { ...user, contacts: [{ phone: '1', kind: 'Work' }] }, error: 'body /user/contacts/0/kind format' },
  { record: { ...user, contacts: Array(101).fill({ phone: '1' }) }, error: 'body /user/contacts size' },
  {
    record: { ...user, contacts: [{ phone: '1', hours: [{ from: '1' }] }] },
    error: 'body /user/contacts/0/hours/0/from format',
  },
  { record: { ...user, address: { trade_ids: [1, 0] } }, error: 'body /user/address/trade_ids/1 size' },
]
for (const { record, error } of invalid) {
  t.test(`JSON with ${JSON.stringify(record).slice(0, 70)} is refused`, async t => {
    t.strictSame(summarizeErrors(await sendJson(created, { user: record })), [error])
  })
}

t.test('errors of records name the field as a form would, and a misspelt one is suggested', async t => {
  const { json } = await sendJson(created, {
    user: { vendor: { id: 5, Name: 'b' }, contacts: [{ phone: '1' }, { kind: 'x' }] },
  })
  t.strictSame(json.errors?.map(({ pointer, field, message }) => [pointer, field, message]), [
    ['/user/name', 'user[name]', 'is required'],
    ['/user/contacts/1/phone', 'user[contacts][1][phone]', 'is required'],
    ['/user/contacts/1/kind', 'user[contacts][1][kind]', 'must be one of home, work'],
    ['/user/vendor/Name', 'user[vendor][Name]', 'is not a known field: it must be sent as user[vendor][name]'],
  ])
})

t.test('null clears a field of a record and the record, but no list, boolean or required field', async t => {
  accept()
  const record = { vendor: { id: 5, name: null }, contacts: [{ phone: '1', kind: null }], address: null }
  t.match(await patch(record), { status: 200 })
  t.strictSame(lastSent(), { user: record })
  const response = await patch({
    vendor: null, contacts: null, address: { city: null, active: null, trade_ids: null },
  })
  t.strictSame(summarizeErrors(response).toSorted(), [
    'body /user/address/active required', 'body /user/address/trade_ids required', 'body /user/contacts required',
    'body /user/vendor required',
  ])
})

t.test('a body with records in its record has no form', async t => {
  const form = multipartBody([{ name: 'user[name]', data: 'a' }])
  t.match(await sendMultipart(created, form), { status: 415, json: { code: 'unsupported_media_type' } })
  t.match(await sendMultipart(`${created}/multipart`, form), { status: 404 })
})

t.test('an idempotency key belongs to the records, whatever the order of their members', async t => {
  const headers = { 'idempotency-key': 'nested-1' }
  accept()
  t.match(await sendJson(created, { user: { ...user, vendor: { id: 5, name: 'b' } } }, headers), { status: 200 })
  t.match(await sendJson(created, { user: { ...user, vendor: { name: 'b', id: 5 } } }, headers), {
    status: 200, headers: { 'idempotency-replayed': 'true' },
  })
  t.match(await sendJson(created, { user: { ...user, vendor: { id: 6, name: 'b' } } }, headers), { status: 422 })
})

t.test('a rejection points into the record', async t => {
  emulator.faults.add({ kind: 'status', status: 422, body: '{"errors":{"contacts[0].phone":["is taken"]}}' })
  t.match(await sendJson(created, { user }), {
    json: { errors: [{ pointer: '/user/contacts/0/phone', field: 'user[contacts][0][phone]', rule: 'procore' }] },
  })
})
