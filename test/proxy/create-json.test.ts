// A create by JSON: what goes upstream is built from what was validated, and what comes back is Procore's answer byte for byte.
import t from 'tap'
import { jane, streamChunks, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const everything = {
  ...jane,
  first_name: 'Jané',
  job_title: 'QA Manager',
  address: '6305 Carpinteria Ave',
  city: 'Carpinteria',
  zip: '93013',
  initials: 'JD',
  notes: 'line\r\nline "quoted" \\ 😀',
  business_phone: '1-555-555-1234',
  mobile_phone: '',
  fax_number: '1-555-555-1234',
  business_phone_extension: 0,
  email_signature: '<p>Sent from Procore.</p>',
  is_active: true,
  is_employee: false,
  employee_id: '123456789',
  country_code: 'AU',
  state_code: 'NSW',
  origin_id: 'foobar',
  origin_data: 'OD-2398273424',
  vendor_id: 9007199254740991,
  work_classification_id: 13,
  default_permission_template_id: 27,
  company_permission_template_id: 28,
  bid_contact: true,
}

t.test('all 26 fields arrive as they were sent, under both paths', async t => {
  const { url, emulator } = await startService(t)
  for (const path of ['/companies/101/users', '/rest/v1.3/companies/102/users']) {
    const { status } = await sendJson(`${url}${path}`, { user: everything })
    t.equal(status, 201)
    const received = emulator.apiRequests.at(-1)
    t.equal(received?.path, `/rest/v1.3/companies/${path.includes('102') ? 102 : 101}/users`)
    t.strictSame(JSON.parse(String(received?.body)), { user: everything })
  }
})

t.test('only what is ours to say goes upstream', async t => {
  const { usersUrl, emulator } = await startService(t)
  await sendJson(`${usersUrl}?run_configurable_validations=1`, { user: { ...jane, job_title: 'QA' } }, {
    authorization: 'Bearer of-the-caller',
    cookie: 'a=b',
    'x-forwarded-for': '10.0.0.1',
    forwarded: 'for=10.0.0.1',
    'x-request-id': 'caller-7',
    'procore-company-id': '999',
    'x-custom': 'yes',
    te: 'trailers',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    accept: 'text/html',
  })
  const received = emulator.apiRequests[0]
  t.equal(received?.method, 'POST')
  t.equal(received?.path, '/rest/v1.3/companies/101/users?run_configurable_validations=true')
  const { host, authorization, 'content-length': length, ...rest } = received?.headers ?? {}
  t.equal(host, new URL(emulator.url).host)
  t.match(authorization, /^Bearer eyJ/)
  t.equal(Number(length), received?.body.length)
  t.strictSame(rest, {
    connection: 'keep-alive',
    'procore-company-id': '101',
    'content-type': 'application/json',
    accept: 'application/json',
    'user-agent': 'procore-bff/0.1.0',
    via: '1.1 procore-bff',
  })
})

t.test('the answer is Procore\'s, byte for byte, and its headers are ours', async t => {
  const { usersUrl, emulator } = await startService(t)
  const body = '{ "id": 12345678901234567890,\n"name" : "J\\u00e9", "extra": [null] }'
  emulator.faults.add({ kind: 'status', status: 201, body, headers: { 'x-request-id': 'procore-9', 'cache-control': 'public', etag: '"1"', location: 'https://elsewhere.example.com', 'set-cookie': 'a=b' } })
  const reply = await sendJson(usersUrl, { user: jane }, { 'x-request-id': 'caller-7' })
  t.equal(reply.status, 201)
  t.equal(reply.text, body)
  const { date, 'keep-alive': _, ...headers } = reply.headers
  t.ok(date)
  t.strictSame(headers, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
    'x-request-id': 'caller-7',
    'procore-request-id': 'procore-9',
    connection: 'keep-alive',
  })
})

t.test('an id that is not sane is replaced', async t => {
  const { usersUrl } = await startService(t)
  for (const id of ['a b', 'x'.repeat(129), 'ä', '<script>']) {
    const { headers } = await sendJson(usersUrl, { user: {} }, { 'x-request-id': Buffer.from(id).toString('latin1') })
    t.match(headers['x-request-id'], /^[0-9a-f-]{36}$/)
  }
  const { headers } = await sendJson(usersUrl, { user: {} }, { 'x-request-id': 'A.b_c:/+=@-9' })
  t.equal(headers['x-request-id'], 'A.b_c:/+=@-9')
})

t.test('a key repeated in JSON: the last one counts, for us and for Procore', async t => {
  const { usersUrl, emulator } = await startService(t)
  const { status } = await sendJson(usersUrl, '{"user":{"last_name":1,"last_name":"Doe","email_address":"jane.doe@example.com"}}')
  t.equal(status, 201)
  t.equal(String(emulator.apiRequests[0]?.body), '{"user":{"last_name":"Doe","email_address":"jane.doe@example.com"}}')
})

t.test('a chunked JSON body is taken as well', async t => {
  const { usersUrl } = await startService(t)
  const { status } = await send(usersUrl, {
    headers: { 'content-type': 'Application/JSON; charset="UTF-8"' },
    body: streamChunks('{"user":', `${JSON.stringify(jane)}}`),
  })
  t.equal(status, 201)
})
