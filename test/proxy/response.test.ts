// Maps each response of Procore's to the status, code and outcome that the caller gets.
import t from 'tap'
import type { InjectedFault, Settings } from '../../tools/emulator/settings.ts'
import { png } from '../helpers/images.ts'
import { avatarPart } from '../helpers/request-builders.ts'
import { summarizeErrors, multipartBody, jane, janeParts, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

interface ResponseRow {
  name: string
  fault: InjectedFault & { status: number, body: string }
  status: number
  code: string
  outcome: 'rejected' | 'unknown'
  retryAfter?: string
  /** Whether the problem has the body of Procore's response. */
  hasProcoreBody?: boolean
}

interface RejectionRow {
  name: string
  procoreStatus: number
  body: string
  headers?: Record<string, string>
  hasProcoreBody?: boolean
}

/** A 4xx status that is relayed to the caller. */
function rejectionRow ({ name, procoreStatus, body, headers, hasProcoreBody = true }: RejectionRow): ResponseRow {
  return {
    name,
    fault: { kind: 'status', status: procoreStatus, body, ...(headers && { headers }) },
    status: procoreStatus,
    code: 'procore_rejected',
    outcome: 'rejected',
    hasProcoreBody,
  }
}

/** A response that makes no sense for a create, so that its outcome is unknown. */
function badResponseRow (name: string, status: number, body: string, headers?: Record<string, string>): ResponseRow {
  return {
    name,
    fault: { kind: 'status', status, body, ...(headers && { headers }) },
    status: 502,
    code: 'procore_bad_response',
    outcome: 'unknown',
  }
}

const html = { 'content-type': 'text/html' }
const secretHtml = '<html>secret text of theirs</html>'

const responseRows: ResponseRow[] = [
  rejectionRow({
    name: '403 with a reason',
    procoreStatus: 403,
    body: '{"errors":["App is not connected to this company."]}',
  }),
  rejectionRow({ name: '404', procoreStatus: 404, body: '{}' }),
  rejectionRow({ name: '405 without a body', procoreStatus: 405, body: '', hasProcoreBody: false }),
  rejectionRow({ name: '406', procoreStatus: 406, body: '{}' }),
  rejectionRow({ name: '411', procoreStatus: 411, body: '{}' }),
  rejectionRow({
    name: '413 with HTML',
    procoreStatus: 413,
    body: '<html>',
    headers: html,
    hasProcoreBody: false,
  }),
  rejectionRow({ name: '415', procoreStatus: 415, body: '{}' }),
  {
    name: '429 with Retry-After',
    fault: { kind: 'status', status: 429, body: '{}', headers: { 'retry-after': '17' } },
    status: 429,
    code: 'procore_rate_limited',
    outcome: 'rejected',
    retryAfter: '17',
  },
  badResponseRow('500 with a message', 500, '{"message":"secret text of theirs"}'),
  badResponseRow('501', 501, ''),
  badResponseRow('502 with HTML', 502, secretHtml),
  {
    name: '503 without Retry-After',
    fault: { kind: 'status', status: 503, body: secretHtml },
    status: 503,
    code: 'procore_unavailable',
    outcome: 'unknown',
  },
  {
    name: '503 with Retry-After',
    fault: { kind: 'status', status: 503, body: '', headers: { 'retry-after': '9' } },
    status: 503,
    code: 'procore_unavailable',
    outcome: 'rejected',
    retryAfter: '9',
  },
  {
    name: '504',
    fault: { kind: 'status', status: 504, body: '' },
    status: 504,
    code: 'procore_timeout',
    outcome: 'unknown',
  },
  badResponseRow('a redirect to another host', 301, '', { location: 'https://elsewhere.example.com/' }),
  badResponseRow('304', 304, ''),
  badResponseRow('204', 204, ''),
  badResponseRow('201 without a body', 201, ''),
  badResponseRow('201 with truncated JSON', 201, '{"id":'),
  badResponseRow('200 with HTML', 200, '<html>', html),
  badResponseRow('201 with compressed JSON', 201, '{}', { 'content-encoding': 'gzip' }),
]

t.test('each response to a completely sent create is mapped to a problem', async t => {
  const { url, emulator } = await startService(t)
  for (const [index, row] of responseRows.entries()) {
    const { name, fault, status, code, outcome, retryAfter, hasProcoreBody } = row
    await t.test(`${name} becomes ${status} ${code} with the outcome ${outcome}`, async t => {
      emulator.faults.add(fault)
      // Each row has a company of its own, since some responses pause the requests of their company.
      const response = await sendJson(`${url}/companies/${index + 1}/users`, { user: jane })
      t.equal(response.status, status)
      t.match(response.json, { status, code, outcome })
      t.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8')
      t.equal(response.headers['cache-control'], 'no-store')
      t.equal(response.headers['retry-after'], retryAfter)
      t.equal(response.headers['location'], undefined)
      t.equal(response.headers['set-cookie'], undefined)
      t.notMatch(response.text, /secret|html/)
      t.equal('procore' in response.json, code === 'procore_rejected')
      if (hasProcoreBody === true) {
        const body: unknown = JSON.parse(fault.body)
        t.strictSame(response.json['procore'], { status: fault.status, body })
      }
    })
  }
  const creates = emulator.apiRequests.filter(({ method }) => method === 'POST')
  t.equal(creates.length, responseRows.length, 'no create is repeated')
})

t.test('another success status is relayed', async t => {
  const { usersUrl, emulator } = await startService(t)
  for (const status of [200, 202]) {
    await t.test(`${status} is relayed with its body and type`, async t => {
      const headers = { 'content-type': 'application/vnd.procore+json' }
      emulator.faults.add({ kind: 'status', status, body: '{"id":1}', headers })
      t.match(await sendJson(usersUrl, { user: jane }), { status, text: '{"id":1}', headers })
    })
  }
})

t.test('the content type of Procore\'s response is relayed unchanged', async t => {
  const { usersUrl, emulator } = await startService(t)
  const types = [
    'application/json',
    'application/vnd.procore+json',
    'Application/JSON;',
    'application/json;v=1',
    'application/json; charset=UTF-8',
  ]
  const bodies = ['{"id":1}', '{"id":1,"name":"é"}', JSON.stringify({ id: 1, notes: 'n'.repeat(9000) })]
  for (const type of types) {
    await t.test(`${type} is relayed`, async t => {
      for (const body of bodies) {
        emulator.faults.add({ kind: 'status', status: 201, body, headers: { 'content-type': type } })
        const { headers, text } = await sendJson(usersUrl, { user: jane })
        t.equal(text, body)
        t.equal(headers['content-type'], type)
        t.equal(headers['content-length'], String(Buffer.byteLength(body)))
      }
    })
  }
})

t.test('each kind of error body is mapped to errors that point at the input', async t => {
  const { usersUrl, emulator } = await startService(t)
  const takenEmail = '/user/email_address user[email_address] procore has already been taken'
  const rows: Array<{ name: string, status: number, body: unknown, errors: string[] }> = [
    {
      name: 'an object of lists by field',
      status: 422,
      body: { errors: { city: ["can't be blank"], base: ['is odd'], 'user.zip': ['is bad', 'is short'] } },
      errors: [
        "/user/city user[city] procore can't be blank",
        '/user user procore is odd',
        '/user/zip user[zip] procore is bad',
        '/user/zip user[zip] procore is short',
      ],
    },
    {
      name: 'an object nested under user',
      status: 422,
      body: { errors: { user: { email_address: ['has already been taken'] } } },
      errors: [takenEmail],
    },
    {
      name: 'a list of messages',
      status: 400,
      body: { errors: ['one', 'two'] },
      errors: ['  procore one', '  procore two'],
    },
    { name: 'a single message', status: 422, body: { errors: 'Invalid' }, errors: ['  procore Invalid'] },
    {
      name: 'a message with the name of its field',
      status: 409,
      body: {
        code: 409,
        message: 'has already been taken',
        fields: 'email_address',
        reason: 'conflict',
        error: null,
      },
      errors: [takenEmail],
    },
    { name: 'the member message', status: 400, body: { message: 'bad' }, errors: ['  procore bad'] },
    { name: 'the member error', status: 400, body: { error: 'bad' }, errors: ['  procore bad'] },
    {
      name: 'an error object with a message',
      status: 400,
      body: { error: { code: 'BAD_REQUEST', message: 'bad' } },
      errors: ['  procore bad'],
    },
    {
      name: 'an error object with details',
      status: 400,
      body: {
        error: {
          code: 'X',
          message: 'bad',
          details: [{ reason_code: 'r', message: 'is wrong', source: 'user.city' }],
        },
      },
      errors: ['/user/city user[city] procore is wrong'],
    },
    {
      name: 'a field with a bare word',
      status: 422,
      body: { errors: { job_title: ['required'] } },
      errors: ['/user/job_title user[job_title] procore required'],
    },
    { name: 'a list of a bare word', status: 422, body: ['required'], errors: ['  procore required'] },
    { name: 'an empty list', status: 422, body: [], errors: [] },
    { name: 'a field without messages', status: 422, body: { errors: { city: null } }, errors: [] },
    { name: 'a 403', status: 403, body: { errors: ['no'] }, errors: ['  procore no'] },
    { name: 'a 404', status: 404, body: { message: 'none' }, errors: ['  procore none'] },
  ]
  for (const { name, status, body, errors } of rows) {
    await t.test(`${name} is mapped to ${errors.length} errors`, async t => {
      emulator.faults.add({ kind: 'status', status, body: JSON.stringify(body) })
      const { json } = await sendJson(usersUrl, { user: jane })
      t.match(json, { status, code: 'procore_rejected', outcome: 'rejected', procore: { status, body } })
      t.equal('errors' in json, errors.length > 0)
      const actual = (json.errors ?? []).map(({ pointer, field, rule, message }) => {
        return `${pointer} ${field} ${rule} ${message}`
      })
      t.strictSame(actual, errors)
    })
  }
})

t.test('the detail of a rejection contains the first message that names no field', async t => {
  const { usersUrl, emulator } = await startService(t)
  const notConnected = 'App is not connected to this company'
  const rows = [
    {
      name: 'a 403 with one message',
      status: 403,
      body: { errors: [notConnected] },
      reason: `: ${notConnected} An administrator of the company has to install the app: in Procore, App Management.`,
    },
    { name: 'a 404 with two messages', status: 404, body: { errors: ['gone', 'no'] }, reason: ': gone' },
    { name: 'a 409 with a string', status: 409, body: { errors: 'taken' }, reason: ': taken' },
    { name: 'a 451 with an object', status: 451, body: { error: { message: 'law' } }, reason: ': law' },
    { name: 'a 422 with a message of a field only', status: 422, body: { errors: { city: ['bad'] } }, reason: '.' },
    { name: 'a 403 without a message', status: 403, body: {}, reason: '.' },
  ]
  for (const { name, status, body, reason } of rows) {
    await t.test(name, async t => {
      emulator.faults.add({ kind: 'status', status, body: JSON.stringify(body) })
      const { json } = await sendJson(usersUrl, { user: jane })
      t.equal(json['detail'], `Procore rejected the request with status ${status}${reason}`)
    })
  }
})

t.test('every variant of behaviour that Procore does not document is supported', async t => {
  for (const takenEmail of [409, 422] as const) {
    await t.test(`a taken e-mail address is reported for ${takenEmail}`, async t => {
      const { usersUrl } = await startService(t, { emulator: { takenEmail } })
      t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
      t.match((await sendJson(usersUrl, { user: jane })).json, {
        status: takenEmail,
        code: 'procore_rejected',
        errors: [{ pointer: '/user/email_address', message: 'has already been taken' }],
      })
    })
  }
  for (const rateLimitBody of ['text', 'json'] as const) {
    for (const rateLimitRetryAfter of [true, false]) {
      const source = rateLimitRetryAfter ? 'Retry-After' : 'the reset of the window'
      await t.test(`the wait after a 429 with a ${rateLimitBody} body is read from ${source}`, async t => {
        const settings = { rateLimit: 1, rateLimitBody, rateLimitRetryAfter }
        const { usersUrl, emulator } = await startService(t, { emulator: settings })
        t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
        // Another replica does not know that the rate limit is exhausted, and gets the 429 itself.
        const replica = await startService(t, { procoreUrl: emulator.url })
        const limited = await sendJson(replica.usersUrl, { user: jane })
        t.match(limited.json, { status: 429, code: 'procore_rate_limited', outcome: 'rejected' })
        t.ok(Number(limited.headers['retry-after']) > 3000)
      })
    }
  }
  for (const unauthorizedKey of ['errors', 'error', 'message'] as const) {
    await t.test(`a 401 with the member ${unauthorizedKey} renews the access token`, async t => {
      const { usersUrl, emulator } = await startService(t, { emulator: { unauthorizedKey } })
      emulator.api.revokeAccessTokens()
      t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
    })
  }
  const missingCompanyHeaderStatuses: Array<Settings['missingCompanyHeaderStatus']> = [400, 403, 404]
  for (const missingCompanyHeaderStatus of missingCompanyHeaderStatuses) {
    await t.test(`a create has the company header whose absence is a ${missingCompanyHeaderStatus}`, async t => {
      const { usersUrl } = await startService(t, { emulator: { missingCompanyHeaderStatus } })
      t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
    })
  }
  await t.test('a field that Procore misses with a bare word has its pointer', async t => {
    const { usersUrl } = await startService(t, { emulator: { blankMessage: 'required' } })
    const missing = await sendJson(`${usersUrl}?run_configurable_validations=true`, { user: jane })
    t.equal(missing.json['code'], 'procore_rejected')
    t.strictSame(summarizeErrors(missing), ['body /user/job_title procore'])
  })
  await t.test('an update that Procore wants to have more fields names them', async t => {
    const updateRequiredFields = ['last_name', 'email_address']
    const { usersUrl } = await startService(t, { emulator: { updateRequiredFields } })
    const { json: { id } } = await sendJson(usersUrl, { user: jane })
    const updated = await send(`${usersUrl}/${String(id)}`, {
      method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"user":{"job_title":"QA"}}',
    })
    t.match(updated, { status: 422, json: { code: 'procore_rejected', outcome: 'rejected' } })
    t.strictSame(summarizeErrors(updated), ['body /user/last_name procore', 'body /user/email_address procore'])
  })
  await t.test('configurable validations apply only if the query asks for them', async t => {
    const { usersUrl } = await startService(t)
    const configured = await sendJson(`${usersUrl}?run_configurable_validations=true`, { user: jane })
    t.strictSame(summarizeErrors(configured), ['body /user/job_title procore'])
    const plain = await sendJson(`${usersUrl}?run_configurable_validations=false`, { user: jane })
    t.equal(plain.status, 201)
  })
})

const avatarAndJane = (avatarBytes: number) => multipartBody([avatarPart(png(avatarBytes)), ...janeParts])

t.test('a Procore that refuses chunked bodies is logged once with the remedy', async t => {
  const { usersUrl, lines, emulator } = await startService(t, { emulator: { refuseChunked: true } })
  const largeForm = avatarAndJane(2_000_000)
  for (let time = 0; time < 2; time++) {
    const response = await sendMultipart(usersUrl, largeForm)
    t.match(response.json, { status: 502, code: 'procore_bad_response', outcome: 'rejected' })
  }
  const warnings = lines.filter(({ remedy }) => remedy === 'FORM_BUFFER_BYTES above AVATAR_MAX_BYTES')
  t.equal(warnings.length, 1)
  t.equal(emulator.api.directory.users.size, 0)
})

t.test('an early response of Procore\'s is relayed and stops the upload', async t => {
  const { usersUrl, emulator } = await startService(t)
  const largeForm = avatarAndJane(5_000_000)
  const rows = [
    { procoreStatus: 413, expected: { status: 413, code: 'procore_rejected', outcome: 'rejected' } },
    { procoreStatus: 422, expected: { status: 422, code: 'procore_rejected', outcome: 'rejected' } },
    {
      procoreStatus: 401,
      expected: { status: 503, code: 'procore_unavailable', outcome: 'rejected' },
      retryAfter: '1',
    },
    { procoreStatus: 500, expected: { status: 502, code: 'procore_bad_response', outcome: 'not_sent' } },
    { procoreStatus: 503, expected: { status: 503, code: 'procore_unavailable', outcome: 'not_sent' } },
  ]
  for (const [index, { procoreStatus, expected, retryAfter }] of rows.entries()) {
    await t.test(`an early ${procoreStatus} becomes ${expected.status} ${expected.code}`, async t => {
      emulator.faults.add({ kind: 'early', status: procoreStatus, body: '{}', lingerMs: 2000 })
      const response = await sendMultipart(usersUrl.replace('/101/', `/${index + 1}/`), largeForm)
      t.match(response.json, expected)
      if (retryAfter !== undefined) t.equal(response.headers['retry-after'], retryAfter)
    })
  }
  t.equal((await sendMultipart(usersUrl, largeForm)).status, 201)
})
