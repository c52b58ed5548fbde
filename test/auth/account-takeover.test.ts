// With PERMISSION_TEMPLATE_IDS, a caller cannot take over the account of a user with another template. Where scopes are
// on, the e-mail address and the state of an account need a scope of their own.
import t from 'tap'
import { png } from '../helpers/images.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { avatarPart } from '../helpers/request-builders.ts'
import {
  boundary, jane, janeParts, multipartBody, send, type TestResponse,
} from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'

const refused = { status: 403, json: { code: 'template_not_allowed', outcome: 'not_sent' } }
const now = new Date('2026-01-01T00:00:00Z')

/** Adds a user to the emulated directory, and returns its URL at the service. */
function addUser ({ emulator, usersUrl }: Service, templates: Record<string, unknown> = {}): string {
  const { id } = emulator.api.directory.add(101, { values: { ...jane, ...templates } }, now)
  return `${usersUrl}/${id}`
}

function patch (
  url: string, body: string | Buffer = '{"user":{"city":"Carpinteria"}}', headers: Record<string, string> = {}
): Promise<TestResponse> {
  return send(url, { method: 'PATCH', body, headers: { 'content-type': 'application/json', ...headers } })
}

const invite = (url: string, headers: Record<string, string> = {}) =>
  send(`${url}/invite`, { method: 'PATCH', headers })

const changes = (service: Service) => service.emulator.apiRequests.filter(({ method }) => method !== 'GET')

t.test('a user whose permission template is not in PERMISSION_TEMPLATE_IDS', async t => {
  const service = await startService(t, { env: { PERMISSION_TEMPLATE_IDS: '27,28' } })
  for (const field of ['default_permission_template_id', 'company_permission_template_id']) {
    const url = addUser(service, { [field]: 1 })
    await t.test(`in ${field} is not changed`, async t => {
      t.match(await patch(url), refused)
    })
    await t.test(`in ${field} is not changed by a form with a large avatar`, async t => {
      const form = multipartBody([...janeParts, avatarPart(png(1_000_000))])
      t.match(await patch(url, form, { 'content-type': `multipart/form-data; boundary=${boundary}` }), refused)
    })
    await t.test(`in ${field} is not invited`, async t => {
      t.match(await invite(url), refused)
    })
    await t.test(`in ${field} is not invited with an idempotency key, and the key stays free`, async t => {
      t.match(await invite(url, { 'idempotency-key': field }), refused)
      const id = Number(url.split('/').at(-1))
      const user = service.emulator.api.directory.users.get(id)
      Object.assign(user?.values ?? {}, { [field]: 27 })
      t.equal((await invite(url, { 'idempotency-key': field })).status, 202)
      Object.assign(user?.values ?? {}, { [field]: 1 })
    })
  }
  t.strictSame(changes(service).filter(({ complete, path }) => complete && !path.endsWith('/invite')), [])
})

t.test('a user whose templates are null or in PERMISSION_TEMPLATE_IDS', async t => {
  const service = await startService(t, { env: { PERMISSION_TEMPLATE_IDS: '27,28' } })
  for (const templates of [{}, { default_permission_template_id: 27, company_permission_template_id: 28 }]) {
    const url = addUser(service, templates)
    await t.test(`${JSON.stringify(templates)} is changed`, async t => {
      t.equal((await patch(url)).status, 200)
    })
    await t.test(`${JSON.stringify(templates)} is invited`, async t => {
      t.equal((await invite(url)).status, 202)
    })
  }
})

t.test('a user that cannot be read first is not changed', async t => {
  const service = await startService(t, { env: { PERMISSION_TEMPLATE_IDS: '27', UPSTREAM_TIMEOUT_MS: '1000' } })
  const url = addUser(service)
  const json = { 'content-type': 'application/json' }
  const user = { id: 1, default_permission_template_id: null, company_permission_template_id: null }
  const { default_permission_template_id: _, ...withoutTemplate } = user
  const rejected = (status: number) => ({ status, json: { code: 'procore_rejected', outcome: 'not_sent' } })
  const rows = [
    { name: 'a record without a template', status: 200, record: withoutTemplate, expected: refused },
    { name: 'a list', status: 200, record: [user], expected: refused },
    {
      name: 'a template as text',
      status: 200,
      record: { ...user, default_permission_template_id: '27' },
      expected: refused,
    },
    { name: 'a 404', status: 404, record: {}, expected: rejected(404) },
    { name: 'a 403', status: 403, record: {}, expected: rejected(403) },
    {
      name: 'a 500',
      status: 500,
      record: {},
      expected: { status: 502, json: { code: 'procore_bad_response', outcome: 'not_sent' } },
    },
  ]
  for (const { name, status, record, expected } of rows) {
    await t.test(name, async t => {
      const body = JSON.stringify(record)
      service.emulator.faults.add({ method: 'GET', kind: 'status', status, headers: json, body, times: 2 })
      t.match(await patch(url), expected)
      service.emulator.faults.clear()
    })
  }
  t.strictSame(changes(service), [])
})

t.test('without PERMISSION_TEMPLATE_IDS a user is changed without being read', async t => {
  const service = await startService(t)
  t.equal((await patch(addUser(service, { company_permission_template_id: 1 }))).status, 200)
  t.strictSame(service.emulator.apiRequests.map(({ method }) => method), ['PATCH'])
})

t.test('a change of the e-mail address or the state of an account needs update-company-user-login', async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, { env: { ...issuer.env, JWT_SCOPE_PREFIX: 'procore:' } })
  const url = addUser(service)
  const patchWith = async (scope: string, user: object) =>
    patch(url, JSON.stringify({ user }), bearerHeader(await issuer.sign({ scope })))
  const scope = 'procore:update-company-user'
  const rows = [{ email_address: 'joe@example.com' }, { is_active: false }, { is_active: true, city: 'Carpinteria' }]
  for (const user of rows) {
    await t.test(`${Object.keys(user).join(' and ')} is refused without the scope`, async t => {
      const response = await patchWith(scope, user)
      t.match(response, { status: 403, json: { code: 'operation_not_allowed' } })
      t.match(response.headers['www-authenticate'], /scope="procore:update-company-user-login"/)
    })
    await t.test(`${Object.keys(user).join(' and ')} is changed with the scope`, async t => {
      t.equal((await patchWith(`${scope} procore:update-company-user-login`, user)).status, 200)
    })
  }
  await t.test('another field needs the scope of the update only', async t => {
    t.equal((await patchWith(scope, { city: 'Carpinteria' })).status, 200)
  })
  await t.test('a field in a form after a large avatar is refused as not_sent', async t => {
    const email = { name: 'user[email_address]', data: 'joe@example.com' }
    const form = multipartBody([avatarPart(png(1_000_000)), email])
    const headers = {
      'content-type': `multipart/form-data; boundary=${boundary}`, ...bearerHeader(await issuer.sign({ scope })),
    }
    const expected = { status: 403, json: { code: 'operation_not_allowed', outcome: 'not_sent' } }
    t.match(await patch(url, form, headers), expected)
  })
})
