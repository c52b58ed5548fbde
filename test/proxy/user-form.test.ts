// The metadata of a create-user screen in one response: schema, pick-lists, required fields, countries, avatar limits.
import t, { type Test } from 'tap'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { listCountries } from '../../src/endpoints/iso-3166.ts'
import { limits } from '../../src/config/limits.ts'
import { createEndpoints } from '../../src/endpoints/index.ts'
import { skipTime } from '../helpers/skip-time.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { get } from '../helpers/request-builders.ts'
import { send } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const fieldSetsPath = '/configurable_field_sets'

interface UserFormMetadata {
  pick_lists?: Record<string, Array<{ id: number }>>
  countries?: Array<{ code: string }>
  problems?: object
}

const toMetadata = (json: object): UserFormMetadata => json

t.test('the metadata is read by six concurrent requests that are cached like any other', async t => {
  const { url, usersUrl, emulator } = await startService(t)
  const formUrl = `${usersUrl}/form`
  const first = await get(formUrl)
  t.match(first, {
    status: 200,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'private, max-age=60',
      vary: 'authorization',
      etag: /^"[\w-]{43}"$/,
      age: undefined,
    },
  })
  t.match(first.json, {
    schema: {
      $schema: /2020-12/,
      properties: {
        user: {
          required: ['last_name', 'email_address'],
          properties: { state_code: { type: 'string' }, bid_contact: { type: 'boolean' } },
          additionalProperties: false,
        },
      },
    },
    required_fields: ['job_title'],
    pick_lists: {
      vendors: [{ id: 161072, name: 'SID Architecture' }],
      work_classifications: [{ id: 13 }],
      trades: [{ id: 5 }],
    },
    incomplete: [],
    avatar: {
      types: ['image/png', 'image/jpeg', 'image/gif', 'image/bmp', 'image/tiff'],
      maxBytes: 10_485_760,
      maxPixels: 50_000_000,
    },
    problems: {},
  })
  const metadata = toMetadata(first.json)
  t.strictSame(metadata.pick_lists?.['permission_templates']?.map(({ id }) => id), [28, 29, 27, 30])
  t.match(metadata.countries?.find(({ code }) => code === 'AU'), {
    name: 'Australia',
    subdivisions: [{ code: 'ACT', name: 'Australian Capital Territory' }],
  })
  t.equal(emulator.apiRequests.length, 6)

  const vendors = await get(`${url}/companies/101/vendors?view=compact&per_page=2000`)
  t.equal(vendors.headers['age'], '0', 'the list is served from the same cache')
  t.equal((await get(formUrl)).text, first.text)
  t.equal(emulator.apiRequests.length, 6)
  t.match(await send(formUrl, { method: 'PATCH' }), { status: 405, headers: { allow: 'GET, HEAD' } })
  const head = await send(formUrl, { method: 'HEAD' })
  t.equal(head.headers['content-length'], first.headers['content-length'])
  t.strictSame((await get(`${formUrl}?page=1`)).status, 422)
})

t.test('the response matches the schema in the OpenAPI document', async t => {
  const { usersUrl } = await startService(t)
  const endpoints = createEndpoints({ stateCodes: 'iso', permissionTemplateIds: new Set() })
  const schema = endpoints.find(({ name }) => name === 'company-user-form')?.success.schema
  const { json } = await get(`${usersUrl}/form`)
  t.ok(schema !== undefined && TypeCompiler.Compile(schema).Check(json))
})

t.test('a matching strong ETag saves the transfer, and changes with the content', async t => {
  const skip = skipTime(t)
  const { usersUrl, emulator } = await startService(t)
  const first = await get(`${usersUrl}/form`)
  const etag = String(first.headers['etag'])
  for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    await t.test(`If-None-Match: ${tags} gets 304`, async t => {
      t.match(await get(`${usersUrl}/form`, { 'if-none-match': tags }), {
        status: 304,
        text: '',
        headers: { etag, 'cache-control': 'private, max-age=60', vary: 'authorization', 'content-type': undefined },
      })
    })
  }
  for (const tags of ['"other"', etag.slice(0, -2), '']) {
    await t.test(`If-None-Match: ${tags} gets 200`, async t => {
      t.equal((await get(`${usersUrl}/form`, { 'if-none-match': tags })).status, 200)
    })
  }
  emulator.settings = { ...emulator.settings, requiredFields: ['city', 'zip'] }
  skip(60_000)
  const second = await get(`${usersUrl}/form`, { 'if-none-match': etag })
  t.match(second, { status: 200, json: { required_fields: ['city', 'zip'] } })
  t.not(second.headers['etag'], etag)
})

/** Returns a function that counts the forms that were serialized since its last call. */
function captureForms (t: Test): () => number {
  const calls = t.capture(JSON, 'stringify', JSON.stringify)
  return () => calls().filter(({ args: [value] }) => {
    return typeof value === 'object' && value !== null && 'pick_lists' in value
  }).length
}

t.test('the metadata is serialized once for the same responses, also for a 304', async t => {
  const { usersUrl } = await startService(t)
  const countForms = captureForms(t)
  const { headers, text } = await get(`${usersUrl}/form`)
  t.equal(countForms(), 1)
  const second = await get(`${usersUrl}/form`)
  t.match(second, { status: 200, text, headers: { etag: headers.etag } })
  const ifNoneMatch = { 'if-none-match': String(headers.etag) }
  t.equal((await send(`${usersUrl}/form`, { method: 'GET', headers: ifNoneMatch })).status, 304)
  t.equal(countForms(), 0)
})

t.test('the metadata is serialized once while the same list is missing for the same reason', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 403, body: '{}', path: '/rest/v1.0/vendors', rate: 1 })
  const countForms = captureForms(t)
  const { text } = await get(`${usersUrl}/form`)
  t.match(await get(`${usersUrl}/form`), { status: 200, text, json: { problems: { vendors: {} } } })
  t.equal(countForms(), 1)
})

t.test('the failure of one list is reported beside the others, and the failure of all is a problem', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 403, body: '{}', path: '/rest/v1.0/vendors' })
  emulator.faults.add({ kind: 'status', status: 200, body: '{}', path: '/trades' })
  emulator.faults.add({ kind: 'status', status: 500, body: '', path: '/configurable_field_sets', times: 2 })
  const partial = await get(`${usersUrl}/form`)
  t.match(partial, { status: 200, headers: { 'cache-control': 'no-store', etag: String } })
  t.match(partial.json, {
    required_fields: null,
    pick_lists: { vendors: null, trades: null, work_classifications: [{}, {}, {}] },
    problems: {
      vendors: { code: 'procore_rejected', detail: String },
      trades: { code: 'procore_bad_response' },
      required_fields: { code: 'procore_bad_response' },
    },
  })
  t.strictSame(Object.keys(toMetadata(partial.json).problems ?? {}), ['required_fields', 'vendors', 'trades'])
  emulator.faults.clear()
  const notConnected = '{"errors":["App is not connected to this company."]}'
  emulator.faults.add({ kind: 'status', status: 403, body: notConnected, rate: 1 })
  const otherCompany = await get(`${usersUrl.replace('/101/', '/102/')}/form`)
  t.match(otherCompany.json, { status: 403, code: 'procore_rejected' })
})

t.test('a slow list is reported as timed out, and is cached for the next request', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'delay', delayMs: limits.userForm.waitMs + 1000, path: '/rest/v1.0/vendors' })
  const startedMs = performance.now()
  t.match(await get(`${usersUrl}/form`), {
    status: 200,
    headers: { 'cache-control': 'no-store' },
    json: {
      required_fields: ['job_title'],
      pick_lists: { vendors: null, trades: Array },
      problems: { vendors: { code: 'procore_timeout' } },
    },
  })
  t.ok(performance.now() - startedMs < limits.userForm.waitMs + 900)
  t.match((await get(`${usersUrl}/form`)).json, { pick_lists: { vendors: [{ id: 161072 }] }, problems: {} })
  t.equal(emulator.apiRequests.length, 6, 'no list was fetched twice')
})

t.test('without a field set of users, the required fields are unknown, and a problem says so', async t => {
  const rows: Array<{ name: string, fieldSets: unknown[] }> = [
    { name: 'no field set', fieldSets: [] },
    {
      name: 'a field set of another class',
      fieldSets: [{ class_name: 'Rfi::Header', fields: { notes: { required: true } } }],
    },
    { name: 'a field set with null fields', fieldSets: [{ class_name: 'User', fields: null }] },
    { name: 'a field set without fields', fieldSets: [{ class_name: 'User' }] },
    { name: 'a field set whose fields are text', fieldSets: [{ class_name: 'Directory::Users', fields: 'odd' }] },
  ]
  for (const { name, fieldSets } of rows) {
    await t.test(`${name} leaves the required fields unknown`, async t => {
      const { usersUrl, emulator } = await startService(t)
      const body = JSON.stringify(fieldSets)
      emulator.faults.add({ kind: 'status', status: 200, body, path: fieldSetsPath })
      t.match(await get(`${usersUrl}/form`), {
        status: 200,
        headers: { 'cache-control': 'private, max-age=60' },
        json: {
          required_fields: null,
          pick_lists: { vendors: [{}] },
          problems: { required_fields: { code: 'procore_bad_response', detail: /field set/ } },
        },
      })
    })
  }
  const { usersUrl, emulator } = await startService(t)
  const fieldSets = [{ type: 'ConfigurableFieldSet::Directory::User', fields: { city: { required: false } } }]
  emulator.faults.add({ kind: 'status', status: 200, body: JSON.stringify(fieldSets), path: fieldSetsPath })
  t.match((await get(`${usersUrl}/form`)).json, { required_fields: [], problems: {} })
})

t.test('a list with a link to a next page is reported as incomplete', async t => {
  const { usersUrl, emulator } = await startService(t)
  const addLinkedList = (path: string, link: string) => {
    emulator.faults.add({ kind: 'status', status: 200, body: '[{"id":1}]', headers: { link }, path })
  }
  addLinkedList('/rest/v1.0/vendors', '<https://api.procore.com/rest/v1.0/vendors?page=2>; rel="next"')
  addLinkedList('/trades', '<https://api.procore.com/rest/v1.0/trades?page=1>; rel="first"; title="next"')
  t.strictSame((await get(`${usersUrl}/form`)).json['incomplete'], ['vendors'])
})

t.test('a stale list makes the response stale', async t => {
  const skip = skipTime(t)
  const { usersUrl, emulator } = await startService(t)
  await get(`${usersUrl}/form`)
  skip(61_000)
  emulator.faults.add({ kind: 'status', status: 500, body: '', path: '/trades', times: 2 })
  t.match(await get(`${usersUrl}/form`), {
    status: 200,
    headers: { 'x-outcome': 'stale', age: /^6[1-9]$/ },
    json: { problems: {} },
  })
})

t.test('only allowed permission templates are listed, and a total above one page is incomplete', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { PERMISSION_TEMPLATE_IDS: '28' } })
  const headers = { total: '2001' }
  emulator.faults.add({ kind: 'status', status: 200, body: '[{"id":1}]', headers, path: '/rest/v1.0/vendors' })
  t.match((await get(`${usersUrl}/form`)).json, {
    pick_lists: { permission_templates: [{ id: 28 }], vendors: [{ id: 1 }] },
    incomplete: ['vendors'],
  })
  const metadata = toMetadata((await get(`${usersUrl}/form`)).json)
  t.equal(metadata.pick_lists?.['permission_templates']?.length, 1)
})

t.test('required fields are read from lists and from objects of fields', async t => {
  const { usersUrl, emulator } = await startService(t)
  const fieldSets = [
    null,
    7,
    { class_name: 'User' },
    { class_name: 'User', fields: null },
    {
      class_name: 'User',
      fields: [
        { name: 'zip', required: true },
        { name: 'city', required: false },
        { name: 'custom_field_7', required: true },
      ],
    },
    { type: 'ConfigurableFieldSet::Users', fields: { notes: { required: true } } },
    { class_name: 'Rfi::Header', fields: { address: { name: 'address', required: true } } },
  ]
  emulator.faults.add({ kind: 'status', status: 200, body: JSON.stringify(fieldSets), path: fieldSetsPath })
  t.strictSame((await get(`${usersUrl}/form`)).json['required_fields'], ['zip', 'notes'])
})

t.test('a request is authorized before the metadata is read', async t => {
  const issuer = await startIssuer(t)
  const env = { ...issuer.env, JWT_COMPANIES_CLAIM: 'companies', JWT_SCOPE_PREFIX: 'p:' }
  const { usersUrl, emulator } = await startService(t, { env })
  const getStatus = async (claims: { companies: number, scope: string }) => {
    const response = await get(`${usersUrl}/form`, bearerHeader(await issuer.sign({ ...claims })))
    return response.status
  }
  t.equal(await getStatus({ companies: 102, scope: 'p:company-user-form' }), 403)
  t.equal(await getStatus({ companies: 101, scope: 'p:show-company-user' }), 403)
  t.equal(emulator.apiRequests.length, 0)
  t.equal(await getStatus({ companies: 101, scope: 'p:company-user-form' }), 200)
})

t.test('the countries include Fiji', async t => {
  t.ok(listCountries().some(({ code }) => code === 'FJ'))
})
