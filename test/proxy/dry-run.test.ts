// Dry runs report the same errors as a create, in constant memory, without a request to Procore.
import t from 'tap'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { png } from '../helpers/images.ts'
import { avatarPart } from '../helpers/request-builders.ts'
import {
  boundary, multipartBody, multipartPart, jane, janeParts, streamChunks, send, sendMultipart, sendJson,
  type Body, type TestResponse,
} from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

t.test('a valid body is reported as valid, and nothing is created', async t => {
  const { usersUrl, emulator, lines } = await startService(t)
  const url = `${usersUrl}/validate`
  const idempotencyKey = { 'idempotency-key': 'a' }
  const californian = { ...jane, country_code: 'US', state_code: 'CA' }
  const largeForm = multipartBody([avatarPart(png(5_000_000)), ...janeParts])
  const rows: Array<{ name: string, validate: () => Promise<TestResponse> }> = [
    { name: 'JSON', validate: () => sendJson(url, { user: jane }) },
    {
      name: 'JSON with a query and an idempotency key',
      validate: () => sendJson(`${url}?run_configurable_validations=true`, { user: californian }, idempotencyKey),
    },
    {
      name: 'a buffered form',
      validate: () => sendMultipart(url, multipartBody([...janeParts, avatarPart(png(1000))])),
    },
    { name: 'a large form', validate: () => sendMultipart(url, largeForm) },
    {
      name: 'a large chunked form with an idempotency key',
      validate: () => sendMultipart(url, streamChunks(largeForm), idempotencyKey),
    },
  ]
  for (const { name, validate } of rows) {
    await t.test(`${name} is valid`, async t => {
      t.match(await validate(), {
        status: 200,
        text: '{"valid":true}',
        headers: {
          'content-type': 'application/json; charset=utf-8',
          'cache-control': 'no-store',
          'procore-request-id': undefined,
          'idempotency-replayed': undefined,
        },
      })
    })
  }
  t.equal(emulator.apiRequests.length, 0)
  t.strictSame(lines.filter(({ name }) => name === 'audit'), [], 'the audit log has no entry')
  const created = await sendJson(usersUrl, { user: jane }, idempotencyKey)
  t.equal(created.status, 201, 'the idempotency key is still free')
})

/** Returns the members that a dry run and a create share; only the create has an outcome. */
function comparableProblem ({ status, json: { request_id: _, outcome: __, ...problem } }: TestResponse) {
  return { status, problem }
}

t.test('an invalid body gets the same problem as from a create', async t => {
  const { usersUrl, emulator } = await startService(t, {
    env: { PERMISSION_TEMPLATE_IDS: '27', AVATAR_MAX_BYTES: '1000000', JSON_MAX_BYTES: '10000' },
  })
  const json = { 'content-type': 'application/json' }
  const multipart = { 'content-type': `multipart/form-data; boundary=${boundary}` }
  const largeAvatar = avatarPart(png(900_000))
  const rows: Array<{ name: string, body: Body, headers: Record<string, string>, query?: string }> = [
    {
      name: 'JSON with several errors',
      body: '{"user":{"last_name":"Doe","country_code":"US","state_code":"NSW","nickname":"J"}}',
      headers: json,
    },
    {
      name: 'an invalid query',
      body: '{"user":{"bid_contact":true}}',
      headers: json,
      query: '?x=1&run_configurable_validations=maybe',
    },
    { name: 'malformed JSON', body: '{', headers: json },
    { name: 'a JSON array', body: '[]', headers: json },
    { name: 'an empty JSON body', body: '', headers: json },
    { name: 'a JSON body over its limit', body: ' '.repeat(10_001), headers: json },
    {
      name: 'a permission template that is not allowed',
      body: JSON.stringify({ user: { ...jane, company_permission_template_id: 1 } }),
      headers: json,
    },
    { name: 'an avatar in JSON', body: JSON.stringify({ user: { ...jane, avatar: 'x' } }), headers: json },
    {
      name: 'an invalid idempotency key',
      body: JSON.stringify({ user: jane }),
      headers: { ...json, 'idempotency-key': 'a"b' },
    },
    { name: 'an unsupported media type', body: 'x', headers: { 'content-type': 'text/plain' } },
    { name: 'a truncated form', body: multipartBody(janeParts).subarray(0, -10), headers: multipart },
    { name: 'a form with repeated fields', body: multipartBody([...janeParts, ...janeParts]), headers: multipart },
    {
      name: 'an avatar that is not an image',
      body: multipartBody([...janeParts, avatarPart('<script>alert(1)</script>')]),
      headers: multipart,
    },
    { name: 'an empty avatar', body: multipartBody([...janeParts, avatarPart('')]), headers: multipart },
    {
      name: 'an avatar over its limit',
      body: multipartBody([...janeParts, avatarPart(png(1_000_001))]),
      headers: multipart,
    },
    {
      name: 'an invalid field after a large avatar',
      body: multipartBody([largeAvatar, { name: 'user[email_address]', data: 'x' }]),
      headers: multipart,
    },
    {
      name: 'a permission template that is not allowed after a large avatar',
      body: multipartBody([
        largeAvatar, ...janeParts, { name: 'user[default_permission_template_id]', data: '1' },
      ]),
      headers: multipart,
    },
    {
      name: 'a second avatar after a large one',
      body: multipartBody([...janeParts, largeAvatar, avatarPart(png(10))]),
      headers: multipart,
    },
  ]
  for (const { name, body, headers, query = '' } of rows) {
    await t.test(`${name} is reported by both`, async t => {
      const created = await send(usersUrl + query, { body, headers })
      const validated = await send(`${usersUrl}/validate${query}`, { body, headers })
      t.ok(validated.status >= 400 && validated.status < 500)
      t.strictSame(comparableProblem(validated), comparableProblem(created))
      t.notOk('outcome' in validated.json)
    })
  }
  t.equal(emulator.apiRequests.filter(({ complete }) => complete).length, 0)
  const invalidCompany = await sendJson(`${usersUrl.replace('/101/', '/x/')}/validate`, { user: jane })
  t.match(invalidCompany.json, { errors: [{ in: 'path', pointer: '/company_id' }] })
})

t.test('a dry run is authorized like a create, and works while Procore is down', async t => {
  const issuer = await startIssuer(t)
  const env = { ...issuer.env, JWT_COMPANIES_CLAIM: 'companies', JWT_SCOPE_PREFIX: 'p:' }
  const { usersUrl, emulator } = await startService(t, { env })
  const url = `${usersUrl}/validate`
  const validateWithClaims = async (claims: { companies: number, scope: string }) => {
    return sendJson(url, { user: jane }, bearerHeader(await issuer.sign({ ...claims })))
  }
  await emulator.close()
  const allowed = await validateWithClaims({ companies: 101, scope: 'p:validate-company-user' })
  t.equal(allowed.status, 200)
  const otherCompany = await validateWithClaims({ companies: 102, scope: 'p:validate-company-user' })
  t.match(otherCompany.json, { code: 'company_not_allowed' })
  const otherScope = await validateWithClaims({ companies: 101, scope: 'p:create-company-user' })
  t.match(otherScope.json, { code: 'operation_not_allowed' })
  const otherMethod = await send(url, { method: 'GET', headers: bearerHeader(await issuer.sign({})) })
  t.match(otherMethod, { status: 405, headers: { allow: 'POST' } })
})

t.test('a dry run of the largest form needs no more memory than one of a small form', async t => {
  const { usersUrl } = await startService(t, { env: { AVATAR_MAX_BYTES: '400000000' } })
  const chunk = Buffer.alloc(65_536, 7)
  let peakBytes = 0
  const largeForm = async function * (avatarBytes: number): AsyncGenerator<Buffer> {
    yield multipartPart({ name: 'user[avatar]', filename: 'a.gif', data: 'GIF89a' }).subarray(0, -2)
    for (let sent = 0; sent < avatarBytes; sent += chunk.length) {
      peakBytes = Math.max(peakBytes, process.memoryUsage().rss)
      yield chunk
    }
    yield Buffer.concat([Buffer.from('\r\n'), multipartBody(janeParts)])
  }
  t.equal((await sendMultipart(`${usersUrl}/validate`, largeForm(20_000_000))).status, 200)
  const peakBytesBefore = peakBytes
  t.equal((await sendMultipart(`${usersUrl}/validate`, largeForm(300_000_000))).status, 200)
  const growthBytes = peakBytes - peakBytesBefore
  // Garbage that V8 has not collected yet made 62 to 72 MB in some runs. A buffered form would need 300 MB.
  t.ok(growthBytes < 120_000_000, `the peak grew by ${Math.round(growthBytes / 1e6)} MB`)
})
