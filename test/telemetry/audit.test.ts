// The audit trail: one line for each create that was valid, at any level of the log, and no address in it.
import t from 'tap'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, jane, janeParts, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { parseSamples } from '../helpers/prometheus-samples.ts'
import { startService, type Service } from '../helpers/service.ts'

const audited = ({ lines }: Service) => lines.filter(({ name }) => name === 'audit')

t.test('who made what where, and what became of it', async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, { env: { ...issuer.env, LOG_LEVEL: 'error' } })
  const { usersUrl, emulator } = service
  const headers = bearerHeader(await issuer.sign({ sub: 'anna' }))
  const created = await sendJson(usersUrl, { user: jane }, { ...headers, 'x-request-id': 'ticket-1', 'idempotency-key': 'k' })
  await sendJson(usersUrl, { user: jane }, { ...headers, 'idempotency-key': 'k' })
  await sendJson(usersUrl, { user: { ...jane, email_address: jane.email_address.toUpperCase() } }, headers)
  await sendJson(usersUrl, { user: {} }, headers)
  emulator.faults.add({ kind: 'reset-after-body' })
  await sendMultipart(usersUrl.replace('101', '102'), multipartBody([...janeParts, { name: 'user[avatar]', filename: 'a.png', data: png(500_000) }]), headers)
  emulator.faults.add({ kind: 'status', status: 500, body: '' })
  await sendJson(usersUrl.replace('101', '103'), { user: jane }, headers)
  await sendMultipart(usersUrl.replace('101', '104'), multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(500_000) }, { name: 'user[last_name]', data: 'Doe' }]), headers)
  const line = { level: 'info', msg: 'create', subject: 'anna', companyId: 101, operation: 'create-company-user', route: '/companies/:company_id/users' }
  t.match(audited(service), [
    { ...line, outcome: 'created', status: 201, recordId: created.json['id'], requestId: 'ticket-1', procoreRequestId: created.headers['procore-request-id'] },
    { ...line, outcome: 'replayed', status: 201, recordId: created.json['id'] },
    { ...line, outcome: 'rejected', status: 422, recordId: undefined },
    { ...line, companyId: 102, outcome: 'recovered', status: 201, recordId: Number },
    { ...line, companyId: 103, outcome: 'unknown', status: 502 },
    { ...line, companyId: 104, outcome: 'not_sent' },
  ])
  const fingerprints = audited(service).map(({ fingerprint }) => fingerprint)
  t.match(fingerprints[0], /^[\w-]{43}$/)
  t.equal(new Set(fingerprints.slice(0, 5)).size, 1, 'the same address, whatever its case')
  t.notMatch(JSON.stringify(service.lines), /jane|example\.com|Doe/i)
})

t.test('a repeat under a key is no other create: what it is told again is `replayed`, and only what it finds is news', async t => {
  const service = await startService(t)
  const { usersUrl, url, emulator } = service
  const outcomes = async () => Object.fromEntries(parseSamples((await send(`${url}/metrics`, { method: 'GET' })).text).filter(({ name, value }) => name === 'procore_bff_outcomes_total' && value > 0).map(({ labels, value }) => [labels['outcome'], value]))
  emulator.faults.add({ kind: 'status', status: 422, body: '{"errors":{"email_address":["is taken"]}}' })
  const refused = [await sendJson(usersUrl, { user: jane }, { 'idempotency-key': 'a' }), await sendJson(usersUrl, { user: jane }, { 'idempotency-key': 'a' })]
  for (const { json } of refused) t.match(json, { status: 422, code: 'procore_rejected', outcome: 'rejected', errors: [{ pointer: '/user/email_address' }] })
  emulator.faults.add({ kind: 'reset-after-body' })
  emulator.faults.add({ kind: 'status', status: 503, body: '', method: 'GET', times: 4 })
  for (let index = 0; index < 2; index++) t.match((await sendJson(usersUrl, { user: jane }, { 'idempotency-key': 'b' })).json, { status: 502, code: 'procore_unreachable', outcome: 'unknown' })
  t.strictSame(await outcomes(), { rejected: 1, unknown: 1, replayed: 2 })
  for (let index = 0; index < 2; index++) t.match(await sendJson(usersUrl, { user: jane }, { 'idempotency-key': 'b' }), { status: 201, headers: { 'x-outcome': 'recovered', 'idempotency-replayed': 'true' } })
  t.strictSame(await outcomes(), { rejected: 1, unknown: 1, replayed: 3, recovered: 1 })
  const expected = ['rejected', 'replayed', 'unknown', 'replayed', 'recovered', 'replayed']
  t.strictSame(audited(service).map(({ outcome }) => outcome), expected)
  t.strictSame(service.lines.filter(({ msg }) => msg === 'request').map(({ outcome }) => outcome).filter(Boolean), expected)
})
