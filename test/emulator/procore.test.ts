// The emulator as a Procore: tokens, creates by JSON and form, its own strictness, and every undocumented fact either way.
import t, { type Test } from 'tap'
import { startEmulator } from '../../tools/emulator/emulator.ts'
import { parseMultipart } from '../../tools/emulator/multipart.ts'
import { SettingsSchema, type Settings } from '../../tools/emulator/settings.ts'
import { png } from '../helpers/images.ts'
import { boundary, multipartBody, jane, janeParts, send, type Body } from '../helpers/requests.ts'

const credentials = { grant_type: 'client_credentials', client_id: 'demo-client', client_secret: 'demo-secret' }

async function start (test: Test, settings: Partial<Settings> = {}) {
  const emulator = await startEmulator(settings)
  test.teardown(() => emulator.close())
  const token = async (fields: Record<string, string> = credentials) => send(`${emulator.url}/oauth/token`, { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(fields).toString() })
  const bearer = `Bearer ${String((await token()).json['access_token'])}`
  const headers = { authorization: bearer, 'procore-company-id': '101', 'user-agent': 'test', 'content-type': 'application/json' }
  const users = `${emulator.url}/rest/v1.3/companies/101/users`
  const create = (body: Body, more: Record<string, string> = {}, query = '') => send(`${users}${query}`, { headers: { ...headers, ...more }, body })
  return { emulator, token, headers, users, create }
}

t.test('tokens by form and by JSON', async t => {
  const { emulator, token } = await start(t)
  t.match((await token()).json, { access_token: String, token_type: 'bearer', expires_in: 5400, created_at: Number })
  t.equal((await send(`${emulator.url}/oauth/token`, { headers: { 'content-type': 'application/json' }, body: JSON.stringify(credentials) })).status, 200)
  t.match(await token({ ...credentials, client_secret: 'x' }), { status: 401, json: { error: 'invalid_client' } })
  t.match(await token({ ...credentials, grant_type: 'password' }), { status: 400, json: { error: 'unsupported_grant_type' } })
  t.equal((await send(`${emulator.url}/oauth/token`, { method: 'GET' })).status, 404)
})

t.test('a create by JSON and by form, read back with its avatar', async t => {
  const { users, create, headers, emulator } = await start(t)
  const byJson = await create(JSON.stringify({ user: { ...jane, vendor_id: '7', is_active: 'true', nickname: 'dropped' } }))
  t.match(byJson, { status: 201, json: { id: Number, email_address: jane.email_address, is_active: true } })
  t.notMatch(byJson.text, /nickname/)
  const image = png()
  const byForm = await create(multipartBody([{ name: 'user[last_name]', data: 'Doe' }, { name: 'user[email_address]', data: 'b@example.com' }, { name: 'user[avatar]', filename: 'a.png', data: image }]), { 'content-type': `multipart/form-data; boundary=${boundary}` })
  t.equal(byForm.status, 201)
  const avatar = await fetch(String(byForm.json['avatar']))
  t.ok(Buffer.from(await avatar.arrayBuffer()).equals(image))
  const list = await send(users, { method: 'GET', headers })
  t.match(list, { status: 200, headers: { total: '2' } })
  t.equal((await send(`${users}/${String(byForm.json['id'])}`, { method: 'GET', headers })).status, 200)
  t.match(await send(`${users}?filters[search]=b@example`, { method: 'GET', headers }), { headers: { total: '1' } })
  t.equal(emulator.apiRequests[0]?.createdUserId, byJson.json['id'])
})

t.test('what it refuses', async t => {
  const { create } = await start(t, { forbiddenCompanyIds: [101] })
  t.match(await create('{}', { authorization: 'Bearer x' }), { status: 401, json: { errors: 'Invalid Token' } })
  t.match(await create('{}', { 'procore-company-id': '102' }), { status: 400 })
  t.match(await create('{}'), { status: 403, json: { errors: ['App is not connected to this company.'] } })
  const other = await start(t)
  t.match(await other.create('{}'), { status: 400, json: { error: { code: 'BAD_REQUEST' } } })
  t.match(await other.create('{"user":{"country_code":"ZZ","bid_contact":true}}'), { status: 422, json: { errors: { last_name: ["can't be blank"], email_address: ["can't be blank"] } } })
  t.match(await other.create(JSON.stringify({ user: jane }), {}, '?run_configurable_validations=true'), { status: 422, json: { errors: { job_title: ["can't be blank"] } } })
  t.match(await other.create('x', { 'content-type': 'text/plain' }), { status: 415 })
  t.match(await other.create(multipartBody(janeParts).subarray(0, 50), { 'content-type': `multipart/form-data; boundary=${boundary}` }), { status: 400 })
  t.match(await other.create(multipartBody([...janeParts, { name: 'user[avatar]', filename: 'a.png', data: 'no image' }]), { 'content-type': `multipart/form-data; boundary=${boundary}` }), { status: 422, json: { errors: { avatar: ['is not an image'] } } })
})

t.test('the facts that are not documented, either way', async t => {
  const user = JSON.stringify({ user: jane })
  for (const takenEmail of [409, 422] as const) {
    const { create } = await start(t, { takenEmail })
    await create(user)
    t.equal((await create(user)).status, takenEmail)
  }
  for (const [rateLimitBody, type] of [['text', /^text\/plain/], ['json', /^application\/json/]] as const) {
    for (const rateLimitRetryAfter of [true, false]) {
      const { create } = await start(t, { rateLimit: 1, rateLimitBody, rateLimitRetryAfter, rateWindowSeconds: 10 })
      t.match(await create(user), { status: 201, headers: { 'x-rate-limit-limit': '1', 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': /^\d{10}$/ } })
      const limited = await create(user)
      t.match(limited, { status: 429, headers: { 'content-type': type } })
      t.equal('retry-after' in limited.headers, rateLimitRetryAfter)
    }
  }
  for (const unauthorizedKey of ['errors', 'error', 'message'] as const) {
    const { create } = await start(t, { unauthorizedKey })
    t.strictSame((await create(user, { authorization: 'Bearer x' })).json, { [unauthorizedKey]: 'Invalid Token' })
  }
  for (const missingCompanyHeaderStatus of [400, 403] as const) {
    const { create } = await start(t, { missingCompanyHeaderStatus })
    t.equal((await create(user, { 'procore-company-id': '' })).status, missingCompanyHeaderStatus)
  }
  for (const invalidClientStatus of [400, 401] as const) {
    const { token } = await start(t, { invalidClientStatus })
    t.equal((await token({ ...credentials, client_id: 'x' })).status, invalidClientStatus)
  }
  const { create } = await start(t, { refuseChunked: true, clockSkewSeconds: 3600 })
  t.equal((await create((async function * () { yield Buffer.from(user) })())).status, 411)
  const ahead = await create(user)
  t.ok(Date.parse(String(ahead.headers['date'])) > Date.now() + 3_500_000)
  t.ok(SettingsSchema.additionalProperties === false)
})

t.test('a token that has expired', async t => {
  const { create, emulator } = await start(t)
  emulator.api.revokeAccessTokens()
  t.equal((await create(JSON.stringify({ user: jane }))).status, 401)
})

t.test('its own reader of forms takes nothing doubtful', async t => {
  const type = 'multipart/form-data; boundary=x'
  t.match(parseMultipart(type, Buffer.from('--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n')), [{ name: 'a', data: Buffer.from('1') }])
  for (const body of ['', '--x\r\n', '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n', '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x', '--x\nContent-Disposition: form-data; name="a"\n\n1\n--x--', '--x\r\nno header\r\n\r\n1\r\n--x--', '--x\r\nContent-Disposition: form-data; name="a"; filename*=x\r\n\r\n1\r\n--x--']) {
    t.throws(() => parseMultipart(type, Buffer.from(body)), SyntaxError, JSON.stringify(body))
  }
  t.throws(() => parseMultipart('multipart/form-data', Buffer.from('')), SyntaxError)
})

t.test('a user is changed and invited, and the lists of a company have pages', async t => {
  const { emulator, users, create, headers } = await start(t)
  const { json: { id } } = await create(JSON.stringify({ user: { ...jane, vendor_id: 161_072 } }))
  await create(JSON.stringify({ user: { ...jane, email_address: 'b@example.com' } }))
  const change = (user: object, query = '') => send(`${users}/${String(id)}${query}`, { method: 'PATCH', headers, body: JSON.stringify({ user }) })
  t.match(await change({ job_title: 'QA', add_to_new_projects: true }), { status: 200, json: { job_title: 'QA', add_to_new_projects: true, last_name: 'Doe', vendor: { name: 'SID Architecture' } } })
  t.match(await change({ email_address: 'B@example.com', country_code: 'ZZ' }), { status: 422, json: { errors: { email_address: ['has already been taken'], country_code: Array } } })
  t.equal((await change({ job_title: '' }, '?run_configurable_validations=true')).status, 422)
  t.match(await send(`${users}/${String(id)}/invite`, { method: 'PATCH', headers }), { status: 202, text: '' })
  t.equal(emulator.api.directory.users.get(Number(id))?.invitations, 1)
  for (const path of [`${users}/1`, `${users}/1/invite`]) t.equal((await send(path, { method: 'PATCH', headers, body: '{"user":{}}' })).status, 404)
  t.strictSame((await send(`${users}?view=ids_only`, { method: 'GET', headers })).json, [381_006, 381_007])
  const list = (path: string) => send(`${emulator.url}/rest/v1.0/${path}`, { method: 'GET', headers })
  const page = await list('vendors?company_id=101&per_page=5&page=2')
  t.match(page, { status: 200, headers: { total: '12', 'per-page': '5', link: /page=1.*rel="first".*page=1.*rel="prev".*page=3.*rel="next".*page=3.*rel="last"/ } })
  t.match((await list('vendors?company_id=101&filters[search]=sid&view=compact')).json, [{ id: 161_072, name: 'SID Architecture' }])
  t.match(await list('companies/101/permission_templates'), { headers: { total: undefined }, json: [{ type: 'project_tools' }, { type: 'project_tools' }] })
  t.match((await list('companies/101/configurable_field_sets')).json, [{ class_name: 'User', fields: { job_title: { required: true } } }, {}])
  for (const path of ['vendors', 'companies/101/vendors', 'companies/101/nothing']) t.equal((await list(path)).status, 404, path)
  t.match(await list('vendors?company_id=102'), { status: 400 }, 'the header and the query have to agree')
})
