// Inactive users can be listed and reactivated. A reactivation has the protections of a change of `is_active`.
import t from 'tap'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { get } from '../helpers/request-builders.ts'
import { jane, send, summarizeErrors } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'

const now = new Date('2026-01-01T00:00:00Z')

/** Adds an inactive user to the emulated directory, and returns its id. */
function addInactive ({ emulator }: Service, values: Record<string, unknown> = {}): number {
  return emulator.api.directory.add(101, { values: { ...jane, is_active: false, ...values } }, now).id
}

const reactivate = (service: Service, id: number, headers: Record<string, string> = {}) =>
  send(`${service.usersUrl}/inactive/${id}`, { method: 'PATCH', headers })

const isActive = ({ emulator }: Service, id: number) => emulator.api.directory.users.get(id)?.values['is_active']

/** Makes Procore show no inactive user by itself. */
const hideInactive = ({ emulator }: Service) =>
  emulator.faults.add({ kind: 'status', status: 404, body: '{}', method: 'GET', path: '/v1.3/', rate: 1 })

t.test('inactive users are listed by page under both paths, with an audit line each', async t => {
  const service = await startService(t)
  service.emulator.api.directory.add(101, { values: jane }, now)
  const ids = [addInactive(service), addInactive(service)]
  const query = '?page=2&per_page=1&sort=name'
  for (const path of ['/companies/101/users/inactive', '/rest/v1.0/companies/101/users/inactive']) {
    await t.test(`${path} returns one page`, async t => {
      const response = await get(`${service.url}${path}${query}`)
      t.match(response, { status: 200, headers: { total: '2', 'per-page': '1', link: /^<\?page=1/ } })
      t.match(response.json, [{ id: ids[1], is_active: false }])
      t.equal(service.emulator.apiRequests.at(-1)?.path, `/rest/v1.0/companies/101/users/inactive${query}`)
    })
  }
  const invalid = await get(`${service.usersUrl}/inactive?sort=email&filters[search]=x`)
  t.strictSame(summarizeErrors(invalid), ['query /sort format', 'query /filters[search] unknown'])
  const audited = service.lines.filter(({ name }) => name === 'audit')
  t.match(audited, Array(2).fill({ msg: 'read', operation: 'list-inactive-company-users', status: 200 }))
  t.equal(audited.length, 2)
})

t.test('an inactive user is reactivated without a body, under both paths', async t => {
  const service = await startService(t)
  for (const prefix of ['', '/rest/v1.0']) {
    await t.test(`${prefix}/companies/101/users/inactive/:id returns the user`, async t => {
      const id = addInactive(service)
      const response = await send(`${service.url}${prefix}/companies/101/users/inactive/${id}`, { method: 'PATCH' })
      t.match(response, { status: 200, json: { id, is_active: true } })
      t.equal(isActive(service, id), true)
      t.match(service.emulator.apiRequests.at(-1), {
        method: 'PATCH',
        path: `/rest/v1.0/companies/101/users/inactive/${id}`,
        headers: { 'content-type': undefined },
      })
      t.match(service.lines.filter(({ name }) => name === 'audit').at(-1), {
        msg: 'change', operation: 'reactivate-company-user', outcome: 'changed', recordId: id,
      })
    })
  }
  const id = addInactive(service, { is_active: true })
  t.match((await reactivate(service, id)).json, { status: 404, code: 'procore_rejected', outcome: 'rejected' })
  const wrongMethod = await send(`${service.usersUrl}/inactive`, { method: 'PATCH' })
  t.match(wrongMethod, { status: 405, headers: { allow: /GET/ } })
})

t.test('a reactivation whose response was lost is sent once more', async t => {
  const service = await startService(t)
  const id = addInactive(service)
  service.emulator.faults.add({ kind: 'reset-before-body', method: 'PATCH' })
  t.match(await reactivate(service, id), { status: 200, json: { id, is_active: true } })
})

t.test('a reactivation that was lost after Procore acted is unknown, not rejected', async t => {
  const service = await startService(t)
  const id = addInactive(service)
  service.emulator.faults.add({ kind: 'reset-after-body', method: 'PATCH' })
  t.match(await reactivate(service, id), { status: 502, json: { code: 'procore_unreachable', outcome: 'unknown' } })
  t.equal(isActive(service, id), true)
  const attempts = service.emulator.apiRequests.filter(({ method }) => method === 'PATCH')
  t.equal(attempts.length, 2, 'it was sent once more')
  t.match(service.lines.find(({ msg }) => msg === 'change'), { outcome: 'unknown' })
})

t.test('where scopes are on, a reactivation needs its own scope and that of changing a login', async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, { env: { ...issuer.env, JWT_SCOPE_PREFIX: 'p:' } })
  const id = addInactive(service)
  const rows = [
    { scope: 'p:reactivate-company-user', missing: 'p:update-company-user-login' },
    { scope: 'p:update-company-user-login p:update-company-user', missing: 'p:reactivate-company-user' },
  ]
  for (const { scope, missing } of rows) {
    await t.test(`it is refused with ${scope} only`, async t => {
      const response = await reactivate(service, id, bearerHeader(await issuer.sign({ scope })))
      t.match(response, { status: 403, json: { code: 'operation_not_allowed' } })
      t.match(response.headers['www-authenticate'], `scope="${missing}"`)
    })
  }
  t.strictSame(service.emulator.apiRequests, [])
  const scope = 'p:reactivate-company-user p:update-company-user-login'
  t.equal((await reactivate(service, id, bearerHeader(await issuer.sign({ scope })))).status, 200)
  const list = await get(`${service.usersUrl}/inactive`, bearerHeader(await issuer.sign({ scope })))
  t.match(list.headers['www-authenticate'], /scope="p:list-inactive-company-users"/)
})

const template = 'company_permission_template_id'
const refused = { status: 403, json: { code: 'template_not_allowed', outcome: 'not_sent' } }
const guardRows = [
  { name: 'without a template is reactivated', values: {}, expected: { status: 200 } },
  { name: 'with an allowed template is reactivated', values: { [template]: 27 }, expected: { status: 200 } },
  { name: 'with another template stays inactive', values: { [template]: 1 }, expected: refused },
]
for (const isHidden of [false, true]) {
  const shown = isHidden ? 'only lists' : 'shows'
  t.test(`with PERMISSION_TEMPLATE_IDS, an inactive user that Procore ${shown}`, async t => {
    const service = await startService(t, { env: { PERMISSION_TEMPLATE_IDS: '27' } })
    if (isHidden) hideInactive(service)
    for (const { name, values, expected } of guardRows) {
      await t.test(name, async t => {
        const id = addInactive(service, values)
        t.match(await reactivate(service, id), expected)
        t.equal(isActive(service, id), expected.status === 200)
      })
    }
  })
}

t.test('with PERMISSION_TEMPLATE_IDS, a user that cannot be found first stays inactive', async t => {
  const service = await startService(t, { env: { PERMISSION_TEMPLATE_IDS: '27' } })
  const id = addInactive(service)
  hideInactive(service)
  const listed = { id, [template]: null, default_permission_template_id: null }
  const rows = [
    { name: 'a list with further pages', status: 200, body: '[]', headers: { total: '1001' }, expected: refused },
    {
      name: 'a list with a link to the next page',
      status: 200,
      body: '[]',
      headers: { link: '<https://x.invalid/?page=2>; rel="next"' },
      expected: refused,
    },
    { name: 'no list', status: 200, body: JSON.stringify(listed), headers: {}, expected: refused },
    { name: 'a list without templates', status: 200, body: JSON.stringify([{ id }]), headers: {}, expected: refused },
    {
      name: 'a whole list without the user',
      status: 200,
      body: JSON.stringify([{ ...listed, id: 1 }]),
      headers: {},
      expected: { status: 404, json: { code: 'procore_rejected', outcome: 'not_sent' } },
    },
    {
      name: 'a list that is refused',
      status: 403,
      body: '{}',
      headers: {},
      expected: { status: 403, json: { code: 'procore_rejected', outcome: 'not_sent' } },
    },
  ]
  for (const { name, status, body, headers, expected } of rows) {
    await t.test(name, async t => {
      const json = { 'content-type': 'application/json' }
      service.emulator.faults.add({
        kind: 'status', status, body, headers: { ...json, ...headers }, method: 'GET', path: '/inactive',
      })
      t.match(await reactivate(service, id), expected)
      t.equal(isActive(service, id), false)
    })
  }
  t.strictSame(service.emulator.apiRequests.filter(({ method }) => method !== 'GET'), [])
})
