// What a caller may address, do and give: judged before the body is read, and whatever a claim holds.
import t from 'tap'
import { parseCompaniesClaim, parseScopeClaim } from '../../src/auth/jwt.ts'
import { png } from '../helpers/images.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { summarizeErrors, multipartBody, jane, janeParts, RawConnection, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

t.test('companies of a claim: numbers, numeric strings, lists, and nothing of what else a claim can be', async t => {
  for (const claim of [101, '101', [101], ['101'], '101 102', '101,102', ' 101, 102 ', ['101', 102, null, {}]]) t.ok(parseCompaniesClaim(claim).has(101), JSON.stringify(claim))
  for (const claim of [undefined, null, true, {}, { toString: '101' }, [[101]], [{ toString: () => '101' }], '1e2', '0x65', '101.5', 101.5, -101, '-101', 0, '*', '', 2 ** 53, '99999999999999999999', NaN]) {
    t.notOk(parseCompaniesClaim(claim).has(101), String(JSON.stringify(claim)))
  }
  t.strictSame([...parseScopeClaim('a b  c')], ['a', 'b', 'c'])
  t.strictSame([...parseScopeClaim(['a', 1, ''])], ['a'])
  t.strictSame([...parseScopeClaim({ a: 1 })], [])
})

t.test('the companies of the service and of the caller both count, and cost Procore nothing', async t => {
  const issuer = await startIssuer(t)
  const { url, port, emulator } = await startService(t, { env: { ...issuer.env, PROCORE_COMPANY_IDS: '101,102', JWT_COMPANIES_CLAIM: 'companies' } })
  const create = async (company: number | string, claims: object) => sendJson(`${url}/companies/${company}/users`, { user: jane }, bearerHeader(await issuer.sign({ ...claims })))
  t.equal((await create(101, { companies: [101, 999] })).status, 201)
  for (const [company, claims] of [[102, { companies: [101] }], [999, { companies: [999] }], [101, {}], [101, { companies: { toString: '101' } }], ['0102', { companies: 101 }]] as const) {
    t.match((await create(company, claims)).json, { status: 403, code: 'company_not_allowed' }, JSON.stringify([company, claims]))
  }
  t.strictSame(summarizeErrors(await create('abc', { companies: 101 })), ['path /company_id type'], 'what is no id is no company')
  t.equal(emulator.apiRequests.length, 1)

  const asking = new RawConnection(port)
  asking.write(`POST /companies/102/users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${await issuer.sign({ companies: 101 })}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n`)
  t.match(await asking.readToEnd(), /^HTTP\/1\.1 403 /, 'without a 100 before')
})

t.test('operations by scope', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl } = await startService(t, { env: { ...issuer.env, JWT_SCOPE_PREFIX: 'procore:' } })
  const create = async (claims: object) => sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign({ ...claims })))
  for (const claims of [{}, { scope: 'procore:create-company-users' }, { scope: 'create-company-user' }, { scope: { 'procore:create-company-user': 1 } }]) {
    const reply = await create(claims)
    t.match(reply.json, { status: 403, code: 'operation_not_allowed' })
    t.equal(reply.headers['www-authenticate'], 'Bearer error="insufficient_scope", scope="procore:create-company-user"')
  }
  t.equal((await create({ scope: 'openid procore:create-company-user' })).status, 201)
})

t.test('permission templates: what callers may not give is refused wherever it stands in a form, once there is nothing to mend', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { PERMISSION_TEMPLATE_IDS: '27,28' } })
  for (const field of ['default_permission_template_id', 'company_permission_template_id']) {
    t.match((await sendJson(usersUrl, { user: { ...jane, [field]: 1 } })).json, { status: 403, code: 'template_not_allowed', detail: `user[${field}] is not a permission template that callers may assign.` })
    const part = { name: `user[${field}]`, data: '1' }
    t.match((await sendMultipart(usersUrl, multipartBody([part, ...janeParts]))).json, { code: 'template_not_allowed' })
    const avatar = { name: 'user[avatar]', filename: 'a.png', data: png(1_000_000) }
    t.equal((await sendMultipart(usersUrl, multipartBody([part, avatar, ...janeParts]))).status, 403)
    t.match((await sendMultipart(usersUrl, multipartBody([avatar, ...janeParts, part]))).json, { code: 'template_not_allowed', outcome: 'not_sent' })
  }
  t.strictSame(summarizeErrors(await sendJson(usersUrl, { user: { company_permission_template_id: 1, last_name: 'Doe' } })), ['body /user/email_address required'])
  t.equal(emulator.apiRequests.filter(({ complete }) => complete).length, 0)
  t.equal((await sendJson(usersUrl, { user: { ...jane, default_permission_template_id: 27, company_permission_template_id: 28 } })).status, 201)
})
