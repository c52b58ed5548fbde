// What is wrong with a JSON body is told field by field, all at once, and nothing goes upstream.
import t from 'tap'
import { summarizeErrors, jane, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

t.test('each rule at its field', async t => {
  const { usersUrl, emulator } = await startService(t)
  const wrong = async (user: unknown) => {
    const reply = await sendJson(usersUrl, { user })
    t.equal(reply.status, 422)
    t.equal(reply.json['code'], 'validation_failed')
    t.notOk('outcome' in reply.json)
    return summarizeErrors(reply)
  }
  const one = (name: string, rule: string) => [`body /user/${name} ${rule}`]
  t.strictSame(await wrong({}), ['body /user/last_name required', 'body /user/email_address required'])
  t.strictSame(await wrong({ ...jane, last_name: ' \t\u00a0' }), one('last_name', 'required'))
  t.strictSame(await wrong({ ...jane, email_address: '' }), one('email_address', 'required'))
  for (const email of ['jane', 'jane@', 'jane@localhost', 'jane doe@example.com', 'jane@example.com\n', 'jané@example.com', '"jane"@example.com']) t.strictSame(await wrong({ ...jane, email_address: email }), one('email_address', 'format'), email)
  for (const value of [null, 1, true, {}, []]) t.strictSame(await wrong({ ...jane, first_name: value }), one('first_name', 'type'))
  for (const value of [null, '1', 1.5, true, [1]]) t.strictSame(await wrong({ ...jane, vendor_id: value }), one('vendor_id', 'type'))
  for (const value of [0, -1, 9007199254740992, 2 ** 60]) t.strictSame(await wrong({ ...jane, vendor_id: value }), one('vendor_id', 'size'))
  for (const value of [null, 'true', 1, 0]) t.strictSame(await wrong({ ...jane, is_active: value }), one('is_active', 'type'))
  t.strictSame(await wrong({ ...jane, business_phone_extension: -1 }), one('business_phone_extension', 'size'))
  for (const code of ['us', 'UK', 'USA', '', 'XX', 'AN']) t.strictSame(await wrong({ ...jane, country_code: code }), one('country_code', 'format'), code)
  for (const code of ['ca', 'US-CA', '', 'QQQ']) t.strictSame(await wrong({ ...jane, state_code: code }), one('state_code', 'format'), code)
  t.strictSame(await wrong({ ...jane, country_code: 'US', state_code: 'NSW' }), one('state_code', 'dependency'))
  t.strictSame(await wrong({ ...jane, country_code: 'XX', state_code: 'NSW' }), one('country_code', 'format'))
  t.strictSame(await wrong({ ...jane, bid_contact: true }), one('vendor_id', 'dependency'))
  t.strictSame(await wrong({ ...jane, bid_contact: true, vendor_id: 0 }), one('vendor_id', 'size'))
  t.strictSame(await wrong({ ...jane, notes: 'a\0b' }), one('notes', 'format'))
  t.strictSame(await wrong({ ...jane, notes: 'ä'.repeat(32_769) }), one('notes', 'size'))
  t.strictSame(await wrong({ ...jane, nickname: 'J' }), one('nickname', 'unknown'))
  t.strictSame(await wrong({ ...jane, 'a/b~c': 'J' }), one('a~1b~0c', 'unknown'))
  t.equal(emulator.apiRequests.length, 0)
})

t.test('an avatar in JSON is refused with the hint to send a form', async t => {
  const { usersUrl } = await startService(t)
  const reply = await sendJson(usersUrl, { user: { ...jane, avatar: 'data:image/png;base64,AAAA' } })
  t.match(reply.json.errors, [{ pointer: '/user/avatar', field: 'user[avatar]', rule: 'type', message: /multipart\/form-data/ }])
})

t.test('what is valid at the edges', async t => {
  const { usersUrl } = await startService(t)
  const right = async (user: object) => t.equal((await sendJson(usersUrl, { user: { ...jane, email_address: `jane${Math.random()}@example.com`, ...user } })).status, 201, JSON.stringify(user).slice(0, 80))
  await right({ vendor_id: 1 })
  await right({ vendor_id: 9007199254740991 })
  await right({ business_phone_extension: 0 })
  await right({ notes: 'ä'.repeat(32_768) })
  await right({ notes: '' })
  await right({ bid_contact: false })
  await right({ bid_contact: true, vendor_id: 5 })
  await right({ state_code: 'ENG' })
  await right({ country_code: 'GB', state_code: 'ENG' })
  await right({ last_name: ' Doe ' })
})

t.test('all faults of path, query and body at once: in the order of the schema, unknown fields after them as they came', async t => {
  const { url, emulator } = await startService(t)
  const reply = await sendJson(`${url}/companies/x/users?foo=1&run_configurable_validations=maybe`, {
    zeta: 1, user: { omega: 1, bid_contact: 'x', alpha: 2, email_address: 'no', last_name: 5 },
  })
  t.strictSame(summarizeErrors(reply), [
    'path /company_id type', 'query /run_configurable_validations type', 'body /user/last_name type', 'body /user/email_address format',
    'body /user/bid_contact type', 'query /foo unknown', 'body /zeta unknown', 'body /user/omega unknown', 'body /user/alpha unknown',
  ])
  t.equal(reply.json.errors?.[2]?.['field'], 'user[last_name]')
  t.equal(reply.json.errors?.[6]?.['field'], 'zeta')
  t.equal(emulator.apiRequests.length, 0)
})

t.test('at most 50 faults are told, and a long name is cut', async t => {
  const { usersUrl } = await startService(t)
  const many = Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`f${index}`, 1]))
  t.equal((await sendJson(usersUrl, { user: many })).json.errors?.length, 50)
  const long = await sendJson(usersUrl, { user: { ...jane, ['x'.repeat(100_000)]: 1 } })
  t.ok(long.text.length < 2000)
})

t.test('the ways in which there is no user', async t => {
  const { usersUrl } = await startService(t)
  t.strictSame(summarizeErrors(await sendJson(usersUrl, {})), ['body /user required'])
  for (const value of [null, 'x', 1, []]) t.strictSame(summarizeErrors(await sendJson(usersUrl, { user: value })), ['body /user type'])
  for (const value of ['null', '[]', '"x"', '1', 'true']) t.strictSame(summarizeErrors(await sendJson(usersUrl, value)), ['body  type'], value)
})

t.test('names of Object.prototype are fields like others', async t => {
  const { usersUrl, emulator } = await startService(t)
  t.strictSame(summarizeErrors(await sendJson(usersUrl, '{"user":{"last_name":"Doe","email_address":"jane@example.com","__proto__":{"x":1},"constructor":1,"toString":"x"}}')),
    ['body /user/__proto__ unknown', 'body /user/constructor unknown', 'body /user/toString unknown'])
  t.strictSame(summarizeErrors(await sendJson(usersUrl, '{"__proto__":{"user":{"last_name":"Doe","email_address":"jane@example.com"}}}')), ['body /user required', 'body /__proto__ unknown'])
  t.equal(emulator.apiRequests.length, 0)
})

t.test('company ids and the query', async t => {
  const { url } = await startService(t)
  const at = async (path: string) => summarizeErrors(await sendJson(`${url}${path}`, { user: jane }))
  t.strictSame(await at('/companies/abc/users'), ['path /company_id type'])
  t.strictSame(await at('/companies/-1/users'), ['path /company_id type'])
  t.strictSame(await at('/companies/1e3/users'), ['path /company_id type'])
  t.strictSame(await at('/companies/0/users'), ['path /company_id size'])
  t.strictSame(await at('/companies/9007199254740992/users'), ['path /company_id size'])
  t.strictSame(await at('/companies/1/users?run_configurable_validations='), ['query /run_configurable_validations type'])
  t.strictSame(await at('/companies/1/users?run_configurable_validations=true&run_configurable_validations=true'), ['query /run_configurable_validations duplicate'])
  t.strictSame(await at('/companies/1/users?per_page=1'), ['query /per_page unknown'])
})

t.test('STATE_CODES=any leaves the judging of states to Procore', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { STATE_CODES: 'any' } })
  emulator.faults.add({ kind: 'status', status: 201, body: '{}', times: 2 })
  t.equal((await sendJson(usersUrl, { user: { ...jane, country_code: 'US', state_code: 'ZZZ' } })).status, 201)
  t.equal((await sendJson(usersUrl, { user: { ...jane, state_code: '7' } })).status, 201)
  for (const code of ['', 'ABCD', 'ca']) t.strictSame(summarizeErrors(await sendJson(usersUrl, { user: { ...jane, state_code: code } })), ['body /user/state_code format'])
})
