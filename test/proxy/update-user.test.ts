// Changes and invitations of a user are validated like a create, but need no field, and are recorded in the audit log.
import t from 'tap'
import { png } from '../helpers/images.ts'
import { avatarPart } from '../helpers/request-builders.ts'
import {
  boundary, summarizeErrors, multipartBody, jane, janeParts, send, sendMultipart, sendJson, type TestResponse,
} from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'

type TestContext = Parameters<typeof startService>[0]
type Options = Parameters<typeof startService>[1]

interface ServiceWithUser extends Service {
  id: number
  userUrl: string
}

/** Starts a service and creates a user with an avatar. */
async function startWithUser (t: TestContext, options: Options = {}): Promise<ServiceWithUser> {
  const service = await startService(t, options)
  const created = await sendMultipart(service.usersUrl, multipartBody([...janeParts, avatarPart(png(1000))]))
  const id = Number(created.json['id'])
  return { ...service, id, userUrl: `${service.usersUrl}/${id}` }
}

function patch (url: string, body: string | Buffer, contentType = 'application/json'): Promise<TestResponse> {
  return send(url, { method: 'PATCH', body, headers: { 'content-type': contentType } })
}

function patchForm (url: string, body: Buffer): Promise<TestResponse> {
  return patch(url, body, `multipart/form-data; boundary=${boundary}`)
}

function invite (userUrl: string, headers: Record<string, string> = {}): Promise<TestResponse> {
  return send(`${userUrl}/invite`, { method: 'PATCH', headers })
}

t.test('any field of a user is changed by JSON, under both paths', async t => {
  const { url, id, userUrl, emulator } = await startWithUser(t)
  const procorePath = `/rest/v1.3/companies/101/users/${id}`
  const change = '{"user":{"job_title":"QA","add_to_new_projects":true}}'
  t.match(await patch(userUrl, change), {
    status: 200,
    headers: { 'cache-control': 'no-store' },
    json: { id, job_title: 'QA', last_name: 'Doe', add_to_new_projects: true },
  })
  const received = emulator.apiRequests.at(-1)
  t.match(received, { method: 'PATCH', path: procorePath })
  t.equal(String(received?.body), change)

  const pathWithQuery = `${procorePath}?run_configurable_validations=true`
  t.equal((await patch(url + pathWithQuery, '{"user":{"city":"Carpinteria"}}')).status, 200)
  t.equal(emulator.apiRequests.at(-1)?.path, pathWithQuery)
  t.match(emulator.api.directory.users.get(id)?.values, {
    job_title: 'QA',
    city: 'Carpinteria',
    email_address: jane.email_address,
  })
})

t.test('a form replaces the avatar, or leaves it unchanged if it has none', async t => {
  const { id, userUrl, emulator } = await startWithUser(t)
  const rows = [
    { name: 'a buffered form', image: png(5000) },
    { name: 'a streamed form', image: png(500_000) },
  ]
  for (const { name, image } of rows) {
    await t.test(`${name} replaces the avatar`, async t => {
      const form = multipartBody([avatarPart(image, 'b.png'), { name: 'user[initials]', data: 'JD' }])
      t.equal((await patchForm(userUrl, form)).status, 200)
      t.ok(emulator.api.directory.users.get(id)?.avatar?.equals(image))
    })
  }
  const avatarBefore = emulator.api.directory.users.get(id)?.avatar
  const formWithoutAvatar = multipartBody([{ name: 'user[first_name]', data: 'Jane' }])
  t.equal((await patchForm(userUrl, formWithoutAvatar)).status, 200)
  t.ok(avatarBefore !== undefined && avatarBefore.length > 0)
  t.equal(emulator.api.directory.users.get(id)?.avatar?.length, avatarBefore?.length)
})

t.test('a change is validated like a create', async t => {
  const { userUrl, emulator } = await startWithUser(t, { env: { PERMISSION_TEMPLATE_IDS: '27' } })
  const requestsBefore = emulator.apiRequests.length
  const invalidUser = { bid_contact: true, email_address: 'x', country_code: 'US', state_code: 'NSW' }
  const invalid = await patch(userUrl, JSON.stringify({ user: invalidUser }))
  t.strictSame(summarizeErrors(invalid), [
    'body /user/email_address format',
    'body /user/state_code dependency',
    'body /user/bid_contact unknown',
  ])
  const otherTemplate = await patch(userUrl, '{"user":{"company_permission_template_id":1}}')
  t.match(otherTemplate.json, { code: 'template_not_allowed' })
  const notAnImage = await patchForm(userUrl, multipartBody([avatarPart('no image at all')]))
  t.match(notAnImage.json, { code: 'avatar_type' })
  t.strictSame(summarizeErrors(await patch(userUrl, '{}')), ['body /user required'])
  t.equal((await patch(userUrl, 'x', 'text/plain')).status, 415)
  t.equal(emulator.apiRequests.length, requestsBefore)

  t.match(await patch(userUrl, '{"user":{"state_code":"CA"}}'), { status: 200 })
  const unknownUser = await patch(`${userUrl}1`, '{"user":{}}')
  t.match(unknownUser.json, { status: 404, code: 'procore_rejected', outcome: 'not_sent' })
})

t.test('an invitation is sent without a body, and its response may be empty', async t => {
  const { url, id, userUrl, emulator } = await startWithUser(t)
  const procorePath = `/rest/v1.3/companies/101/users/${id}`
  for (const user of [userUrl, url + procorePath]) {
    await t.test(`an invitation at ${new URL(user).pathname} is relayed as 202`, async t => {
      t.match(await invite(user), {
        status: 202,
        text: '',
        headers: { 'cache-control': 'no-store', 'content-type': undefined },
      })
      t.match(emulator.apiRequests.at(-1), {
        method: 'PATCH',
        path: `${procorePath}/invite`,
        headers: { 'content-type': undefined },
      })
    })
  }
  const rows = [
    { body: '{}', contentType: 'application/json' },
    { body: 'x', contentType: 'text/plain' },
    { body: '', contentType: 'application/json' },
    { body: '{}', contentType: ';;;' },
    { body: '', contentType: ';;;' },
    { body: 'x', contentType: 'text/plain; charset=x; charset=y' },
  ]
  for (const { body, contentType } of rows) {
    await t.test(`the body ${JSON.stringify(body)} of the type ${contentType} is ignored`, async t => {
      t.equal((await patch(`${userUrl}/invite`, body, contentType)).status, 202)
    })
  }
  emulator.faults.add({ kind: 'status', status: 202, body: '{"id":1}' })
  t.match(await invite(userUrl), { status: 202, text: '{"id":1}' })
  emulator.faults.add({ kind: 'status', status: 202, body: '{"id":' })
  t.match((await invite(userUrl)).json, { code: 'procore_bad_response', outcome: 'unknown' })
})

t.test('an idempotency key is bound to one user, and its invitation is sent once', async t => {
  const { id, userUrl, emulator } = await startWithUser(t)
  const keyA = { 'idempotency-key': 'a' }
  t.match(await invite(userUrl, keyA), { status: 202, headers: { 'idempotency-replayed': undefined } })
  t.match(await invite(userUrl, keyA), { status: 202, text: '', headers: { 'idempotency-replayed': 'true' } })
  t.equal(emulator.api.directory.users.get(id)?.invitations, 1)
  t.match((await invite(`${userUrl}1`, keyA)).json, { code: 'idempotency_key_reused' })

  emulator.faults.add({ kind: 'reset-after-body', method: 'PATCH' })
  const keyB = { 'idempotency-key': 'b' }
  t.match((await invite(userUrl, keyB)).json, { code: 'procore_unreachable', outcome: 'unknown' })
  t.match((await invite(userUrl, keyB)).json, { outcome: 'unknown' })
  const { invitations } = emulator.api.directory.users.get(id) ?? {}
  t.equal(invitations, 2, 'an invitation with an unknown outcome is not sent again')
})

t.test('changes, invitations and reads are in the audit log, changes that are not valid are not', async t => {
  const { id, userUrl, lines } = await startWithUser(t)
  await patch(userUrl, '{"user":{"job_title":"QA"}}')
  await invite(userUrl)
  await patch(userUrl, '{"user":{"vendor_id":0}}')
  await send(userUrl, { method: 'GET' })
  const auditLines = lines.filter(({ name }) => name === 'audit')
  t.match(auditLines, [
    { msg: 'create', operation: 'create-company-user', outcome: 'created', recordId: id, fingerprint: String },
    {
      msg: 'change',
      operation: 'update-company-user',
      outcome: 'changed',
      recordId: id,
      companyId: 101,
      status: 200,
    },
    { msg: 'change', operation: 'invite-company-user', outcome: 'changed', recordId: id, status: 202 },
    { msg: 'read', operation: 'show-company-user', status: 200 },
  ])
  t.equal(auditLines.length, 4)
  t.match((await sendJson(userUrl, {})).status, 405)
})
