// Authorization of companies, operations and permission templates.
import t from 'tap'
import { parseCompaniesClaim, parseScopeClaim } from '../../src/auth/jwt.ts'
import { png } from '../helpers/images.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { requestHead } from '../helpers/request-head.ts'
import {
  summarizeErrors, multipartBody, jane, janeParts, RawConnection, sendMultipart, sendJson,
} from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

t.test('a companies claim', async t => {
  for (const claim of [101, '101', [101], ['101'], '101 102', '101,102', ' 101, 102 ', ['101', 102, null, {}]]) {
    t.test(`${JSON.stringify(claim)} allows company 101`, async t => {
      t.ok(parseCompaniesClaim(claim).has(101))
    })
  }
  const rejected: unknown[] = [
    undefined, null, true, {}, { toString: '101' }, [[101]], [{ toString: () => '101' }], '1e2', '0x65', '101.5', 101.5,
    -101, '-101', 0, '*', '', 2 ** 53, '99999999999999999999', NaN,
  ]
  for (const [index, claim] of rejected.entries()) {
    t.test(`${String(JSON.stringify(claim))} (${index}) does not allow company 101`, async t => {
      t.notOk(parseCompaniesClaim(claim).has(101))
    })
  }
})

t.test('a scope claim', async t => {
  const rows = [
    { name: 'a string with spaces', claim: 'a b  c', expected: ['a', 'b', 'c'] },
    { name: 'a list keeps its non-empty strings', claim: ['a', 1, ''], expected: ['a'] },
    { name: 'an object allows nothing', claim: { a: 1 }, expected: [] },
  ]
  for (const { name, claim, expected } of rows) {
    t.test(name, async t => {
      t.strictSame([...parseScopeClaim(claim)], expected)
    })
  }
})

t.test('a company must be allowed for the service and for the caller; a rejection does not reach Procore', async t => {
  const issuer = await startIssuer(t)
  const { url, port, emulator } = await startService(t, {
    env: { ...issuer.env, PROCORE_COMPANY_IDS: '101,102', JWT_COMPANIES_CLAIM: 'companies' },
  })
  const create = async (company: number | string, claims: object) => {
    const headers = bearerHeader(await issuer.sign({ ...claims }))
    return sendJson(`${url}/companies/${company}/users`, { user: jane }, headers)
  }
  t.equal((await create(101, { companies: [101, 999] })).status, 201)
  const rows = [
    { name: 'not allowed for the caller', company: 102, claims: { companies: [101] } },
    { name: 'not allowed for the service', company: 999, claims: { companies: [999] } },
    { name: 'no claim', company: 101, claims: {} },
    { name: 'an object as claim', company: 101, claims: { companies: { toString: '101' } } },
    { name: 'a leading zero', company: '0102', claims: { companies: 101 } },
  ]
  for (const { name, company, claims } of rows) {
    await t.test(`${name}: company_not_allowed`, async t => {
      t.match((await create(company, claims)).json, { status: 403, code: 'company_not_allowed' })
    })
  }
  await t.test('an invalid id is a validation error', async t => {
    t.strictSame(summarizeErrors(await create('abc', { companies: 101 })), ['path /company_id type'])
  })
  await t.test('100 Continue is not sent before the rejection', async t => {
    const caller = new RawConnection(port)
    caller.write(requestHead('/companies/102/users', {
      authorization: `Bearer ${await issuer.sign({ companies: 101 })}`,
      'content-type': 'application/json',
      expect: '100-continue',
      'content-length': 10,
    }))
    t.match(await caller.readToEnd(), /^HTTP\/1\.1 403 /)
  })
  t.equal(emulator.apiRequests.length, 1)
})

t.test('an operation needs its scope', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl } = await startService(t, { env: { ...issuer.env, JWT_SCOPE_PREFIX: 'procore:' } })
  const create = async (claims: object) =>
    sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign({ ...claims })))
  const rows = [
    { name: 'no scope', claims: {} },
    { name: 'another operation', claims: { scope: 'procore:create-company-users' } },
    { name: 'no prefix', claims: { scope: 'create-company-user' } },
    { name: 'an object', claims: { scope: { 'procore:create-company-user': 1 } } },
  ]
  for (const { name, claims } of rows) {
    await t.test(`${name}: operation_not_allowed`, async t => {
      const response = await create(claims)
      t.match(response.json, { status: 403, code: 'operation_not_allowed' })
      const challenge = 'Bearer error="insufficient_scope", scope="procore:create-company-user"'
      t.equal(response.headers['www-authenticate'], challenge)
    })
  }
  await t.test('the scope among others is accepted', async t => {
    t.equal((await create({ scope: 'openid procore:create-company-user' })).status, 201)
  })
})

t.test('a permission template that callers may not assign', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { PERMISSION_TEMPLATE_IDS: '27,28' } })
  const avatar = { name: 'user[avatar]', filename: 'a.png', data: png(1_000_000) }
  for (const field of ['default_permission_template_id', 'company_permission_template_id']) {
    const part = { name: `user[${field}]`, data: '1' }
    await t.test(`${field} in JSON is rejected`, async t => {
      t.match((await sendJson(usersUrl, { user: { ...jane, [field]: 1 } })).json, {
        status: 403,
        code: 'template_not_allowed',
        detail: `user[${field}] is not a permission template that callers may assign.`,
      })
    })
    await t.test(`${field} in a form without an avatar is rejected`, async t => {
      const response = await sendMultipart(usersUrl, multipartBody([part, ...janeParts]))
      t.match(response.json, { code: 'template_not_allowed' })
    })
    await t.test(`${field} before the avatar is rejected`, async t => {
      const response = await sendMultipart(usersUrl, multipartBody([part, avatar, ...janeParts]))
      t.equal(response.status, 403)
    })
    await t.test(`${field} after the avatar is rejected as not_sent`, async t => {
      const response = await sendMultipart(usersUrl, multipartBody([avatar, ...janeParts, part]))
      t.match(response.json, { code: 'template_not_allowed', outcome: 'not_sent' })
    })
  }
  await t.test('validation errors are reported first', async t => {
    const user = { company_permission_template_id: 1, last_name: 'Doe' }
    t.strictSame(summarizeErrors(await sendJson(usersUrl, { user })), ['body /user/email_address required'])
  })
  t.equal(emulator.apiRequests.filter(({ complete }) => complete).length, 0)
  await t.test('allowed templates are accepted', async t => {
    const user = { ...jane, default_permission_template_id: 27, company_permission_template_id: 28 }
    t.equal((await sendJson(usersUrl, { user })).status, 201)
  })
})
