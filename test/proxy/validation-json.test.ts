// All errors of a JSON body are reported at once, field by field, without a request to Procore.
import t from 'tap'
import { summarizeErrors, jane, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

interface InvalidField {
  field: string
  rule: string
  values: unknown[]
  /** Fields that the error depends on. */
  others?: Record<string, unknown>
}

t.test('each rule is reported at its field', async t => {
  const { usersUrl, emulator } = await startService(t)
  const rows: InvalidField[] = [
    { field: 'last_name', rule: 'required', values: [' \t\u00a0'] },
    { field: 'email_address', rule: 'required', values: [''] },
    {
      field: 'email_address',
      rule: 'format',
      values: [
        'jane',
        'jane@',
        'jane@localhost',
        'jane doe@example.com',
        'jane@example.com\n',
        'jané@example.com',
        '"jane"@example.com',
      ],
    },
    { field: 'first_name', rule: 'type', values: [1, true, {}, []] },
    { field: 'vendor_id', rule: 'type', values: ['1', 1.5, true, [1]] },
    { field: 'vendor_id', rule: 'size', values: [0, -1, 9007199254740992, 2 ** 60] },
    { field: 'is_active', rule: 'type', values: ['true', 1, 0] },
    { field: 'business_phone_extension', rule: 'size', values: [-1] },
    { field: 'country_code', rule: 'format', values: ['us', 'UK', 'USA', '', 'XX', 'AN'] },
    { field: 'state_code', rule: 'format', values: ['ca', 'US-CA', '', 'QQQ'] },
    { field: 'state_code', rule: 'dependency', values: ['NSW'], others: { country_code: 'US' } },
    { field: 'country_code', rule: 'format', values: ['XX'], others: { state_code: 'NSW' } },
    { field: 'vendor_id', rule: 'dependency', values: [undefined], others: { bid_contact: true } },
    { field: 'vendor_id', rule: 'size', values: [0], others: { bid_contact: true } },
    { field: 'notes', rule: 'format', values: ['a\0b'] },
    { field: 'notes', rule: 'size', values: ['ä'.repeat(32_769)] },
    { field: 'nickname', rule: 'unknown', values: ['J'] },
  ]
  for (const { field, rule, values, others } of rows) {
    for (const value of values) {
      const context = others === undefined ? '' : ` beside ${JSON.stringify(others)}`
      const shownValue = JSON.stringify(value)?.slice(0, 40) ?? 'absent'
      await t.test(`${field} ${shownValue}${context} is reported as ${rule}`, async t => {
        const response = await sendJson(usersUrl, { user: { ...jane, ...others, [field]: value } })
        t.equal(response.status, 422)
        t.equal(response.json['code'], 'validation_failed')
        t.notOk('outcome' in response.json)
        t.strictSame(summarizeErrors(response), [`body /user/${field} ${rule}`])
      })
    }
  }
  const empty = await sendJson(usersUrl, { user: {} })
  t.match(empty.json, { status: 422, code: 'validation_failed' })
  t.notOk('outcome' in empty.json)
  t.strictSame(summarizeErrors(empty), ['body /user/last_name required', 'body /user/email_address required'])
  const escaped = await sendJson(usersUrl, { user: { ...jane, 'a/b~c': 'J' } })
  t.match(escaped.json, { status: 422, code: 'validation_failed' })
  t.notOk('outcome' in escaped.json)
  t.strictSame(summarizeErrors(escaped), ['body /user/a~1b~0c unknown'], 'the pointer is escaped (RFC 6901)')
  t.equal(emulator.apiRequests.length, 0)
})

t.test('an avatar in JSON is rejected with the advice to send a form', async t => {
  const { usersUrl } = await startService(t)
  const response = await sendJson(usersUrl, { user: { ...jane, avatar: 'data:image/png;base64,AAAA' } })
  t.match(response.json.errors, [
    { pointer: '/user/avatar', field: 'user[avatar]', rule: 'type', message: /multipart\/form-data/ },
  ])
})

t.test('a value at the limit of its rule is accepted', async t => {
  const { usersUrl } = await startService(t)
  const rows: Array<{ name: string, fields: Record<string, unknown> }> = [
    { name: 'the smallest ID', fields: { vendor_id: 1 } },
    { name: 'the largest ID', fields: { vendor_id: 9007199254740991 } },
    { name: 'the smallest phone extension', fields: { business_phone_extension: 0 } },
    { name: 'the longest text', fields: { notes: 'ä'.repeat(32_768) } },
    { name: 'an empty text', fields: { notes: '' } },
    { name: 'a user who is not a bid contact, without a vendor', fields: { bid_contact: false } },
    { name: 'a bid contact with a vendor', fields: { bid_contact: true, vendor_id: 5 } },
    { name: 'a state without a country', fields: { state_code: 'ENG' } },
    { name: 'a state of its country', fields: { country_code: 'GB', state_code: 'ENG' } },
    { name: 'a name with spaces around it', fields: { last_name: ' Doe ' } },
  ]
  for (const [index, { name, fields }] of rows.entries()) {
    await t.test(`${name} is accepted`, async t => {
      const user = { ...jane, email_address: `jane${index}@example.com`, ...fields }
      t.equal((await sendJson(usersUrl, { user })).status, 201)
    })
  }
})

t.test('errors of path, query and body are in the order of the schema, followed by unknown fields', async t => {
  const { url, emulator } = await startService(t)
  const response = await sendJson(`${url}/companies/x/users?foo=1&run_configurable_validations=maybe`, {
    zeta: 1,
    user: { omega: 1, bid_contact: 'x', alpha: 2, email_address: 'no', last_name: 5 },
  })
  t.strictSame(summarizeErrors(response), [
    'path /company_id type',
    'query /run_configurable_validations type',
    'body /user/last_name type',
    'body /user/email_address format',
    'body /user/bid_contact type',
    'query /foo unknown',
    'body /zeta unknown',
    'body /user/omega unknown',
    'body /user/alpha unknown',
  ])
  t.equal(response.json.errors?.[2]?.['field'], 'user[last_name]')
  t.equal(response.json.errors?.[6]?.['field'], 'zeta')
  t.equal(emulator.apiRequests.length, 0)
})

t.test('at most 50 errors are reported, and a long field name is truncated', async t => {
  const { usersUrl } = await startService(t)
  const unknownFields = Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`f${index}`, 1]))
  t.equal((await sendJson(usersUrl, { user: unknownFields })).json.errors?.length, 50)
  const longName = await sendJson(usersUrl, { user: { ...jane, ['x'.repeat(100_000)]: 1 } })
  t.equal(longName.json.errors?.length, 1)
  t.ok(longName.text.length < 2000)
})

t.test('a body without a user object is rejected', async t => {
  const { usersUrl } = await startService(t)
  const rows = [
    { json: '{}', error: 'body /user required' },
    ...[null, 'x', 1, []].map(user => ({ json: JSON.stringify({ user }), error: 'body /user type' })),
    ...['null', '[]', '"x"', '1', 'true'].map(json => ({ json, error: 'body  type' })),
  ]
  for (const { json, error } of rows) {
    await t.test(`${json} is rejected with "${error}"`, async t => {
      t.strictSame(summarizeErrors(await sendJson(usersUrl, json)), [error])
    })
  }
})

t.test('a field with a name of Object.prototype is reported as unknown', async t => {
  const { usersUrl, emulator } = await startService(t)
  const required = '"last_name":"Doe","email_address":"jane@example.com"'
  const inUser = await sendJson(usersUrl, `{"user":{${required},"__proto__":{"x":1},"constructor":1,"toString":"x"}}`)
  t.strictSame(summarizeErrors(inUser), [
    'body /user/__proto__ unknown',
    'body /user/constructor unknown',
    'body /user/toString unknown',
  ])
  const atRoot = await sendJson(usersUrl, `{"__proto__":{"user":{${required}}}}`)
  t.strictSame(summarizeErrors(atRoot), ['body /user required', 'body /__proto__ unknown'])
  t.equal(emulator.apiRequests.length, 0)
})

t.test('an invalid company ID or query is reported', async t => {
  const { url } = await startService(t)
  const rows = [
    { path: '/companies/abc/users', error: 'path /company_id type' },
    { path: '/companies/-1/users', error: 'path /company_id type' },
    { path: '/companies/1e3/users', error: 'path /company_id type' },
    { path: '/companies/0/users', error: 'path /company_id size' },
    { path: '/companies/9007199254740992/users', error: 'path /company_id size' },
    {
      path: '/companies/1/users?run_configurable_validations=',
      error: 'query /run_configurable_validations type',
    },
    {
      path: '/companies/1/users?run_configurable_validations=true&run_configurable_validations=true',
      error: 'query /run_configurable_validations duplicate',
    },
    { path: '/companies/1/users?per_page=1', error: 'query /per_page unknown' },
  ]
  for (const { path, error } of rows) {
    await t.test(`${path} is rejected with "${error}"`, async t => {
      t.strictSame(summarizeErrors(await sendJson(`${url}${path}`, { user: jane })), [error])
    })
  }
})

t.test('with STATE_CODES=any the service checks only the format of a state code', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { STATE_CODES: 'any' } })
  emulator.faults.add({ kind: 'status', status: 201, body: '{}', times: 2 })
  const unknownState = { ...jane, country_code: 'US', state_code: 'ZZZ' }
  t.equal((await sendJson(usersUrl, { user: unknownState })).status, 201)
  t.equal((await sendJson(usersUrl, { user: { ...jane, state_code: '7' } })).status, 201)
  for (const code of ['', 'ABCD', 'ca']) {
    await t.test(`the state code ${JSON.stringify(code)} is rejected`, async t => {
      const response = await sendJson(usersUrl, { user: { ...jane, state_code: code } })
      t.strictSame(summarizeErrors(response), ['body /user/state_code format'])
    })
  }
})
