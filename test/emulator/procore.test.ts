// Checks that the emulator responds as Procore does, in each variant that its settings offer.
import t, { type Test } from 'tap'
import { startEmulator } from '../../tools/emulator/emulator.ts'
import { parseMultipart } from '../../tools/emulator/multipart.ts'
import { defaultSettings, SettingsSchema, type Settings } from '../../tools/emulator/settings.ts'
import { png } from '../helpers/images.ts'
import { waitUntil } from '../helpers/wait-until.ts'
import { boundary, multipartBody, jane, janeParts, send, type Body } from '../helpers/requests.ts'

const credentials = { grant_type: 'client_credentials', client_id: 'demo-client', client_secret: 'demo-secret' }

async function start (t: Test, settings: Partial<Settings> = {}) {
  const emulator = await startEmulator(settings)
  t.teardown(() => emulator.close())
  const requestToken = async (fields: Record<string, string> = credentials) => send(`${emulator.url}/oauth/token`, {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  })
  const headers = {
    authorization: `Bearer ${String((await requestToken()).json['access_token'])}`,
    'procore-company-id': '101',
    'user-agent': 'test',
    'content-type': 'application/json',
  }
  const usersUrl = `${emulator.url}/rest/v1.3/companies/101/users`
  const create = (body: Body, extraHeaders: Record<string, string> = {}, query = '') => {
    return send(`${usersUrl}${query}`, { headers: { ...headers, ...extraHeaders }, body })
  }
  return { emulator, requestToken, headers, usersUrl, create }
}

t.test('an access token is issued for credentials in a form or in JSON', async t => {
  const { emulator, requestToken } = await start(t)
  t.match((await requestToken()).json, {
    access_token: String,
    token_type: 'bearer',
    expires_in: 5400,
    created_at: Number,
  })
  const byJson = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(credentials) }
  t.equal((await send(`${emulator.url}/oauth/token`, byJson)).status, 200)
  const unknownClient = await requestToken({ ...credentials, client_secret: 'x' })
  t.match(unknownClient, { status: 401, json: { error: 'invalid_client' } })
  const unsupported = await requestToken({ ...credentials, grant_type: 'password' })
  t.match(unsupported, { status: 400, json: { error: 'unsupported_grant_type' } })
  t.equal((await send(`${emulator.url}/oauth/token`, { method: 'GET' })).status, 404)
})

t.test('users that are created by JSON and by form can be read with their avatars', async t => {
  const { usersUrl, create, headers, emulator } = await start(t)
  const user = { ...jane, vendor_id: '7', is_active: 'true', nickname: 'dropped' }
  const byJson = await create(JSON.stringify({ user }))
  t.match(byJson, { status: 201, json: { id: Number, email_address: jane.email_address, is_active: true } })
  t.notMatch(byJson.text, /nickname/)
  const image = png()
  const byForm = await create(multipartBody([
    { name: 'user[last_name]', data: 'Doe' },
    { name: 'user[email_address]', data: 'b@example.com' },
    { name: 'user[avatar]', filename: 'a.png', data: image },
  ]), { 'content-type': `multipart/form-data; boundary=${boundary}` })
  t.equal(byForm.status, 201)
  const avatar = await fetch(String(byForm.json['avatar']))
  t.ok(Buffer.from(await avatar.arrayBuffer()).equals(image))
  const list = await send(usersUrl, { method: 'GET', headers })
  t.match(list, { status: 200, headers: { total: '2' } })
  t.equal((await send(`${usersUrl}/${String(byForm.json['id'])}`, { method: 'GET', headers })).status, 200)
  t.match(await send(`${usersUrl}?filters[search]=b@example`, { method: 'GET', headers }), { headers: { total: '1' } })
  t.equal(emulator.apiRequests[0]?.createdUserId, byJson.json['id'])
})

t.test('a request is refused before its body is validated', async t => {
  const { create } = await start(t, { forbiddenCompanyIds: [101] })

  await t.test('without a valid access token', async t => {
    t.match(await create('{}', { authorization: 'Bearer x' }), { status: 401, json: { errors: 'Invalid Token' } })
  })

  await t.test('with the header of another company', async t => {
    t.match(await create('{}', { 'procore-company-id': '102' }), { status: 404, json: { errors: 'Item not found' } })
  })

  await t.test('for a company that is not connected', async t => {
    t.match(await create('{}'), { status: 403, json: { errors: ['App is not connected to this company.'] } })
  })
})

t.test('a body is refused', async t => {
  const { create } = await start(t)
  const multipartType = { 'content-type': `multipart/form-data; boundary=${boundary}` }
  const blank = ["can't be blank"]

  await t.test('without a user', async t => {
    t.match(await create('{}'), { status: 400, json: { error: { code: 'BAD_REQUEST' } } })
  })

  await t.test('with invalid fields', async t => {
    const response = await create('{"user":{"country_code":"ZZ","bid_contact":true}}')
    t.match(response, { status: 422, json: { errors: { last_name: blank, email_address: blank } } })
  })

  await t.test('without a field that the company requires', async t => {
    const response = await create(JSON.stringify({ user: jane }), {}, '?run_configurable_validations=true')
    t.match(response, { status: 422, json: { errors: { job_title: blank } } })
  })

  await t.test('of another media type', async t => {
    t.match(await create('x', { 'content-type': 'text/plain' }), { status: 415 })
  })

  await t.test('that is truncated', async t => {
    t.match(await create(multipartBody(janeParts).subarray(0, 50), multipartType), { status: 400 })
  })

  await t.test('with an avatar that is not an image', async t => {
    const parts = [...janeParts, { name: 'user[avatar]', filename: 'a.png', data: 'no image' }]
    const response = await create(multipartBody(parts), multipartType)
    t.match(response, { status: 422, json: { errors: { avatar: ['is not an image'] } } })
  })
})

const janeJson = JSON.stringify({ user: jane })

for (const takenEmail of [409, 422] as const) {
  t.test(`a taken e-mail address is refused with ${takenEmail}`, async t => {
    const { create } = await start(t, { takenEmail })
    await create(janeJson)
    t.equal((await create(janeJson)).status, takenEmail)
  })
}

for (const [rateLimitBody, type] of [['text', /^text\/plain/], ['json', /^application\/json/]] as const) {
  for (const rateLimitRetryAfter of [true, false]) {
    t.test(`a 429 has a ${rateLimitBody} body and ${rateLimitRetryAfter ? 'a' : 'no'} Retry-After`, async t => {
      const { create } = await start(t, { rateLimit: 1, rateLimitBody, rateLimitRetryAfter, rateWindowSeconds: 10 })
      t.match(await create(janeJson), {
        status: 201,
        headers: { 'x-rate-limit-limit': '1', 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': /^\d{10}$/ },
      })
      const limited = await create(janeJson)
      t.match(limited, { status: 429, headers: { 'content-type': type } })
      t.equal('retry-after' in limited.headers, rateLimitRetryAfter)
    })
  }
}

for (const unauthorizedKey of ['errors', 'error', 'message'] as const) {
  t.test(`a 401 has its reason in \`${unauthorizedKey}\``, async t => {
    const { create } = await start(t, { unauthorizedKey })
    const { json } = await create(janeJson, { authorization: 'Bearer x' })
    t.strictSame(json, { [unauthorizedKey]: 'Invalid Token' })
  })
}

for (const missingCompanyHeaderStatus of [400, 403, 404] as const) {
  t.test(`a missing Procore-Company-Id is refused with ${missingCompanyHeaderStatus}`, async t => {
    const { create } = await start(t, { missingCompanyHeaderStatus })
    t.equal((await create(janeJson, { 'procore-company-id': '' })).status, missingCompanyHeaderStatus)
  })
}

for (const invalidClientStatus of [400, 401] as const) {
  t.test(`an unknown client is refused with ${invalidClientStatus}`, async t => {
    const { requestToken } = await start(t, { invalidClientStatus })
    t.equal((await requestToken({ ...credentials, client_id: 'x' })).status, invalidClientStatus)
  })
}

t.test('a chunked body is refused, and the clock is ahead, if the settings say so', async t => {
  const { create } = await start(t, { refuseChunked: true, clockSkewSeconds: 3600 })
  t.equal((await create((async function * () { yield Buffer.from(janeJson) })())).status, 411)
  const ahead = await create(janeJson)
  t.ok(Date.parse(String(ahead.headers['date'])) > Date.now() + 3_500_000)
})

t.test('unknown settings are refused', async t => {
  t.ok(SettingsSchema.additionalProperties === false)
})

t.test('a revoked access token is refused', async t => {
  const { create, emulator } = await start(t)
  emulator.api.revokeAccessTokens()
  t.equal((await create(JSON.stringify({ user: jane }))).status, 401)
})

const multipartType = 'multipart/form-data; boundary=x'
const validBody = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'

t.test('the multipart parser accepts a valid form', async t => {
  t.match(parseMultipart(multipartType, Buffer.from(validBody)), [{ name: 'a', data: Buffer.from('1') }])
})

const malformedBodies = [
  { name: 'an empty body', body: '' },
  { name: 'a delimiter only', body: '--x\r\n' },
  { name: 'no closing delimiter', body: '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' },
  { name: 'an incomplete closing delimiter', body: '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x' },
  { name: 'bare line feeds', body: '--x\nContent-Disposition: form-data; name="a"\n\n1\n--x--' },
  { name: 'a header without a colon', body: '--x\r\nno header\r\n\r\n1\r\n--x--' },
  {
    name: 'an extended file name',
    body: '--x\r\nContent-Disposition: form-data; name="a"; filename*=x\r\n\r\n1\r\n--x--',
  },
]
for (const { name, body } of malformedBodies) {
  t.test(`the multipart parser refuses ${name}`, async t => {
    t.throws(() => parseMultipart(multipartType, Buffer.from(body)), SyntaxError)
  })
}

t.test('the multipart parser refuses a Content-Type without a boundary', async t => {
  t.throws(() => parseMultipart('multipart/form-data', Buffer.from('')), SyntaxError)
})

t.test('a user can be updated and invited, and lists are paginated and filtered', async t => {
  const { emulator, usersUrl, create, headers } = await start(t)
  const { json: { id } } = await create(JSON.stringify({ user: { ...jane, vendor_id: 161_072 } }))
  await create(JSON.stringify({ user: { ...jane, email_address: 'b@example.com' } }))
  const update = (user: object, query = '') => send(`${usersUrl}/${String(id)}${query}`, {
    method: 'PATCH', headers, body: JSON.stringify({ user }),
  })
  t.match(await update({ job_title: 'QA', add_to_new_projects: true }), {
    status: 200,
    json: { job_title: 'QA', add_to_new_projects: true, last_name: 'Doe', vendor: { name: 'SID Architecture' } },
  })
  t.match(await update({ email_address: 'B@example.com', country_code: 'ZZ' }), {
    status: 422,
    json: { errors: { email_address: ['has already been taken'], country_code: Array } },
  })
  t.equal((await update({ job_title: '' }, '?run_configurable_validations=true')).status, 422)
  t.match(await send(`${usersUrl}/${String(id)}/invite`, { method: 'PATCH', headers }), { status: 202, text: '' })
  t.equal(emulator.api.directory.users.get(Number(id))?.invitations, 1)
  for (const url of [`${usersUrl}/1`, `${usersUrl}/1/invite`]) {
    t.equal((await send(url, { method: 'PATCH', headers, body: '{"user":{}}' })).status, 404, url)
  }
  await update({ is_active: false })
  const reactivate = () => send(`${usersUrl}/inactive/${String(id)}`, { method: 'PATCH', headers })
  t.match(await reactivate(), { status: 200, json: { id, is_active: true } })
  t.equal((await reactivate()).status, 404, 'an active user is not among the inactive ones')
  t.strictSame((await send(`${usersUrl}?view=ids_only`, { method: 'GET', headers })).json, [381_006, 381_007])
  const meUrl = `${emulator.url}/rest/v1.3/companies/101/me`
  t.match((await send(meUrl, { method: 'GET', headers })).json, { email_address: 'service@example.com' })
  t.equal((await send(meUrl, { method: 'POST', headers })).status, 404)
  const list = (path: string) => send(`${emulator.url}/rest/v1.0/${path}`, { method: 'GET', headers })
  const page = await list('vendors?company_id=101&per_page=5&page=2')
  const link = /page=1.*rel="first".*page=1.*rel="prev".*page=3.*rel="next".*page=3.*rel="last"/
  t.match(page, { status: 200, headers: { total: '12', 'per-page': '5', link } })
  const { json: vendors } = await list('vendors?company_id=101&filters[search]=sid&view=compact')
  t.match(vendors, [{ id: 161_072, name: 'SID Architecture' }])
  t.match(await list('companies/101/permission_templates'), {
    headers: { total: undefined },
    json: [{ type: 'project_tools' }, { type: 'project_tools' }],
  })
  const { json: fieldSets } = await list('companies/101/configurable_field_sets')
  t.match(fieldSets, [{ class_name: 'User', fields: { job_title: { required: true } } }, {}])
  for (const path of ['vendors', 'companies/101/vendors', 'companies/101/nothing']) {
    t.equal((await list(path)).status, 404, path)
  }
  t.match(await list('vendors?company_id=102'), { status: 404 }, 'the header and the query must name the same company')
})

const image = png()
const imageParts = [...janeParts, { name: 'user[avatar]', filename: 'a.png', data: image }]
const formType = { 'content-type': `multipart/form-data; boundary=${boundary}` }

t.test('a protected avatar needs the access token, and is redirected to a signed URL of the storage host', async t => {
  const { create, emulator, headers: { authorization } } = await start(t, { avatarAccess: 'access-token' })
  const avatarUrl = String((await create(multipartBody(imageParts), formType)).json['avatar'])
  t.equal((await send(avatarUrl, { method: 'GET' })).status, 401)
  const redirect = await send(avatarUrl, { method: 'GET', headers: { authorization } })
  t.equal(redirect.status, 302)
  const location = new URL(String(redirect.headers['location']))
  t.not(location.hostname, new URL(emulator.url).hostname)

  await t.test('the storage host serves the picture without a token', async t => {
    const picture = await fetch(location)
    t.equal(picture.status, 200)
    t.ok(Buffer.from(await picture.arrayBuffer()).equals(image))
  })

  await t.test('the storage host refuses a request that carries Authorization', async t => {
    const refused = await send(location.href, { method: 'GET', headers: { authorization } })
    t.match(refused, { status: 400, text: /InvalidArgument/ })
  })

  await t.test('the storage host refuses a URL with another signature', async t => {
    const unsigned = location.href.replace(/Signature=.*/, 'Signature=x')
    t.match(await send(unsigned, { method: 'GET' }), { status: 403, text: /AccessDenied/ })
  })

  t.match(emulator.storageRequests.map(({ status }) => status), [200, 400, 403])
})

t.test('the avatar of an update replaces the one of the create', async t => {
  const { create, usersUrl, headers } = await start(t)
  const { json: { id, avatar } } = await create(multipartBody(imageParts), formType)
  const replacement = png(600)
  const body = multipartBody([{ name: 'user[avatar]', filename: 'b.png', data: replacement }])
  const updated = await send(`${usersUrl}/${String(id)}`, {
    method: 'PATCH', headers: { ...headers, ...formType }, body,
  })
  t.equal(updated.status, 200)
  t.ok(Buffer.from(await (await fetch(String(avatar))).arrayBuffer()).equals(replacement))
})

t.test('a URL in a response has the host name that the client used', async t => {
  const { create } = await start(t)
  const response = await create(multipartBody(imageParts), { ...formType, host: 'emulator:4010' })
  t.match(response.json['avatar'], /^http:\/\/emulator:4010\/avatars\/\d+$/)
})

t.test('a form with an avatar is carried out, and answered later by `uploadDelayMs`', async t => {
  const { create, emulator } = await start(t, { uploadDelayMs: 600_000 })
  const other = { ...jane, email_address: 'b@example.com' }
  t.equal((await create(JSON.stringify({ user: other }))).status, 201, 'JSON is answered at once')
  const upload = create(multipartBody(imageParts), formType)
  upload.catch(() => {})
  await waitUntil(() => emulator.api.directory.users.size === 2)
  t.equal(emulator.apiRequests.at(-1)?.status, 201)
  await emulator.close()
  await t.rejects(upload)
})

t.test('texts are trimmed and e-mail addresses lower-cased if the settings say so', async t => {
  const { create } = await start(t, { normalizesText: true })
  const user = { last_name: ' Doe ', email_address: ' Jane.Doe@Example.COM ', notes: '  ', origin_id: ' A ' }
  t.match((await create(JSON.stringify({ user }))).json, {
    last_name: 'Doe', email_address: 'jane.doe@example.com', notes: '', origin_id: 'A',
  })
})

t.test('an `origin_id` is unique in a company', async t => {
  const { create, usersUrl, headers } = await start(t)
  const taken = { status: 422, json: { errors: { origin_id: ['has already been taken'] } } }
  const other = { ...jane, email_address: 'b@example.com' }
  const { json: { id } } = await create(JSON.stringify({ user: { ...jane, origin_id: 'a' } }))
  const update = (userId: unknown) => send(`${usersUrl}/${String(userId)}`, {
    method: 'PATCH', headers, body: JSON.stringify({ user: { origin_id: 'a' } }),
  })

  await t.test('a create with one that another user has is refused', async t => {
    t.match(await create(JSON.stringify({ user: { ...other, origin_id: 'a' } })), taken)
  })

  await t.test('an update with one that another user has is refused, and one with the own is not', async t => {
    t.match(await update((await create(JSON.stringify({ user: other }))).json['id']), taken)
    t.equal((await update(id)).status, 200)
  })

  await t.test('the list of users is filtered by it', async t => {
    const list = await send(`${usersUrl}?filters[origin_id]=a`, { method: 'GET', headers })
    t.match(list, { headers: { total: '1' }, json: [{ id }] })
  })
})

for (const takenEmail of [409, 422] as const) {
  t.test(`the e-mail address of an inactive user is refused with ${takenEmail}`, async t => {
    const { create, emulator, headers } = await start(t, { takenEmail })
    await create(JSON.stringify({ user: { ...jane, is_active: false } }))
    t.equal((await create(janeJson)).status, takenEmail)
    const inactiveUrl = `${emulator.url}/rest/v1.0/companies/101/users/inactive`
    const inactive = await send(inactiveUrl, { method: 'GET', headers })
    t.match(inactive, { status: 200, headers: { total: '1' }, json: [jane] })
  })
}

t.test('a missing field has the message that the settings name', async t => {
  const { create } = await start(t, { blankMessage: 'required' })
  const errors = { email_address: ['required'] }
  t.match(await create('{"user":{"last_name":"Doe"}}'), { status: 422, json: { errors } })
})

t.test('an update without the fields that the settings name is refused', async t => {
  const { create, usersUrl, headers } = await start(t, { updateRequiredFields: ['last_name', 'email_address'] })
  const { json: { id } } = await create(janeJson)
  const update = (user: object) => send(`${usersUrl}/${String(id)}`, {
    method: 'PATCH', headers, body: JSON.stringify({ user }),
  })
  const errors = { last_name: ["can't be blank"], email_address: ["can't be blank"] }
  t.match(await update({ job_title: 'QA' }), { status: 422, json: { errors } })
  t.equal((await update({ ...jane, job_title: 'QA' })).status, 200)
})

/** Starts an emulator with the users Ann and Bob, and returns a function that syncs rows. */
async function startSync (t: Test, settings: Partial<Settings> = {}) {
  const { emulator, usersUrl, headers } = await start(t, settings)
  const { directory } = emulator.api
  const addUser = (values: Record<string, unknown>) => directory.add(101, { values }, new Date())
  const ann = addUser({ last_name: 'Ann', email_address: 'ann@example.com', is_active: false })
  const bob = addUser({ last_name: 'Bob', email_address: 'bob@example.com', origin_id: 'B1' })
  const sync = (updates: unknown) => send(`${usersUrl}/sync`, {
    method: 'PATCH', headers, body: JSON.stringify({ updates }),
  })
  return { emulator, directory, ann, bob, sync, usersUrl, headers }
}

t.test('a sync updates the rows with an id or a known `origin_id`, and creates the others', async t => {
  const { directory, ann, bob, sync } = await startSync(t)
  const response = await sync([
    { id: ann.id, is_active: true },
    { origin_id: 'B1', last_name: 'Bobby', email_address: 'bob@example.com' },
    { ...jane, bid_contact: true },
    { last_name: 'Other', email_address: 'BOB@example.com' },
    { id: 1, last_name: 'Nobody' },
  ])
  t.equal(response.status, 200)
  const taken = ['has already been taken']
  t.match(response.json, {
    entities: [{ id: ann.id, is_active: true }, { id: bob.id, last_name: 'Bobby' }, { id: bob.id + 1, ...jane }],
    errors: [
      { last_name: 'Other', email_address: 'BOB@example.com', errors: { email_address: taken } },
      { id: 1, last_name: 'Nobody', errors: { id: ['does not exist'] } },
    ],
  })
  t.equal(directory.users.size, 3)
  t.notOk('bid_contact' in (directory.users.get(bob.id + 1)?.values ?? {}))
})

t.test('a sync updates the user with the e-mail address if the settings say so', async t => {
  const { ann, sync } = await startSync(t, { syncMatchesEmail: true })
  const row = { last_name: 'Smith', email_address: 'Ann@example.com' }
  t.match((await sync([row])).json, { entities: [{ id: ann.id, last_name: 'Smith' }], errors: [] })
})

t.test('the second row of a sync with the same new e-mail address is refused', async t => {
  const { sync } = await startSync(t)
  t.match((await sync([jane, jane])).json, { entities: [jane], errors: [{ errors: { email_address: Array } }] })
})

t.test('a sync leaves rows out of its response, and changes their order, if the settings say so', async t => {
  const { directory, sync } = await startSync(t, { syncDropsRows: 3, syncShuffles: true })
  const rows = [1, 2, 3, 4].map(n => ({ last_name: `L${n}`, email_address: `user-${n}@example.com` }))
  t.match((await sync(rows)).json, { entities: [rows[3], rows[1], rows[0]], errors: [] })
  t.equal(directory.users.size, 6, 'all rows are carried out')
})

for (const [name, updates, status] of [
  ['without rows', undefined, 400], ['with rows that are not a list', {}, 400],
  ['with more than 1,000 rows', Array.from({ length: 1001 }, () => jane), 422],
] as const) {
  t.test(`a sync ${name} is refused as a whole`, async t => {
    const { directory, sync } = await startSync(t)
    t.equal((await sync(updates)).status, status)
    t.equal(directory.users.size, 2)
  })
}

for (const kind of ['reset-after-body', 'truncate'] as const) {
  t.test(`a sync whose response is lost by ${kind} is carried out`, async t => {
    const { emulator, directory, sync } = await startSync(t)
    emulator.faults.add({ kind, path: '/users/sync' })
    await t.rejects(sync([jane]))
    t.equal(directory.users.size, 3)
  })
}

t.test('users are found by their current e-mail address only, and keep their place in the list', async t => {
  const { directory, ann, sync, usersUrl, headers } = await startSync(t)
  await sync([{ id: ann.id, email_address: 'smith@example.com', is_active: true }])
  t.notOk(directory.isEmailTaken(101, 'ann@example.com'))
  t.ok(directory.isEmailTaken(101, 'SMITH@example.com'))
  t.notOk(directory.isEmailTaken(102, 'smith@example.com'), 'in another company')
  t.match((await send(usersUrl, { method: 'GET', headers })).json, [{ id: ann.id }, {}])
  directory.users.delete(ann.id)
  t.notOk(directory.isEmailTaken(101, 'smith@example.com'))
})

t.test('the list of users is filtered by the times of creation and update', async t => {
  const { emulator, usersUrl, headers } = await start(t)
  const { directory } = emulator.api
  const add = (day: number) => directory.add(101, { values: { ...jane } }, new Date(Date.UTC(2026, 0, day)))
  const [first, second] = [add(1), add(3)]
  directory.update(first, { values: {} }, new Date(Date.UTC(2026, 0, 5)))
  const list = async (filter: string) =>
    (await send(`${usersUrl}?view=ids_only&${filter}`, { method: 'GET', headers })).json
  t.strictSame(await list('filters[created_at]=2026-01-02'), [second.id])
  t.strictSame(await list('filters[created_at]=2026-01-01...2026-01-02'), [first.id])
  t.strictSame(await list('filters[updated_at]=2026-01-04T00:00:00Z...2026-01-06T00:00:00Z'), [first.id])
})

t.test('a user is validated and added among 50,000 users about as fast as among few', async t => {
  const { directory } = (await startSync(t)).emulator.api
  let count = 0
  const addUsers = (added: number) => {
    const startMs = performance.now()
    for (const end = count + added; count < end; count++) {
      const values = { last_name: 'Doe', email_address: `user-${count}@example.com`, origin_id: String(count) }
      directory.validate(101, { values }, defaultSettings, false)
      directory.add(101, { values }, new Date())
    }
    return performance.now() - startMs
  }
  const fewMs = Math.min(addUsers(500), addUsers(500))
  for (; count < 50_000; count++) directory.add(101, { values: { ...jane } }, new Date())
  const manyMs = Math.min(addUsers(500), addUsers(500))
  t.ok(manyMs < fewMs * 10, `${manyMs} ms among many, ${fewMs} ms among few`)
})
