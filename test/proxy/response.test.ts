// What each answer of Procore's means for the caller: status, code, outcome, and whose words are shown.
import t from 'tap'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { png } from '../helpers/images.ts'
import { summarizeErrors, multipartBody, jane, janeParts, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const answers: Array<{ fault: Partial<InjectedFault>, status: number, code: string, outcome: string, retryAfter?: string, body?: boolean }> = [
  { fault: { status: 403, body: '{"errors":["App is not connected to this company."]}' }, status: 403, code: 'procore_rejected', outcome: 'rejected', body: true },
  { fault: { status: 404, body: '{}' }, status: 404, code: 'procore_rejected', outcome: 'rejected', body: true },
  { fault: { status: 405, body: '' }, status: 405, code: 'procore_rejected', outcome: 'rejected' },
  { fault: { status: 406, body: '{}' }, status: 406, code: 'procore_rejected', outcome: 'rejected', body: true },
  { fault: { status: 408, body: '{}' }, status: 408, code: 'procore_rejected', outcome: 'rejected', body: true },
  { fault: { status: 411, body: '{}' }, status: 411, code: 'procore_rejected', outcome: 'rejected', body: true },
  { fault: { status: 413, body: '<html>', headers: { 'content-type': 'text/html' } }, status: 413, code: 'procore_rejected', outcome: 'rejected' },
  { fault: { status: 415, body: '{}' }, status: 415, code: 'procore_rejected', outcome: 'rejected', body: true },
  { fault: { status: 429, body: '{}', headers: { 'retry-after': '17' } }, status: 429, code: 'procore_rate_limited', outcome: 'rejected', retryAfter: '17' },
  { fault: { status: 500, body: '{"message":"secret text of theirs"}' }, status: 502, code: 'procore_bad_response', outcome: 'unknown' },
  { fault: { status: 501, body: '' }, status: 502, code: 'procore_bad_response', outcome: 'unknown' },
  { fault: { status: 502, body: '<html>secret text of theirs</html>' }, status: 502, code: 'procore_bad_response', outcome: 'unknown' },
  { fault: { status: 503, body: '<html>secret text of theirs</html>' }, status: 503, code: 'procore_unavailable', outcome: 'unknown' },
  { fault: { status: 503, body: '', headers: { 'retry-after': '9' } }, status: 503, code: 'procore_unavailable', outcome: 'rejected', retryAfter: '9' },
  { fault: { status: 504, body: '' }, status: 504, code: 'procore_timeout', outcome: 'unknown' },
  { fault: { status: 301, body: '', headers: { location: 'https://elsewhere.example.com/' } }, status: 502, code: 'procore_bad_response', outcome: 'unknown' },
  { fault: { status: 304, body: '' }, status: 502, code: 'procore_bad_response', outcome: 'unknown' },
  { fault: { status: 204, body: '' }, status: 502, code: 'procore_bad_response', outcome: 'unknown' },
  { fault: { status: 201, body: '' }, status: 502, code: 'procore_bad_response', outcome: 'unknown' },
  { fault: { status: 201, body: '{"id":' }, status: 502, code: 'procore_bad_response', outcome: 'unknown' },
  { fault: { status: 200, body: '<html>', headers: { 'content-type': 'text/html' } }, status: 502, code: 'procore_bad_response', outcome: 'unknown' },
  { fault: { status: 201, body: '{}', headers: { 'content-encoding': 'gzip' } }, status: 502, code: 'procore_bad_response', outcome: 'unknown' },
]

t.test('answers to a request that was sent whole', async t => {
  const { url, emulator } = await startService(t)
  for (const [index, { fault, status, code, outcome, retryAfter, body }] of answers.entries()) {
    emulator.faults.add({ kind: 'status', ...fault })
    // Each has a company of its own, since some block theirs.
    const reply = await sendJson(`${url}/companies/${index + 1}/users`, { user: jane })
    const name = `${fault.status} ${fault.body}`
    t.equal(reply.status, status, name)
    t.match(reply.json, { status, code, outcome }, name)
    t.equal(reply.headers['content-type'], 'application/problem+json; charset=utf-8')
    t.equal(reply.headers['cache-control'], 'no-store')
    t.equal(reply.headers['retry-after'], retryAfter, name)
    t.equal(reply.headers['location'], undefined)
    t.equal(reply.headers['set-cookie'], undefined)
    t.notMatch(reply.text, /secret|html/)
    t.equal('procore' in reply.json, code === 'procore_rejected', name)
    if (body === true) t.strictSame(reply.json['procore'], { status: fault.status, body: JSON.parse(fault.body ?? '') })
  }
  t.equal(emulator.apiRequests.filter(({ method }) => method === 'POST').length, answers.length, 'none of them was repeated')
})

t.test('other success statuses are passed on', async t => {
  const { usersUrl, emulator } = await startService(t)
  for (const status of [200, 202]) {
    emulator.faults.add({ kind: 'status', status, body: '{"id":1}', headers: { 'content-type': 'application/vnd.procore+json' } })
    const reply = await sendJson(usersUrl, { user: jane })
    t.match(reply, { status, text: '{"id":1}', headers: { 'content-type': 'application/vnd.procore+json' } })
  }
})

t.test('a type is passed on as it is, whatever the body has in it', async t => {
  const { usersUrl, emulator } = await startService(t)
  for (const type of ['application/json', 'application/vnd.procore+json', 'Application/JSON;', 'application/json;v=1', 'application/json; charset=UTF-8']) {
    for (const body of ['{"id":1}', '{"id":1,"name":"é"}', JSON.stringify({ id: 1, notes: 'n'.repeat(9000) })]) {
      emulator.faults.add({ kind: 'status', status: 201, body, headers: { 'content-type': type } })
      const { headers, text } = await sendJson(usersUrl, { user: jane })
      t.equal(text, body)
      t.equal(headers['content-type'], type)
      t.equal(headers['content-length'], String(Buffer.byteLength(body)))
    }
  }
})

t.test('every shape of error body points at the inputs', async t => {
  const { usersUrl, emulator } = await startService(t)
  const told = async (status: number, body: unknown) => {
    emulator.faults.add({ kind: 'status', status, body: JSON.stringify(body) })
    const reply = await sendJson(usersUrl, { user: jane })
    t.match(reply.json, { status, code: 'procore_rejected', outcome: 'rejected', procore: { status, body } })
    t.ok(reply.json.errors?.every(({ rule }) => rule === 'procore') ?? true)
    return (reply.json.errors ?? []).map(({ pointer, field, message }) => `${pointer} ${field} ${message}`)
  }
  t.strictSame(await told(422, { errors: { city: ["can't be blank"], base: ['is odd'], 'user.zip': ['is bad', 'is short'] } }), ["/user/city user[city] can't be blank", '/user user is odd', '/user/zip user[zip] is bad', '/user/zip user[zip] is short'])
  t.strictSame(await told(422, { errors: { user: { email_address: ['has already been taken'] } } }), ['/user/email_address user[email_address] has already been taken'])
  t.strictSame(await told(400, { errors: ['one', 'two'] }), ['  one', '  two'])
  t.strictSame(await told(422, { errors: 'Invalid' }), ['  Invalid'])
  t.strictSame(await told(409, { code: 409, message: 'has already been taken', fields: 'email_address', reason: 'conflict', error: null }), ['/user/email_address user[email_address] has already been taken'])
  t.strictSame(await told(400, { message: 'bad' }), ['  bad'])
  t.strictSame(await told(400, { error: 'bad' }), ['  bad'])
  t.strictSame(await told(400, { error: { code: 'BAD_REQUEST', message: 'bad' } }), ['  bad'])
  t.strictSame(await told(400, { error: { code: 'X', message: 'bad', details: [{ reason_code: 'r', message: 'is wrong', source: 'user.city' }] } }), ['/user/city user[city] is wrong'])
  t.strictSame(await told(422, []), [])
  t.strictSame(await told(422, { errors: { city: null } }), [])
  t.strictSame(await told(403, { errors: ['no'] }), [], 'not about the inputs')
})

t.test('what Procore refuses, either way that is not documented', async t => {
  for (const takenEmail of [409, 422] as const) {
    const { usersUrl } = await startService(t, { emulator: { takenEmail } })
    t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
    const taken = await sendJson(usersUrl, { user: jane })
    t.match(taken.json, { status: takenEmail, code: 'procore_rejected', errors: [{ pointer: '/user/email_address', message: 'has already been taken' }] })
  }
  for (const rateLimitBody of ['text', 'json'] as const) {
    for (const rateLimitRetryAfter of [true, false]) {
      const { usersUrl, emulator } = await startService(t, { emulator: { rateLimit: 1, rateLimitBody, rateLimitRetryAfter } })
      t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
      // Another replica does not know that nothing remains, and meets the 429 itself.
      const replica = await startService(t, { procoreUrl: emulator.url })
      const limited = await sendJson(replica.usersUrl, { user: jane })
      t.match(limited.json, { status: 429, code: 'procore_rate_limited', outcome: 'rejected' })
      t.ok(Number(limited.headers['retry-after']) > 3000, 'from Retry-After, else from the reset of the window')
    }
  }
  for (const unauthorizedKey of ['errors', 'error', 'message'] as const) {
    const { usersUrl, emulator } = await startService(t, { emulator: { unauthorizedKey } })
    emulator.api.revokeAccessTokens()
    t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  }
  for (const missingCompanyHeaderStatus of [400, 403] as const) {
    const { usersUrl } = await startService(t, { emulator: { missingCompanyHeaderStatus } })
    t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  }
  const { usersUrl } = await startService(t)
  t.strictSame(summarizeErrors(await sendJson(`${usersUrl}?run_configurable_validations=true`, { user: jane })), ['body /user/job_title procore'])
  t.equal((await sendJson(`${usersUrl}?run_configurable_validations=false`, { user: jane })).status, 201)
})

t.test('a Procore that refuses streamed forms is told of once, with the remedy', async t => {
  const { usersUrl, lines, emulator } = await startService(t, { emulator: { refuseChunked: true } })
  const big = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(2_000_000) }, ...janeParts])
  for (let time = 0; time < 2; time++) {
    t.match((await sendMultipart(usersUrl, big)).json, { status: 502, code: 'procore_bad_response', outcome: 'rejected' })
  }
  t.equal(lines.filter(({ remedy }) => remedy === 'FORM_BUFFER_BYTES above AVATAR_MAX_BYTES').length, 1)
  t.equal(emulator.api.directory.users.size, 0)
})

t.test('an answer that comes before the body was complete is relayed, and the upload stopped', async t => {
  const { usersUrl, emulator } = await startService(t)
  const big = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(5_000_000) }, ...janeParts])
  for (const [index, [status, expected]] of ([
    [413, { status: 413, code: 'procore_rejected', outcome: 'rejected' }],
    [422, { status: 422, code: 'procore_rejected', outcome: 'rejected' }],
    [401, { status: 503, code: 'procore_unavailable', outcome: 'rejected' }],
    [500, { status: 502, code: 'procore_bad_response', outcome: 'not_sent' }],
    [503, { status: 503, code: 'procore_unavailable', outcome: 'not_sent' }],
  ] as const).entries()) {
    emulator.faults.add({ kind: 'early', status, body: '{}', lingerMs: 2000 })
    const reply = await sendMultipart(usersUrl.replace('101', String(index + 1)), big)
    t.match(reply.json, expected, String(status))
    if (status === 401) t.equal(reply.headers['retry-after'], '1')
  }
  t.equal((await sendMultipart(usersUrl, big)).status, 201)
})
