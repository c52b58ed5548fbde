// Validating: the same answer to a faulty body as the create's, in constant memory, and nothing that reaches Procore or uses anything up.
import t from 'tap'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { png } from '../helpers/images.ts'
import { boundary, multipartBody, multipartPart, jane, janeParts, streamChunks, send, sendMultipart, sendJson, type Body, type TestResponse } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const avatar = (data: Buffer | string, filename = 'a.png') => ({ name: 'user[avatar]', filename, data })

t.test('what is valid, by JSON and by form, held and streamed', async t => {
  const { usersUrl, emulator, lines } = await startService(t)
  for (const reply of [
    await sendJson(`${usersUrl}/validate`, { user: jane }),
    await sendJson(`${usersUrl}/validate?run_configurable_validations=true`, { user: { ...jane, country_code: 'US', state_code: 'CA' } }, { 'idempotency-key': 'a' }),
    await sendMultipart(`${usersUrl}/validate`, multipartBody([...janeParts, avatar(png(1000))])),
    await sendMultipart(`${usersUrl}/validate`, multipartBody([avatar(png(5_000_000)), ...janeParts])),
    await sendMultipart(`${usersUrl}/validate`, streamChunks(multipartBody([avatar(png(5_000_000)), ...janeParts])), { 'idempotency-key': 'a' }),
  ]) t.match(reply, { status: 200, text: '{"valid":true}', headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', 'procore-request-id': undefined, 'idempotency-replayed': undefined } })
  t.equal(emulator.apiRequests.length, 0)
  t.strictSame(lines.filter(({ name }) => name === 'audit'), [], 'nothing was made')
  t.equal((await sendJson(usersUrl, { user: jane }, { 'idempotency-key': 'a' })).status, 201, 'the key is still free')
})

/** What must be the same; the create also says what became of it. */
const answerOf = ({ status, json: { request_id: _, outcome: __, ...problem } }: TestResponse) => ({ status, problem })

t.test('what is not is told as the create tells it', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { PERMISSION_TEMPLATE_IDS: '27', AVATAR_MAX_BYTES: '1000000', JSON_MAX_BYTES: '10000' } })
  const json = { 'content-type': 'application/json' }
  const multipart = { 'content-type': `multipart/form-data; boundary=${boundary}` }
  const requests: Array<[body: Body, headers: Record<string, string>, query?: string]> = [
    ['{"user":{"last_name":"Doe","country_code":"US","state_code":"NSW","nickname":"J"}}', json],
    ['{"user":{"bid_contact":true}}', json, '?x=1&run_configurable_validations=maybe'],
    ['{', json], ['[]', json], ['', json], [' '.repeat(10_001), json],
    [JSON.stringify({ user: { ...jane, company_permission_template_id: 1 } }), json],
    [JSON.stringify({ user: { ...jane, avatar: 'x' } }), json],
    [JSON.stringify({ user: jane }), { ...json, 'idempotency-key': 'a"b' }],
    ['x', { 'content-type': 'text/plain' }],
    [multipartBody(janeParts).subarray(0, -10), multipart],
    [multipartBody([...janeParts, ...janeParts]), multipart],
    [multipartBody([...janeParts, avatar('<script>alert(1)</script>')]), multipart],
    [multipartBody([...janeParts, avatar('')]), multipart],
    [multipartBody([...janeParts, avatar(png(1_000_001))]), multipart],
    [multipartBody([avatar(png(900_000)), { name: 'user[email_address]', data: 'x' }]), multipart],
    [multipartBody([avatar(png(900_000)), ...janeParts, { name: 'user[default_permission_template_id]', data: '1' }]), multipart],
    [multipartBody([...janeParts, avatar(png(900_000)), avatar(png(10))]), multipart],
  ]
  for (const [body, headers, query = ''] of requests) {
    const [created, validated] = [await send(usersUrl + query, { body, headers }), await send(`${usersUrl}/validate${query}`, { body, headers })]
    t.ok(validated.status >= 400 && validated.status < 500)
    t.strictSame(answerOf(validated), answerOf(created), `${String(body).slice(0, 60)} ${headers['content-type'] ?? ''}`)
    t.notOk('outcome' in validated.json)
  }
  t.equal(emulator.apiRequests.filter(({ complete }) => complete).length, 0)
  t.match((await sendJson(usersUrl.replace('101', 'x') + '/validate', { user: jane })).json, { errors: [{ in: 'path', pointer: '/company_id' }] })
})

t.test('companies and scopes count; Procore may be away', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl, emulator } = await startService(t, { env: { ...issuer.env, JWT_COMPANIES_CLAIM: 'companies', JWT_SCOPE_PREFIX: 'p:' } })
  const validate = async (claims: object) => sendJson(`${usersUrl}/validate`, { user: jane }, bearerHeader(await issuer.sign({ ...claims })))
  await emulator.close()
  t.equal((await validate({ companies: 101, scope: 'p:validate-company-user' })).status, 200)
  t.match((await validate({ companies: 102, scope: 'p:validate-company-user' })).json, { code: 'company_not_allowed' })
  t.match((await validate({ companies: 101, scope: 'p:create-company-user' })).json, { code: 'operation_not_allowed' })
  t.match(await send(`${usersUrl}/validate`, { method: 'GET', headers: bearerHeader(await issuer.sign({})) }), { status: 405, headers: { allow: 'POST' } })
})

t.test('the largest form takes no more memory than a small one', async t => {
  const { usersUrl } = await startService(t, { env: { AVATAR_MAX_BYTES: '400000000' } })
  const piece = Buffer.alloc(65_536, 7)
  let most = 0
  const large = async function * (bytes: number): AsyncGenerator<Buffer> {
    yield multipartPart({ name: 'user[avatar]', filename: 'a.gif', data: 'GIF89a' }).subarray(0, -2)
    for (let sent = 0; sent < bytes; sent += piece.length) {
      most = Math.max(most, process.memoryUsage().rss)
      yield piece
    }
    yield Buffer.concat([Buffer.from('\r\n'), multipartBody(janeParts)])
  }
  t.equal((await sendMultipart(`${usersUrl}/validate`, large(20_000_000))).status, 200)
  const before = most
  t.equal((await sendMultipart(`${usersUrl}/validate`, large(300_000_000))).status, 200)
  t.ok(most - before < 60_000_000, `${Math.round((most - before) / 1e6)} MB more`)
})
