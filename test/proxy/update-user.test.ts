// Changing and inviting a user: the same judging as a create, with nothing required, and what it leaves in the audit trail.
import t from 'tap'
import { png } from '../helpers/images.ts'
import { summarizeErrors, multipartBody, jane, janeParts, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { boundary } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'

async function startWithJane (t: Parameters<typeof startService>[0], options: Parameters<typeof startService>[1] = {}): Promise<Service & { id: number, user: string }> {
  const service = await startService(t, options)
  const { json: { id } } = await sendMultipart(service.usersUrl, multipartBody([...janeParts, { name: 'user[avatar]', filename: 'a.png', data: png(1000) }]))
  return { ...service, id: Number(id), user: `${service.usersUrl}/${Number(id)}` }
}

const patch = (url: string, body: string | Buffer, type = 'application/json', headers: Record<string, string> = {}) => send(url, { method: 'PATCH', body, headers: { 'content-type': type, ...headers } })
const patchForm = (url: string, body: Buffer) => patch(url, body, `multipart/form-data; boundary=${boundary}`)

t.test('by JSON, under both paths, any of the fields', async t => {
  const { url, id, user, emulator } = await startWithJane(t)
  t.match(await patch(user, '{"user":{"job_title":"QA","add_to_new_projects":true}}'), { status: 200, headers: { 'cache-control': 'no-store' }, json: { id, job_title: 'QA', last_name: 'Doe', add_to_new_projects: true } })
  const received = emulator.apiRequests.at(-1)
  t.match(received, { method: 'PATCH', path: `/rest/v1.3/companies/101/users/${id}` })
  t.equal(String(received?.body), '{"user":{"job_title":"QA","add_to_new_projects":true}}')
  t.equal((await patch(`${url}/rest/v1.3/companies/101/users/${id}?run_configurable_validations=true`, '{"user":{"city":"Carpinteria"}}')).status, 200)
  t.equal(emulator.apiRequests.at(-1)?.path, `/rest/v1.3/companies/101/users/${id}?run_configurable_validations=true`)
  t.match(emulator.api.directory.users.get(id)?.values, { job_title: 'QA', city: 'Carpinteria', email_address: jane.email_address })
})

t.test('by form, held and streamed: the avatar is replaced', async t => {
  const { id, user, emulator } = await startWithJane(t)
  for (const image of [png(5000), png(500_000)]) {
    t.equal((await patchForm(user, multipartBody([{ name: 'user[avatar]', filename: 'b.png', data: image }, { name: 'user[initials]', data: 'JD' }]))).status, 200)
    t.ok(emulator.api.directory.users.get(id)?.avatar?.equals(image))
  }
  t.equal((await patchForm(user, multipartBody([{ name: 'user[first_name]', data: 'Jane' }]))).status, 200)
  t.equal(emulator.api.directory.users.get(id)?.avatar?.length, png(500_000).length, 'and left alone where none came')
})

t.test('it is judged as a create is', async t => {
  const { user, emulator } = await startWithJane(t, { env: { PERMISSION_TEMPLATE_IDS: '27' } })
  const before = emulator.apiRequests.length
  t.strictSame(summarizeErrors(await patch(user, '{"user":{"bid_contact":true,"email_address":"x","country_code":"US","state_code":"NSW"}}')), ['body /user/email_address format', 'body /user/state_code dependency', 'body /user/bid_contact unknown'])
  t.match((await patch(user, '{"user":{"company_permission_template_id":1}}')).json, { code: 'template_not_allowed' })
  t.match((await patchForm(user, multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: 'no image at all' }]))).json, { code: 'avatar_type' })
  t.strictSame(summarizeErrors(await patch(user, '{}')), ['body /user required'])
  t.equal((await patch(user, 'x', 'text/plain')).status, 415)
  t.equal(emulator.apiRequests.length, before)
  t.match(await patch(user, '{"user":{"state_code":"CA"}}'), { status: 200 })
  t.match((await patch(`${user}1`, '{"user":{}}')).json, { status: 404, code: 'procore_rejected', outcome: 'rejected' })
})

t.test('an invitation has no body and may have no answer but its status', async t => {
  const { url, id, user, emulator } = await startWithJane(t)
  for (const path of [`${user}/invite`, `${url}/rest/v1.3/companies/101/users/${id}/invite`]) {
    const reply = await send(path, { method: 'PATCH' })
    t.match(reply, { status: 202, text: '', headers: { 'cache-control': 'no-store', 'content-type': undefined } })
    t.match(emulator.apiRequests.at(-1), { method: 'PATCH', path: `/rest/v1.3/companies/101/users/${id}/invite`, headers: { 'content-type': undefined } })
  }
  for (const [body, type] of [['{}', 'application/json'], ['x', 'text/plain'], ['', 'application/json'], ['{}', ';;;'], ['', ';;;'], ['x', 'text/plain; charset=x; charset=y']] as const) t.equal((await patch(`${user}/invite`, body, type)).status, 202, type)
  emulator.faults.add({ kind: 'status', status: 202, body: '{"id":1}' })
  t.match(await send(`${user}/invite`, { method: 'PATCH' }), { status: 202, text: '{"id":1}' })
  emulator.faults.add({ kind: 'status', status: 202, body: '{"id":' })
  t.match((await send(`${user}/invite`, { method: 'PATCH' })).json, { code: 'procore_bad_response', outcome: 'unknown' })
})

t.test('a key keeps an invitation from being sent twice, and is bound to its user', async t => {
  const { id, user, emulator } = await startWithJane(t)
  const key = { 'idempotency-key': 'a' }
  t.match(await send(`${user}/invite`, { method: 'PATCH', headers: key }), { status: 202, headers: { 'idempotency-replayed': undefined } })
  t.match(await send(`${user}/invite`, { method: 'PATCH', headers: key }), { status: 202, text: '', headers: { 'idempotency-replayed': 'true' } })
  t.equal(emulator.api.directory.users.get(id)?.invitations, 1)
  t.match((await send(`${user}1/invite`, { method: 'PATCH', headers: key })).json, { code: 'idempotency_key_reused' })
  emulator.faults.add({ kind: 'reset-after-body', method: 'PATCH' })
  const other = { 'idempotency-key': 'b' }
  t.match((await send(`${user}/invite`, { method: 'PATCH', headers: other })).json, { code: 'procore_unreachable', outcome: 'unknown' })
  t.match((await send(`${user}/invite`, { method: 'PATCH', headers: other })).json, { outcome: 'unknown' })
  t.equal(emulator.api.directory.users.get(id)?.invitations, 2, 'what may have been sent is not sent again')
})

t.test('changes are in the audit trail by what they changed', async t => {
  const { id, user, lines } = await startWithJane(t)
  await patch(user, '{"user":{"job_title":"QA"}}')
  await send(`${user}/invite`, { method: 'PATCH' })
  await patch(user, '{"user":{"vendor_id":0}}')
  await send(user, { method: 'GET' })
  t.match(lines.filter(({ name }) => name === 'audit'), [
    { msg: 'create', operation: 'create-company-user', outcome: 'created', recordId: id, fingerprint: String },
    { msg: 'change', operation: 'update-company-user', outcome: 'changed', recordId: id, companyId: 101, status: 200 },
    { msg: 'change', operation: 'invite-company-user', outcome: 'changed', recordId: id, status: 202 },
  ])
  t.equal(lines.filter(({ name }) => name === 'audit').length, 3)
  t.match((await sendJson(user, {})).status, 405)
})
