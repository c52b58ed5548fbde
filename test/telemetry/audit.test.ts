// The audit trail has one line for each valid create, at any log level, without e-mail addresses.
import t from 'tap'
import { loadConfig } from '../../src/config/index.ts'
import { limits } from '../../src/config/limits.ts'
import { getRecordId } from '../../src/procore/classify.ts'
import { Audit } from '../../src/telemetry/audit.ts'
import { unbufferedOutput } from '../../src/telemetry/log-writer.ts'
import { createLogs } from '../../src/telemetry/logger.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, jane, janeParts, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { parseSamples } from '../helpers/prometheus-samples.ts'
import { startService, type Service } from '../helpers/service.ts'

const auditLines = ({ lines }: Service) => lines.filter(({ name }) => name === 'audit')

t.test('each valid create is audited with its subject, company and outcome', async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, { env: { ...issuer.env, LOG_LEVEL: 'error' } })
  const { usersUrl, emulator } = service
  const headers = bearerHeader(await issuer.sign({ sub: 'anna' }))
  const created = await sendJson(usersUrl, { user: jane }, {
    ...headers, 'x-request-id': 'ticket-1', 'idempotency-key': 'k',
  })
  await sendJson(usersUrl, { user: jane }, { ...headers, 'idempotency-key': 'k' })
  await sendJson(usersUrl, {
    user: { ...jane, email_address: jane.email_address.toUpperCase() },
  }, headers)
  await sendJson(usersUrl, { user: {} }, headers)
  const avatar = { name: 'user[avatar]', filename: 'a.png', data: png(500_000) }
  emulator.faults.add({ kind: 'reset-after-body' })
  await sendMultipart(usersUrl.replace('/101/', '/102/'), multipartBody([...janeParts, avatar]), headers)
  emulator.faults.add({ kind: 'status', status: 500, body: '' })
  await sendJson(usersUrl.replace('/101/', '/103/'), { user: jane }, headers)
  const incomplete = multipartBody([avatar, { name: 'user[last_name]', data: 'Doe' }])
  await sendMultipart(usersUrl.replace('/101/', '/104/'), incomplete, headers)
  const line = {
    level: 'info',
    msg: 'create',
    subject: 'anna',
    companyId: 101,
    operation: 'create-company-user',
    route: '/companies/:company_id/users',
  }
  t.match(auditLines(service), [
    {
      ...line,
      outcome: 'created',
      status: 201,
      recordId: created.json['id'],
      requestId: 'ticket-1',
      procoreRequestId: created.headers['procore-request-id'],
    },
    { ...line, outcome: 'replayed', status: 201, recordId: created.json['id'] },
    { ...line, outcome: 'rejected', status: 422, recordId: undefined },
    { ...line, companyId: 102, outcome: 'recovered', status: 201, recordId: Number },
    { ...line, companyId: 103, outcome: 'unknown', status: 502 },
  ])
  t.equal(auditLines(service).length, 5, 'an invalid form is not audited, even if it was being streamed')
  const fingerprints = auditLines(service).map(({ fingerprint }) => fingerprint)
  t.match(fingerprints[0], /^[\w-]{43}$/)
  t.equal(new Set(fingerprints).size, 1, 'the case of an address is ignored')
  t.notMatch(JSON.stringify(service.lines), /jane|example\.com|Doe/i)
})

t.test('a repeat with the same key is audited as replayed, or as recovered if it finds the user', async t => {
  const service = await startService(t)
  const { usersUrl, url, emulator } = service
  const outcomes = async () => {
    const { text } = await send(`${url}/metrics`, { method: 'GET' })
    const samples = parseSamples(text)
      .filter(({ name, value }) => name === 'procore_bff_outcomes_total' && value > 0)
    const counts: Record<string, number> = {}
    for (const { labels, value } of samples) counts[labels['outcome'] ?? ''] = value
    return counts
  }
  const createWithKey = (idempotencyKey: string) => {
    return sendJson(usersUrl, { user: jane }, { 'idempotency-key': idempotencyKey })
  }
  emulator.faults.add({ kind: 'status', status: 422, body: '{"errors":{"email_address":["is taken"]}}' })
  for (const { json } of [await createWithKey('a'), await createWithKey('a')]) {
    t.match(json, {
      status: 422,
      code: 'procore_rejected',
      outcome: 'rejected',
      errors: [{ pointer: '/user/email_address' }],
    })
  }
  emulator.faults.add({ kind: 'reset-after-body' })
  emulator.faults.add({ kind: 'status', status: 503, body: '', method: 'GET', times: 4 })
  for (let index = 0; index < 2; index++) {
    const { json } = await createWithKey('b')
    t.match(json, { status: 502, code: 'procore_unreachable', outcome: 'unknown' })
  }
  t.strictSame(await outcomes(), { rejected: 1, unknown: 1, replayed: 2 })
  for (let index = 0; index < 2; index++) {
    t.match(await createWithKey('b'), {
      status: 201,
      headers: { 'x-outcome': 'recovered', 'idempotency-replayed': 'true' },
    })
  }
  t.strictSame(await outcomes(), { rejected: 1, unknown: 1, replayed: 3, recovered: 1 })
  const expected = ['rejected', 'replayed', 'unknown', 'replayed', 'recovered', 'replayed']
  t.strictSame(auditLines(service).map(({ outcome }) => outcome), expected)
  const requestLines = service.lines.filter(({ msg }) => msg === 'request')
  t.strictSame(requestLines.map(({ outcome }) => outcome).filter(Boolean), expected)
})

t.test('the longest audit line fits into the space that a request reserves for it', async t => {
  const written: string[] = []
  const config = loadConfig({ PROCORE_CLIENT_ID: 'id', PROCORE_CLIENT_SECRET: 'secret', CALLER_AUTH: 'none' })
  const logs = createLogs(config.log, unbufferedOutput(line => { written.push(line) }))
  const audit = new Audit(logs, config.procore.clientSecret)
  const requestId = 'x'.repeat(128)
  audit.write({
    subject: '\u0001'.repeat(limits.jwt.subjectMaxLength),
    address: 'f'.repeat(45),
    companyId: Number.MAX_SAFE_INTEGER,
    operation: 'create-company-user',
    route: '/rest/v1.3/companies/:company_id/users/:id/invite',
    outcome: 'recovered',
    status: 201,
    recordId: '\u0001'.repeat(limits.upstream.recordIdMaxLength),
    requestId,
    traceId: '0'.repeat(32),
    procoreRequestId: requestId,
    fingerprint: audit.fingerprint('jane@example.com'),
  }, 'create')
  t.ok((written[0] ?? '').length <= limits.log.auditLineLength, `${written[0]?.length} characters`)
})

t.test('a long text as the id of a record is not logged', async t => {
  t.equal(getRecordId({ id: 'a-uuid' }), 'a-uuid')
  t.equal(getRecordId({ id: 'x'.repeat(limits.upstream.recordIdMaxLength + 1) }), undefined)
})

t.test('each read of people is audited, with the caller and the id in the path', async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, { env: { ...issuer.env, LOG_LEVEL: 'error' } })
  const { usersUrl, url } = service
  const headers = bearerHeader(await issuer.sign({ sub: 'anna' }))
  const created = await sendJson(usersUrl, { user: jane }, headers)
  const id = Number(created.json['id'])
  await send(usersUrl, { method: 'GET', headers: { ...headers, 'x-request-id': 'ticket-2' } })
  await send(`${usersUrl}/${id}`, { method: 'GET', headers })
  await send(`${usersUrl}/999999`, { method: 'GET', headers })
  await send(`${url}/companies/101/trades`, { method: 'GET', headers })
  const line = { level: 'info', msg: 'read', subject: 'anna', address: '127.0.0.1', companyId: 101 }
  t.match(auditLines(service), [
    { msg: 'create', subject: 'anna', address: '127.0.0.1' },
    { ...line, operation: 'list-company-users', status: 200, requestId: 'ticket-2', recordId: undefined },
    { ...line, operation: 'show-company-user', status: 200, recordId: id },
    { ...line, operation: 'show-company-user', status: 404, recordId: 999_999 },
  ])
  t.equal(auditLines(service).length, 4, 'a pick-list has no personal data')
})

t.test('each caller who is refused with 401 or 403 is audited', async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, {
    env: {
      ...issuer.env,
      LOG_LEVEL: 'error',
      JWT_COMPANIES_CLAIM: 'companies',
      JWT_SCOPE_PREFIX: 'procore:',
      PERMISSION_TEMPLATE_IDS: '27',
    },
  })
  const { usersUrl } = service
  const rows = [
    { name: 'without a JWT', claims: undefined, user: jane, status: 401, code: 'unauthenticated' },
    {
      name: 'without the company',
      claims: { companies: [102], scope: 'procore:create-company-user' },
      user: jane,
      status: 403,
      code: 'company_not_allowed',
    },
    {
      name: 'without the scope',
      claims: { companies: [101], scope: '' },
      user: jane,
      status: 403,
      code: 'operation_not_allowed',
    },
    {
      name: 'with another permission template',
      claims: { companies: [101], scope: 'procore:create-company-user' },
      user: { ...jane, company_permission_template_id: 1 },
      status: 403,
      code: 'template_not_allowed',
    },
  ]
  for (const { name, claims, user, status, code } of rows) {
    await t.test(`${name}: ${code}`, async t => {
      const lineCount = auditLines(service).length
      const headers = claims === undefined ? {} : bearerHeader(await issuer.sign({ sub: 'anna', ...claims }))
      t.equal((await sendJson(usersUrl, { user }, headers)).status, status)
      const lines = auditLines(service).slice(lineCount)
      t.match(lines, [{
        level: 'info',
        msg: 'refuse',
        subject: claims === undefined ? '' : 'anna',
        address: '127.0.0.1',
        operation: 'create-company-user',
        route: '/companies/:company_id/users',
        status,
        code,
        requestId: String,
      }])
      t.equal(lines.length, 1)
      if (claims !== undefined) t.equal(lines[0]?.['companyId'], 101)
    })
  }
})

t.test('refusals of callers who are not authenticated are limited in number', async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, { env: { ...issuer.env, LOG_LEVEL: 'error' } })
  const requestCount = 3 * limits.log.unauthenticatedBurst
  for (let index = 0; index < requestCount; index++) await sendJson(service.usersUrl, { user: jane })
  t.ok(auditLines(service).length < requestCount)
  t.ok(auditLines(service).length >= limits.log.unauthenticatedBurst)
})
