// What a create-user screen needs in one answer: the schema, the lists, what the company requires, countries, and what an avatar may be.
import t from 'tap'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { listCountries } from '../../src/endpoints/iso-3166.ts'
import { limits } from '../../src/config/limits.ts'
import { createEndpoints } from '../../src/endpoints/index.ts'
import { skipTime } from '../helpers/skip-time.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { send } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const get = (url: string, headers: Record<string, string> = {}) => send(url, { method: 'GET', headers })

t.test('all of it, from six questions at once that are kept like any other', async t => {
  const { url, usersUrl, emulator } = await startService(t)
  const form = await get(`${usersUrl}/form`)
  t.match(form, { status: 200, headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'private, max-age=60', vary: 'authorization', etag: /^"[\w-]{43}"$/, age: undefined } })
  t.match(form.json, {
    schema: { $schema: /2020-12/, properties: { user: { required: ['last_name', 'email_address'], properties: { state_code: { type: 'string' }, bid_contact: { type: 'boolean' } }, additionalProperties: false } } },
    required_fields: ['job_title'],
    pick_lists: { vendors: [{ id: 161072, name: 'SID Architecture' }], work_classifications: [{ id: 13 }], trades: [{ id: 5 }] },
    incomplete: [],
    avatar: { types: ['image/png', 'image/jpeg', 'image/gif', 'image/bmp', 'image/tiff'], maxBytes: 10_485_760, maxPixels: 50_000_000 },
    problems: {},
  })
  const { countries, pick_lists: lists } = Object(form.json)
  t.strictSame(lists.permission_templates.map(({ id }: { id: number }) => id), [28, 29, 27, 30])
  t.match(countries.find(({ code }: { code: string }) => code === 'AU'), { name: 'Australia', subdivisions: [{ code: 'ACT', name: 'Australian Capital Territory' }] })
  t.equal(emulator.apiRequests.length, 6)
  t.equal((await get(`${url}/companies/101/vendors?view=compact&per_page=2000`)).headers['age'], '0', 'of the same cache')
  t.equal((await get(`${usersUrl}/form`)).text, form.text)
  t.equal(emulator.apiRequests.length, 6)
  t.match(await send(`${usersUrl}/form`, { method: 'PATCH' }), { status: 405, headers: { allow: 'GET, HEAD' } })
  t.equal((await send(`${usersUrl}/form`, { method: 'HEAD' })).headers['content-length'], form.headers['content-length'])
  t.strictSame((await get(`${usersUrl}/form?page=1`)).status, 422)
})

t.test('the answer is what the document says', async t => {
  const { usersUrl } = await startService(t)
  const described = createEndpoints({ stateCodes: 'iso', permissionTemplateIds: new Set() }).find(({ name }) => name === 'company-user-form')
  const { json } = await get(`${usersUrl}/form`)
  t.ok(described?.success.schema !== undefined && TypeCompiler.Compile(described.success.schema).Check(json))
})

t.test('its tag is strong, changes with what it says, and saves the sending', async t => {
  const skip = skipTime(t)
  const { usersUrl, emulator } = await startService(t)
  const first = await get(`${usersUrl}/form`)
  const etag = String(first.headers['etag'])
  for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    const reply = await get(`${usersUrl}/form`, { 'if-none-match': tags })
    t.match(reply, { status: 304, text: '', headers: { etag, 'cache-control': 'private, max-age=60', vary: 'authorization', 'content-type': undefined } }, tags)
  }
  for (const tags of ['"other"', etag.slice(0, -2), '']) t.equal((await get(`${usersUrl}/form`, { 'if-none-match': tags })).status, 200, tags)
  emulator.settings = { ...emulator.settings, requiredFields: ['city', 'zip'] }
  skip(60_000)
  const second = await get(`${usersUrl}/form`, { 'if-none-match': etag })
  t.match(second, { status: 200, json: { required_fields: ['city', 'zip'] } })
  t.not(second.headers['etag'], etag)
})

t.test('each part may fail on its own, and all of them together are a failure', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 403, body: '{}', path: '/rest/v1.0/vendors' })
  emulator.faults.add({ kind: 'status', status: 200, body: '{}', path: '/trades' })
  emulator.faults.add({ kind: 'status', status: 500, body: '', path: '/configurable_field_sets', times: 2 })
  const partial = await get(`${usersUrl}/form`)
  t.match(partial, { status: 200, headers: { 'cache-control': 'no-store', etag: String } })
  t.match(partial.json, {
    required_fields: null,
    pick_lists: { vendors: null, trades: null, work_classifications: [{}, {}, {}] },
    problems: { vendors: { code: 'procore_rejected', detail: String }, trades: { code: 'procore_bad_response' }, required_fields: { code: 'procore_bad_response' } },
  })
  t.strictSame(Object.keys(Object(partial.json['problems'])), ['required_fields', 'vendors', 'trades'])
  emulator.faults.clear()
  emulator.faults.add({ kind: 'status', status: 403, body: '{"errors":["App is not connected to this company."]}', rate: 1 })
  t.match((await get(`${usersUrl.replace('101', '102')}/form`)).json, { status: 403, code: 'procore_rejected' })
})

t.test('what is late is told as such, and is there for the next form', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'delay', delayMs: limits.userForm.waitMs + 1000, path: '/rest/v1.0/vendors' })
  const began = performance.now()
  t.match(await get(`${usersUrl}/form`), {
    status: 200,
    headers: { 'cache-control': 'no-store' },
    json: { required_fields: ['job_title'], pick_lists: { vendors: null, trades: Array }, problems: { vendors: { code: 'procore_timeout' } } },
  })
  t.ok(performance.now() - began < limits.userForm.waitMs + 900)
  t.match((await get(`${usersUrl}/form`)).json, { pick_lists: { vendors: [{ id: 161072 }] }, problems: {} })
  t.equal(emulator.apiRequests.length, 6, 'nothing was asked twice')
})

t.test('where no field set is that of users, what is required is not known, which is said', async t => {
  for (const sets of [[], [{ class_name: 'Rfi::Header', fields: { notes: { required: true } } }], [{ class_name: 'User', fields: null }], [{ class_name: 'User' }], [{ class_name: 'Directory::Users', fields: 'odd' }]]) {
    const { usersUrl, emulator } = await startService(t)
    emulator.faults.add({ kind: 'status', status: 200, body: JSON.stringify(sets), path: '/configurable_field_sets' })
    t.match(await get(`${usersUrl}/form`), {
      status: 200,
      headers: { 'cache-control': 'private, max-age=60' },
      json: { required_fields: null, pick_lists: { vendors: [{}] }, problems: { required_fields: { code: 'procore_bad_response', detail: /field sets/ } } },
    }, JSON.stringify(sets))
  }
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 200, body: '[{"type":"ConfigurableFieldSet::Directory::User","fields":{"city":{"required":false}}}]', path: '/configurable_field_sets' })
  t.match((await get(`${usersUrl}/form`)).json, { required_fields: [], problems: {} })
})

t.test('a list of which there is more is said to be incomplete, however Procore tells it', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 200, body: '[{"id":1}]', headers: { link: '<https://api.procore.com/rest/v1.0/vendors?page=2>; rel="next"' }, path: '/rest/v1.0/vendors' })
  emulator.faults.add({ kind: 'status', status: 200, body: '[{"id":1}]', headers: { link: '<https://api.procore.com/rest/v1.0/trades?page=1>; rel="first"; title="next"' }, path: '/trades' })
  t.strictSame((await get(`${usersUrl}/form`)).json['incomplete'], ['vendors'])
})

t.test('stale parts make it stale', async t => {
  const skip = skipTime(t)
  const { usersUrl, emulator } = await startService(t)
  await get(`${usersUrl}/form`)
  skip(61_000)
  emulator.faults.add({ kind: 'status', status: 500, body: '', path: '/trades', times: 2 })
  t.match(await get(`${usersUrl}/form`), { status: 200, headers: { 'x-outcome': 'stale', age: '61' }, json: { problems: {} } })
})

t.test('only what callers may give is offered; more than a page is said', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { PERMISSION_TEMPLATE_IDS: '28' } })
  emulator.faults.add({ kind: 'status', status: 200, body: '[{"id":1}]', headers: { total: '2001' }, path: '/rest/v1.0/vendors' })
  t.match((await get(`${usersUrl}/form`)).json, { pick_lists: { permission_templates: [{ id: 28 }], vendors: [{ id: 1 }] }, incomplete: ['vendors'] })
  t.equal(Object((await get(`${usersUrl}/form`)).json['pick_lists']).permission_templates.length, 1)
})

t.test('field sets of every form are read', async t => {
  const { usersUrl, emulator } = await startService(t)
  const sets = [null, 7, { class_name: 'User' }, { class_name: 'User', fields: null }, { class_name: 'User', fields: [{ name: 'zip', required: true }, { name: 'city', required: false }, { name: 'custom_field_7', required: true }] }, { type: 'ConfigurableFieldSet::Users', fields: { notes: { required: true } } }, { class_name: 'Rfi::Header', fields: { address: { name: 'address', required: true } } }]
  emulator.faults.add({ kind: 'status', status: 200, body: JSON.stringify(sets), path: '/configurable_field_sets' })
  t.strictSame((await get(`${usersUrl}/form`)).json['required_fields'], ['zip', 'notes'])
})

t.test('who may have it is judged before; Fiji is a country', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl, emulator } = await startService(t, { env: { ...issuer.env, JWT_COMPANIES_CLAIM: 'companies', JWT_SCOPE_PREFIX: 'p:' } })
  const ask = async (claims: object) => (await get(`${usersUrl}/form`, bearerHeader(await issuer.sign({ ...claims })))).status
  t.equal(await ask({ companies: 102, scope: 'p:company-user-form' }), 403)
  t.equal(await ask({ companies: 101, scope: 'p:show-company-user' }), 403)
  t.equal(emulator.apiRequests.length, 0)
  t.equal(await ask({ companies: 101, scope: 'p:company-user-form' }), 200)
  t.ok(listCountries().some(({ code }) => code === 'FJ'))
})
