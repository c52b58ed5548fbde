// The message of each error is a true sentence about the value.
import t from 'tap'
import {
  jane, multipartBody, RawConnection, send, sendJson, sendMultipart, summarizeErrors,
} from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

t.test('the message says what is wrong with a value of JSON', async t => {
  const { usersUrl } = await startService(t)
  const rows: Array<{ field: string, value: unknown, rule: string, message: string }> = [
    { field: 'country_code', value: 'us', rule: 'format', message: 'must be in upper case' },
    {
      field: 'country_code',
      value: 'UK',
      rule: 'format',
      message: 'must be GB for the United Kingdom: UK is not an ISO 3166-1 alpha-2 code',
    },
    {
      field: 'country_code',
      value: 'XK',
      rule: 'format',
      message: 'must be an ISO 3166-1 alpha-2 code that is currently assigned',
    },
    {
      field: 'country_code',
      value: 'USA',
      rule: 'format',
      message: 'must be an ISO 3166-1 alpha-2 code: two capital letters',
    },
    {
      field: 'country_code',
      value: 'uk',
      rule: 'format',
      message: 'must be GB for the United Kingdom: UK is not an ISO 3166-1 alpha-2 code',
    },
    {
      field: 'country_code',
      value: 'ß',
      rule: 'format',
      message: 'must be an ISO 3166-1 alpha-2 code: two capital letters',
    },
    {
      field: 'state_code',
      value: 'ß',
      rule: 'format',
      message: 'must be the part after the hyphen of an ISO 3166-2 code',
    },
    { field: 'state_code', value: 'us-ca', rule: 'format', message: 'must be without the country and the hyphen' },
    { field: 'state_code', value: 'ca', rule: 'format', message: 'must be in upper case' },
    { field: 'state_code', value: 'US-CA', rule: 'format', message: 'must be without the country and the hyphen' },
    {
      field: 'state_code',
      value: 'California',
      rule: 'format',
      message: 'must be the part after the hyphen of an ISO 3166-2 code',
    },
    { field: 'email_address', value: 'jane', rule: 'format', message: 'must be an e-mail address' },
    {
      field: 'email_address',
      value: 'jane@localhost',
      rule: 'format',
      message: 'must be an e-mail address with a whole domain name, such as example.com',
    },
    {
      field: 'email_address',
      value: 'jané@example.com',
      rule: 'format',
      message: 'must be an e-mail address in ASCII',
    },
    {
      field: 'email_address',
      value: ' jane@example.com',
      rule: 'format',
      message: 'must be an e-mail address without white space around it',
    },
    { field: 'vendor_id', value: '5', rule: 'type', message: 'must be a number, not a string' },
    { field: 'vendor_id', value: 1.5, rule: 'type', message: 'must be an integer' },
    { field: 'is_active', value: 'true', rule: 'type', message: 'must be true or false, not a string' },
    { field: 'first_name', value: 5, rule: 'type', message: 'must be a string' },
    { field: 'first_name', value: 'a\nb', rule: 'format', message: 'must not contain a line break' },
    { field: 'city', value: 'a\r', rule: 'format', message: 'must not contain a line break' },
    { field: 'notes', value: 'a\ud800b', rule: 'format', message: 'must not contain half of a surrogate pair' },
    { field: 'last_name', value: '\udc00', rule: 'format', message: 'must not contain half of a surrogate pair' },
  ]
  for (const { field, value, rule, message } of rows) {
    await t.test(`${field} ${JSON.stringify(value)} ${message}`, async t => {
      const response = await sendJson(usersUrl, { user: { ...jane, [field]: value } })
      t.strictSame(summarizeErrors(response), [`body /user/${field} ${rule}`])
      t.match(response.json.errors, [{ message }])
    })
  }
  for (const field of ['notes', 'email_signature', 'address', 'origin_data']) {
    await t.test(`${field} may have several lines`, async t => {
      const user = { ...jane, email_address: `${field}@example.com`, [field]: 'a\r\nb\nc' }
      t.equal((await sendJson(usersUrl, { user })).status, 201)
    })
  }
})

t.test('the message says what is wrong with a text of a form', async t => {
  const { usersUrl } = await startService(t)
  const rows = [
    { field: 'vendor_id', text: '-5', message: 'must consist of decimal digits' },
    { field: 'vendor_id', text: '1.5', message: 'must consist of decimal digits' },
    { field: 'is_active', text: 'yes', message: 'must be true, false, 1 or 0' },
    { field: 'business_phone_extension', text: '007', message: 'must not start with 0, because Procore would drop it' },
  ]
  for (const { field, text, message } of rows) {
    await t.test(`${field} ${text} ${message}`, async t => {
      const parts = Object.entries({ ...jane, [field]: text }).map(([name, data]) => ({ name: `user[${name}]`, data }))
      const response = await sendMultipart(usersUrl, multipartBody(parts))
      t.match(response.json.errors, [{ pointer: `/user/${field}`, message }])
    })
  }
})

t.test('the message says what is wrong with a range of dates', async t => {
  const { usersUrl } = await startService(t)
  const rows = [
    {
      value: '2026-01-01T00:00:00.1234567Z',
      message: 'must have at most six digits after the decimal point of the seconds',
    },
    { value: '2026-01-01T24:00:00Z', message: 'must contain only times that exist' },
    { value: '2026-01-01T23:59:60Z', message: 'must contain only times that exist' },
    { value: '2026-02-30', message: 'must contain only dates that exist' },
    { value: '2026-01-01...2026-02-30T00:00:00Z', message: 'must contain only dates that exist' },
    {
      value: '2026-01-01...2026-01-02...2026-01-03',
      message: 'must be one date or date-time, or two of them separated by `...`',
    },
    {
      value: '2026-W01',
      message: 'must be YYYY-MM-DD or YYYY-MM-DDThh:mm:ss, with an optional fraction and offset, or two of them ' +
        'separated by `...`',
    },
  ]
  for (const { value, message } of rows) {
    await t.test(`${value} ${message}`, async t => {
      const url = `${usersUrl}?filters[created_at]=${encodeURIComponent(value)}`
      t.match((await send(url, { method: 'GET' })).json.errors, [{ rule: 'format', message }])
    })
  }
})

t.test('the message says why a JSON body is malformed', async t => {
  const { usersUrl } = await startService(t)
  const rows = [
    { name: 'an empty body', body: '', detail: 'The body is empty.' },
    { name: 'invalid UTF-8', body: Buffer.from([0xff]), detail: 'The body is not valid UTF-8.' },
    { name: 'a missing brace', body: '{"user":{}', detail: 'The body is not valid JSON.' },
  ]
  for (const { name, body, detail } of rows) {
    await t.test(`${name} is malformed_json: ${detail}`, async t => {
      t.match((await sendJson(usersUrl, body)).json, { status: 400, code: 'malformed_json', detail })
    })
  }
})

t.test('the detail says how many errors there are', async t => {
  const { usersUrl } = await startService(t)
  for (const { count, detail } of [
    { count: 1, detail: 'The request has one error and was not carried out.' },
    { count: 50, detail: 'The request has 50 errors and was not carried out.' },
    { count: 51, detail: 'The request has more than 50 errors and was not carried out.' },
  ]) {
    await t.test(`${count} unknown fields: ${detail}`, async t => {
      const unknown = Object.fromEntries(Array.from({ length: count }, (_, index) => [`field${index}`, '']))
      const { json } = await sendJson(usersUrl, { user: { ...jane, ...unknown } })
      t.match(json, { code: 'validation_failed', detail })
      t.equal(json.errors?.length, Math.min(count, 50))
    })
  }
})

t.test('the detail says what is wrong with the head of a request', async t => {
  const { url, port, usersUrl } = await startService(t)
  const hello = (path: string, ...headers: string[]) =>
    `GET ${path} HTTP/1.1\r\n${['Host: localhost', ...headers].join('\r\n')}\r\n\r\n`
  const rows = [
    { name: 'two Hosts', head: hello('/livez', 'Host: b'), detail: 'The request has more than one Host header.' },
    {
      name: 'two content types',
      head: hello('/livez', 'Content-Type: a/b', 'content-type: a/b'),
      detail: 'The request has more than one content-type header.',
    },
    {
      name: 'an invalid Host',
      head: 'GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n',
      detail: 'The Host header is not a valid host name or address.',
    },
    { name: 'a fragment', head: hello('/livez#a'), detail: 'The URL must not have a fragment.' },
    {
      name: 'an invalid query',
      head: hello('/companies/1/users?a=%ff'),
      detail: 'The percent-encoding of the URL is invalid or not UTF-8.',
    },
    {
      name: 'an invalid path',
      head: hello('/companies/%ff/users'),
      detail: 'The percent-encoding of the URL is invalid or not UTF-8.',
    },
    {
      name: 'a long segment',
      head: hello(`/companies/${'1'.repeat(2000)}/users`),
      detail: 'A segment of the path is too long.',
    },
    {
      name: 'many headers',
      head: hello('/livez', ...Array.from({ length: 140 }, (_, index) => `X-${index}: a`)),
      detail: 'The request has more than 128 headers.',
    },
    {
      name: 'large headers',
      head: hello('/', `X: ${'x'.repeat(17_000)}`),
      detail: 'The headers are larger than 16384 bytes.',
    },
  ]
  for (const { name, head, detail } of rows) {
    await t.test(`${name}: ${detail}`, async t => {
      const caller = new RawConnection(port)
      t.match(await caller.write(head).readToEnd(), `"detail":${JSON.stringify(detail)}`)
    })
  }
  const methods = await send(`${url}/livez`, { method: 'DELETE' })
  t.match(methods.json, { status: 405, detail: 'The route does not support this method. It supports GET, HEAD.' })
  const remedy = 'Send application/json or multipart/form-data.'
  const types = [
    { contentType: '', detail: `The request has no Content-Type. ${remedy}` },
    { contentType: 'text/plain; charset=latin1', detail: `The content type is not supported. ${remedy}` },
    { contentType: 'json', detail: `The content type is not supported. ${remedy}` },
    { contentType: 'a/b; a', detail: `The content type is invalid. ${remedy}` },
    {
      contentType: 'multipart/form-data; boundary="a',
      detail: 'The content type has an invalid or repeated parameter.',
    },
    {
      contentType: 'multipart/form-data',
      detail: 'The content type has no boundary. The library that writes the form should set it.',
    },
  ]
  for (const { contentType, detail } of types) {
    await t.test(`the content type ${JSON.stringify(contentType)}: ${detail}`, async t => {
      const headers: Record<string, string> = contentType === '' ? {} : { 'content-type': contentType }
      t.match((await send(usersUrl, { headers, body: '{}' })).json, { detail })
    })
  }
})

t.test('with STATE_CODES=any, a country is two capitals and a state one to three capitals or digits', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { STATE_CODES: 'any' } })
  emulator.faults.add({ kind: 'status', status: 201, body: '{}' })
  t.equal((await sendJson(usersUrl, { user: { ...jane, country_code: 'XK', state_code: 'Q1' } })).status, 201)
  t.match(String(emulator.apiRequests[0]?.body), /"country_code":"XK","state_code":"Q1"/)
  const rows = [
    { field: 'country_code', value: 'xk', message: 'must be two capital letters' },
    { field: 'country_code', value: 'XKX', message: 'must be two capital letters' },
    { field: 'state_code', value: 'abcd', message: 'must be one to three capital letters or digits' },
  ]
  for (const { field, value, message } of rows) {
    await t.test(`${field} ${value} ${message}`, async t => {
      const response = await sendJson(usersUrl, { user: { ...jane, [field]: value } })
      t.match(response.json.errors, [{ pointer: `/user/${field}`, rule: 'format', message }])
    })
  }
})
