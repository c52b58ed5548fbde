// Every type of field, in JSON, in a form and in a query, and every method of an endpoint.
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { Endpoint } from '../../src/endpoints/endpoint.ts'
import { boolean, companyParams, date, dateTime, decimal, ids, line, oneOf } from '../../src/endpoints/fields.ts'
import { parseMultipart } from '../../tools/emulator/multipart.ts'
import { multipartBody, send, sendJson, sendMultipart, summarizeErrors } from '../helpers/requests.ts'
import { resolveReferences } from '../helpers/resolve-references.ts'
import { startService } from '../helpers/service.ts'

const description = 'A test.'
const fields = Type.Object({
  name: line({ description }),
  rate: Type.Optional(decimal({ description })),
  born_on: Type.Optional(date({ description })),
  seen_at: Type.Optional(dateTime({ description })),
  kind: Type.Optional(oneOf(['person', 'company'], { description })),
  trade_ids: Type.Optional(ids({ description })),
  aliases: Type.Optional(Type.Array(line({ description }), { maxItems: 100, description })),
  active: Type.Optional(boolean({ description })),
})
const base = {
  params: companyParams,
  summary: 'Test',
  description,
  query: Type.Object({ on: Type.Optional(date({ description })), rate: Type.Optional(decimal({ description })) }),
  success: { status: 200, description },
} as const
const body = { rootKey: 'trade', fields, dependencies: [] }
const toPaths = (name: string) =>
  ({ name, path: `/companies/:company_id/${name}`, procorePath: `/rest/v1.0/companies/:company_id/${name}` })
const endpoints: Endpoint[] = [
  { ...base, ...toPaths('created'), method: 'POST', effect: 'once', acceptsIdempotencyKey: true, body },
  {
    ...base,
    ...toPaths('cleared'),
    method: 'PATCH',
    effect: 'idempotent',
    body: { ...body, nullMeaning: { kind: 'cleared', exceptFields: ['name'] } },
  },
  { ...base, ...toPaths('replaced'), method: 'PUT', effect: 'idempotent', body },
  { ...base, ...toPaths('removed'), method: 'DELETE', effect: 'idempotent' },
  {
    ...base,
    ...toPaths('wide'),
    method: 'POST',
    effect: 'once',
    acceptsIdempotencyKey: false,
    body: {
      rootKey: 'trade',
      fields: Type.Object(Object.fromEntries(Array.from({ length: 65 }, (_, index) => {
        return [`field_${index}`, Type.Optional(line({ description }))] as const
      }))),
      dependencies: [],
    },
  },
]
const service = await startService(t, { endpoints })
const { url, emulator } = service
const created = `${url}/companies/101/created`

/** Makes the emulator accept one request. */
const accept = () => emulator.faults.add({ kind: 'status', status: 200, body: '{}' })

const valid = [
  { rate: 0.5 }, { rate: -12.25 }, { rate: 3 }, { rate: 9007199254740991 }, { rate: 1e-7 },
  { born_on: '2024-02-29' }, { seen_at: '2026-01-31T12:00:00Z' }, { seen_at: '2026-01-31T12:00:00.1234567+05:30' },
  { born_on: '0000-02-29' }, { seen_at: '2024-02-29t23:59:59.5z' }, { seen_at: '2026-01-31T23:59:59-23:59' },
  { seen_at: '2016-12-31T23:59:60Z' }, { seen_at: '2017-01-01T00:59:60.25+01:00' },
  { kind: 'person' }, { trade_ids: [] }, { trade_ids: [5, 8] }, { trade_ids: Array(100).fill(7) },
  { aliases: ['a', ''] }, { active: false },
]
for (const value of valid) {
  t.test(`JSON sends ${JSON.stringify(value).slice(0, 60)} as it is`, async t => {
    accept()
    const record = { name: 'Masonry', ...value }
    t.match(await sendJson(created, { trade: record }), { status: 200 })
    t.strictSame(JSON.parse(String(emulator.apiRequests.at(-1)?.body)), { trade: record })
  })
}

const invalid = [
  { json: '{"rate":"1"}', error: 'body /trade/rate type' },
  { json: '{"rate":0.12345678901234567890}', error: 'body /trade/rate type' },
  { json: '{"rate":1e16}', error: 'body /trade/rate size' },
  { json: '{"rate":-1e16}', error: 'body /trade/rate size' },
  { json: '{"rate":1e400}', error: 'body /trade/rate size' },
  { json: '{"born_on":"2026-02-29"}', error: 'body /trade/born_on format' },
  { json: '{"born_on":"2026-01-31T12:00:00Z"}', error: 'body /trade/born_on format' },
  { json: '{"seen_at":"2026-01-31"}', error: 'body /trade/seen_at format' },
  { json: '{"seen_at":"2026-01-31T12:00:00"}', error: 'body /trade/seen_at format' },
  { json: '{"seen_at":"2026-01-31T12:00:00+99:00"}', error: 'body /trade/seen_at format' },
  { json: '{"seen_at":"2016-12-31T23:58:60Z"}', error: 'body /trade/seen_at format' },
  { json: '{"seen_at":"2016-12-31T23:59:60+01:00"}', error: 'body /trade/seen_at format' },
  { json: '{"seen_at":"2026-01-31T24:00:00Z"}', error: 'body /trade/seen_at format' },
  { json: '{"seen_at":"2026-02-29T12:00:00Z"}', error: 'body /trade/seen_at format' },
  { json: '{"born_on":"1900-02-29"}', error: 'body /trade/born_on format' },
  { json: '{"kind":"Person"}', error: 'body /trade/kind format' },
  { json: '{"trade_ids":5}', error: 'body /trade/trade_ids type' },
  { json: '{"trade_ids":[1,"2"]}', error: 'body /trade/trade_ids/1 type' },
  { json: '{"trade_ids":[1,null]}', error: 'body /trade/trade_ids/1 type' },
  { json: '{"trade_ids":[0]}', error: 'body /trade/trade_ids/0 size' },
  { json: '{"trade_ids":[[1]]}', error: 'body /trade/trade_ids/0 type' },
  { json: `{"trade_ids":[${Array(101).fill(1).join()}]}`, error: 'body /trade/trade_ids size' },
  { json: '{"aliases":["a\\nb"]}', error: 'body /trade/aliases/0 format' },
]
for (const { json, error } of invalid) {
  t.test(`JSON with ${json.slice(0, 60)} is refused`, async t => {
    const response = await send(created, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"trade":{"name":"Masonry",${json.slice(1)}}`,
    })
    t.strictSame(summarizeErrors(response), [error])
  })
}

t.test('the message for a number names the rounding only if the number would be rounded', async t => {
  const rows = [
    { json: 'true', message: 'must be a number' },
    { json: '[1]', message: 'must be a number' },
    { json: '"1"', message: 'must be a number, not a string' },
    { json: '0.12345678901234567890', message: 'must be a number that is not rounded' },
  ]
  for (const { json, message } of rows) {
    const response = await sendJson(created, `{"trade":{"name":"Masonry","rate":${json}}}`)
    t.match(response.json, { errors: [{ pointer: '/trade/rate', message }] }, json)
  }
})

async function sendForm (parts: ReadonlyArray<readonly [string, string]>) {
  const form = new FormData()
  for (const [name, value] of parts) form.append(name, value)
  const encoded = new Response(form)
  const headers = { 'content-type': encoded.headers.get('content-type') ?? '' }
  return send(created, { headers, body: Buffer.from(await encoded.arrayBuffer()) })
}

t.test('a form sends each item of a list as a part of its own', async t => {
  accept()
  const parts = [
    ['trade[name]', 'Masonry'], ['trade[rate]', '-0.50'], ['trade[born_on]', '2024-02-29'],
    ['trade[trade_ids][]', ''], ['trade[trade_ids][]', '5'], ['trade[trade_ids][]', '8'], ['trade[aliases][]', 'ä'],
  ] as const
  t.equal((await sendForm(parts)).status, 200)
  const received = emulator.apiRequests.at(-1)
  const sent = parseMultipart(received?.headers['content-type'] ?? '', received?.body ?? Buffer.alloc(0))
  t.strictSame(sent.map(({ name, data }) => [name, String(data)]), [
    ['trade[name]', 'Masonry'], ['trade[rate]', '-0.5'], ['trade[born_on]', '2024-02-29'],
    ['trade[trade_ids][]', '5'], ['trade[trade_ids][]', '8'], ['trade[aliases][]', 'ä'],
  ])
})

const invalidParts = [
  { parts: [['trade[trade_ids][]', '5'], ['trade[trade_ids][]', 'x']], error: 'body /trade/trade_ids/1 type' },
  {
    parts: [['trade[trade_ids][]', 'x'], ['trade[trade_ids][]', '0']],
    errors: ['body /trade/trade_ids/0 type', 'body /trade/trade_ids/1 size'],
  },
  { parts: [['trade[trade_ids]', '5']], error: 'body /trade/trade_ids unknown' },
  { parts: [['trade[name][]', 'x']], error: 'body /trade/name/ unknown' },
  { parts: [['trade[rate]', '0x10']], error: 'body /trade/rate type' },
  { parts: [['trade[rate]', '1.00000000000000000001']], error: 'body /trade/rate type' },
  { parts: [['trade[born_on]', '29.02.2024']], error: 'body /trade/born_on format' },
] as const
for (const row of invalidParts) {
  t.test(`a form with ${row.parts.map(pair => pair.join('=')).join('&')} is refused`, async t => {
    const response = await sendForm([['trade[name]', 'Masonry'], ...row.parts])
    t.strictSame(summarizeErrors(response), 'errors' in row ? row.errors : [row.error])
  })
}

t.test('a body with more fields than a form may have parts has no form', async t => {
  accept()
  const trade = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`field_${index}`, 'x']))
  t.match(await sendJson(`${url}/companies/101/wide`, { trade }), { status: 200 })
  t.match(await sendMultipart(`${url}/companies/101/wide`, multipartBody([])), { status: 415 })
})

t.test('the document limits a list in a form to the parts of the form', async t => {
  const parts = (count: number) => Array.from({ length: count }, () => ['trade[trade_ids][]', '5'] as const)
  accept()
  t.match(await sendForm([['trade[name]', 'Masonry'], ...parts(63)]), { status: 200 })
  t.match(await sendForm([['trade[name]', 'Masonry'], ...parts(64)]), { json: { code: 'malformed_form' } })
  const { json } = await send(`${url}/openapi.json`, { method: 'GET' })
  t.match(resolveReferences(json), {
    paths: {
      '/companies/{company_id}/created': {
        post: {
          requestBody: {
            content: {
              'multipart/form-data': {
                schema: { properties: { 'trade[trade_ids][]': { maxItems: 64, description: /at most 64 parts/ } } },
              },
              'application/json': {
                schema: { properties: { trade: { properties: { trade_ids: { maxItems: 100 } } } } },
              },
            },
          },
        },
      },
    },
  })
})

t.test('a query has dates and numbers with a fraction', async t => {
  accept()
  t.match(await sendJson(`${created}?on=2024-02-29&rate=-1.5`, { trade: { name: 'Masonry' } }), { status: 200 })
  t.match(emulator.apiRequests.at(-1), { path: /created\?on=2024-02-29&rate=-1.5$/ })
  const response = await sendJson(`${created}?on=2023-02-29&rate=1,5`, { trade: { name: 'Masonry' } })
  t.strictSame(summarizeErrors(response), ['query /on format', 'query /rate type'])
})

t.test('null clears a field, but not a list, which an empty one clears', async t => {
  const change = (record: object) => send(`${url}/companies/101/cleared`, {
    method: 'PATCH', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ trade: record }),
  })
  accept()
  const trade = { name: 'Masonry', born_on: null, kind: null, trade_ids: [] }
  t.match(await change(trade), { status: 200 })
  t.strictSame(JSON.parse(String(emulator.apiRequests.at(-1)?.body)), { trade })
  const response = await change({ ...trade, trade_ids: null })
  t.strictSame(summarizeErrors(response), ['body /trade/trade_ids required'])
})

for (const { method, name, content } of [
  { method: 'PUT', name: 'replaced', content: '{"trade":{"name":"Masonry"}}' },
  { method: 'DELETE', name: 'removed', content: '' },
]) {
  t.test(`${method} is sent as it is, with an audit line`, async t => {
    for (const path of [`/companies/101/${name}`, `/rest/v1.0/companies/101/${name}`]) {
      await t.test(path, async t => {
        emulator.faults.add({ kind: 'status', status: 204, body: '' })
        const headers = content === '' ? undefined : { 'content-type': 'application/json' }
        const response = await send(`${url}${path}`, { method, ...(headers && { headers }), body: content })
        t.match(response, { status: 204, text: '' })
        t.match(emulator.apiRequests.at(-1), { method, path: `/rest/v1.0/companies/101/${name}` })
        t.equal(String(emulator.apiRequests.at(-1)?.body), content)
        t.match(service.lines.filter(line => line.name === 'audit').at(-1), {
          msg: 'change', operation: name, outcome: 'changed', status: 204,
        })
      })
    }
  })
}
