// null in JSON: in a create, serializers write it for members that are not set. In an update, it clears a field.
import t from 'tap'
import { jane, send, sendJson, summarizeErrors } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

t.test('null for an optional field of a create means that there is no value', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { PERMISSION_TEMPLATE_IDS: '27' } })
  const unset = {
    first_name: null,
    notes: null,
    country_code: null,
    vendor_id: null,
    is_active: null,
    bid_contact: null,
    default_permission_template_id: null,
    avatar: null,
  }
  t.equal((await sendJson(usersUrl, { user: { ...unset, ...jane } })).status, 201)
  t.strictSame(emulator.apiRequests[0]?.json, { user: jane })
  t.equal((await sendJson(`${usersUrl}/validate`, { user: { ...jane, ...unset } })).status, 200)
  const missing = await sendJson(usersUrl, { user: { last_name: null, email_address: null, nickname: null } })
  t.strictSame(summarizeErrors(missing), [
    'body /user/last_name required', 'body /user/email_address required', 'body /user/nickname unknown',
  ])
})

t.test('null for a field of an update is sent on', async t => {
  const { usersUrl, emulator } = await startService(t)
  const { json: { id } } = await sendJson(usersUrl, { user: { ...jane, city: 'Carpinteria', vendor_id: 161072 } })
  const change = { city: null, vendor_id: null, country_code: null, default_permission_template_id: null }
  const response = await send(`${usersUrl}/${String(id)}`, {
    method: 'PATCH', body: JSON.stringify({ user: change }), headers: { 'content-type': 'application/json' },
  })
  t.match(response, { status: 200, json: { id, city: null, vendor: null, last_name: 'Doe' } })
  t.strictSame(emulator.apiRequests.at(-1)?.json, { user: change })
})

t.test('a field that cannot be cleared is not accepted as null in an update', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { PERMISSION_TEMPLATE_IDS: '27' } })
  const patch = (user: object) => send(`${usersUrl}/1`, {
    method: 'PATCH', body: JSON.stringify({ user }), headers: { 'content-type': 'application/json' },
  })
  for (const field of ['last_name', 'email_address', 'is_active', 'is_employee', 'add_to_new_projects']) {
    await t.test(`${field} is required`, async t => {
      const response = await patch({ [field]: null })
      t.match(response.json.errors, [{ pointer: `/user/${field}`, rule: 'required', message: 'must not be null' }])
    })
  }
  for (const field of ['default_permission_template_id', 'company_permission_template_id']) {
    await t.test(`${field} is not allowed`, async t => {
      t.match((await patch({ [field]: null })).json, { status: 403, code: 'template_not_allowed' })
    })
  }
  t.strictSame(summarizeErrors(await patch({ avatar: null })), ['body /user/avatar type'])
  t.equal(emulator.apiRequests.length, 0)
})
