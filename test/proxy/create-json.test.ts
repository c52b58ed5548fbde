// Creates by JSON: the upstream request has validated values only, and Procore's response is relayed byte for byte.
import t from 'tap'
import { jane, streamChunks, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

/** All 26 fields of a user that a JSON body can have. */
const completeUser = {
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

t.test('all 26 fields reach Procore as they were sent', async t => {
  const { url, emulator } = await startService(t)
  const rows = [
    { path: '/companies/101/users', upstreamPath: '/rest/v1.3/companies/101/users' },
    { path: '/rest/v1.3/companies/102/users', upstreamPath: '/rest/v1.3/companies/102/users' },
  ]
  for (const { path, upstreamPath } of rows) {
    await t.test(`a create at ${path} is sent to ${upstreamPath}`, async t => {
      const { status } = await sendJson(`${url}${path}`, { user: completeUser })
      t.equal(status, 201)
      const received = emulator.apiRequests.at(-1)
      t.equal(received?.path, upstreamPath)
      t.strictSame(JSON.parse(String(received?.body)), { user: completeUser })
    })
  }
})

t.test('no header of the caller reaches Procore', async t => {
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
    'accept-encoding': 'identity',
    'user-agent': 'procore-bff/0.1.0',
    via: '1.1 procore-bff',
  })
})

t.test('the body of Procore\'s response is relayed byte for byte, with headers of the service\'s own', async t => {
  const { usersUrl, emulator } = await startService(t)
  const body = '{ "id": 12345678901234567890,\n"name" : "J\\u00e9", "extra": [null] }'
  emulator.faults.add({
    kind: 'status',
    status: 201,
    body,
    headers: {
      'x-request-id': 'procore-9',
      'cache-control': 'public',
      etag: '"1"',
      location: 'https://elsewhere.example.com',
      'set-cookie': 'a=b',
    },
  })
  const response = await sendJson(usersUrl, { user: jane }, { 'x-request-id': 'caller-7' })
  t.equal(response.status, 201)
  t.equal(response.text, body)
  const { date, 'keep-alive': _, ...headers } = response.headers
  t.ok(date)
  t.strictSame(headers, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
    'x-request-id': 'caller-7',
    'procore-request-id': 'procore-9',
    'x-content-type-options': 'nosniff',
    connection: 'keep-alive',
  })
})

t.test('a request ID of the caller\'s is used if it is safe to log', async t => {
  const { usersUrl } = await startService(t)
  const createWithRequestId = async (requestId: string) => {
    const headers = { 'x-request-id': Buffer.from(requestId).toString('latin1') }
    return (await sendJson(usersUrl, { user: {} }, headers)).headers['x-request-id']
  }
  const rows = [
    { name: 'a request ID with a space', requestId: 'a b' },
    { name: 'a request ID over 128 characters', requestId: 'x'.repeat(129) },
    { name: 'a request ID outside ASCII', requestId: 'ä' },
    { name: 'a request ID with markup', requestId: '<script>' },
  ]
  for (const { name, requestId } of rows) {
    await t.test(`${name} is replaced by a UUID`, async t => {
      t.match(await createWithRequestId(requestId), /^[0-9a-f-]{36}$/)
    })
  }
  t.equal(await createWithRequestId('A.b_c:/+=@-9'), 'A.b_c:/+=@-9')
})

t.test('the last value of a repeated JSON member is validated and sent', async t => {
  const { usersUrl, emulator } = await startService(t)
  const json = '{"user":{"last_name":1,"last_name":"Doe","email_address":"jane.doe@example.com"}}'
  const { status } = await sendJson(usersUrl, json)
  t.equal(status, 201)
  const sent = '{"user":{"last_name":"Doe","email_address":"jane.doe@example.com"}}'
  t.equal(String(emulator.apiRequests[0]?.body), sent)
})

t.test('a chunked JSON body is accepted', async t => {
  const { usersUrl } = await startService(t)
  const { status } = await send(usersUrl, {
    headers: { 'content-type': 'Application/JSON; charset="UTF-8"' },
    body: streamChunks('{"user":', `${JSON.stringify(jane)}}`),
  })
  t.equal(status, 201)
})
