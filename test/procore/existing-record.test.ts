// A create that Procore rejects because the person exists already reports the id and the state of that person.
import t, { type Test } from 'tap'
import { png } from '../helpers/images.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { parseSamples } from '../helpers/prometheus-samples.ts'
import { startRedis } from '../helpers/redis.ts'
import { get } from '../helpers/request-builders.ts'
import {
  jane, janeParts, multipartBody, RawConnection, sendJson, sendMultipart, type TestResponse,
} from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { skipWithoutRedis as skip } from '../helpers/skip-without-redis.ts'
import { waitUntil } from '../helpers/wait-until.ts'

t.jobs = 3

const longAgo = new Date('2026-01-01T00:00:00Z')
const json = { 'content-type': 'application/json' }
const inactivePath = '/rest/v1.0/companies/101/users/inactive'
const bySearch = 'filters[search]=jane.doe@example.com&per_page=1000'

function addUser ({ emulator }: Service, values: Record<string, unknown> = {}): number {
  return emulator.api.directory.add(101, { values: { ...jane, ...values } }, longAgo).id
}

const create = ({ usersUrl }: Service, values: object = {}, headers: Record<string, string> = {}) =>
  sendJson(usersUrl, { user: { ...jane, ...values } }, headers)

const readPaths = ({ emulator }: Service) =>
  emulator.apiRequests.filter(({ method }) => method === 'GET').map(({ path }) => decodeURIComponent(path))

const getExisting = ({ json }: TestResponse) => json['existing']

/** Makes Procore reject the next create with this response. */
function reject ({ emulator }: Service, status: number, body: unknown): void {
  emulator.faults.add({ kind: 'status', status, headers: json, body: JSON.stringify(body), method: 'POST' })
}

for (const takenEmail of [409, 422] as const) {
  for (const isActive of [true, false]) {
    const state = isActive ? 'active' : 'inactive'
    t.test(`a create whose address an ${state} user has, rejected with ${takenEmail}, reports that user`, async t => {
      const service = await startService(t, { emulator: { takenEmail } })
      const id = addUser(service, { is_active: isActive, notes: 'private', mobile_phone: '1-555-555-1234' })
      const rejected = {
        status: takenEmail,
        headers: { 'content-type': /problem\+json/ },
        json: { code: 'procore_rejected', outcome: 'rejected', existing: { id, is_active: isActive } },
      }
      const activePath = '/rest/v1.3/companies/101/users'
      const paths = isActive ? [activePath] : [activePath, inactivePath]
      const avatar = { name: 'user[avatar]', filename: 'a', data: png(500_000) }
      const requests: Array<[string, () => Promise<TestResponse>]> = [
        ['by JSON', () => create(service)],
        ['by a form', () => sendMultipart(service.usersUrl, multipartBody(janeParts))],
        ['by a streamed form', () => sendMultipart(service.usersUrl, multipartBody([...janeParts, avatar]))],
      ]
      for (const [name, send] of requests) {
        await t.test(name, async t => {
          service.emulator.recorder.requests = []
          const response = await send()
          t.match(response, rejected)
          t.strictSame(getExisting(response), { id, is_active: isActive }, 'and nothing else of the user')
          t.strictSame(readPaths(service), paths.map(path => `${path}?${bySearch}`))
          t.notMatch(response.text, /private|1-555/)
        })
      }
      t.notMatch(JSON.stringify(service.lines), /jane|example\.com|Doe/i)
    })
  }
}

const taken = 'has already been taken'
const messageRows: Array<{ status: number, body: unknown, isReported: boolean }> = [
  { status: 409, body: { message: 'The user email address already exists for this company.' }, isReported: true },
  { status: 409, body: { code: 409, message: taken, fields: 'email_address', error: null }, isReported: true },
  { status: 422, body: { errors: { base: [`Email ${taken}`] } }, isReported: true },
  { status: 422, body: { errors: { user: { email_address: [taken] } } }, isReported: true },
  { status: 422, body: { errors: { 'user[email_address]': ['must be unique'] } }, isReported: true },
  { status: 422, body: { errors: [`E-mail address ${taken}`] }, isReported: true },
  { status: 422, body: { error: { details: [{ message: taken, source: 'email_address' }] } }, isReported: true },
  { status: 409, body: { message: 'The company is being changed. Try again.' }, isReported: false },
  { status: 409, body: { message: taken }, isReported: false },
  { status: 409, body: '', isReported: false },
  { status: 422, body: { errors: { email_address: ['is invalid'] } }, isReported: false },
  { status: 422, body: { errors: { employee_id: [taken] } }, isReported: false },
  { status: 422, body: { errors: { vendor_id: ['The e-mail of this vendor already exists.'] } }, isReported: false },
  { status: 422, body: { errors: { origin_id: [taken] } }, isReported: false },
  { status: 400, body: { errors: { email_address: [taken] } }, isReported: false },
]
t.test('the person is looked up only if Procore says that the address or the origin_id is taken', async t => {
  const service = await startService(t)
  const id = addUser(service)
  for (const { status, body, isReported } of messageRows) {
    await t.test(`${status} ${JSON.stringify(body)}: ${isReported ? 'looked up' : 'not looked up'}`, async t => {
      service.emulator.recorder.requests = []
      reject(service, status, body)
      const response = await create(service)
      t.equal(response.status, status)
      t.strictSame(getExisting(response), isReported ? { id, is_active: true } : undefined)
      t.equal(readPaths(service).length, isReported ? 1 : 0)
    })
  }
})

t.test('addresses are compared as mail systems do, and a part of an address is not the address', async t => {
  const service = await startService(t)
  const id = addUser(service)
  addUser(service, { email_address: `x${jane.email_address}` })
  t.strictSame(getExisting(await create(service, { email_address: 'Jane.Doe@EXAMPLE.com' })), { id, is_active: true })
  reject(service, 422, { errors: { email_address: [taken] } })
  t.equal(getExisting(await create(service, { email_address: 'doe@example.com' })), undefined)
})

t.test('a create whose origin_id is taken reports the user who has it', async t => {
  const service = await startService(t)
  const other = addUser(service, { email_address: 'a@example.com', origin_id: 'hr-7' })
  const inactive = addUser(service, { email_address: 'b@example.com', origin_id: 'hr-8', is_active: false })
  const both = addUser(service, { email_address: 'c@example.com', origin_id: 'hr-9' })
  const rows = [
    { user: { origin_id: 'hr-7' }, existing: { id: other, is_active: true } },
    { user: { origin_id: 'hr-8' }, existing: { id: inactive, is_active: false } },
    { user: { origin_id: 'hr-9', email_address: 'c@example.com' }, existing: { id: both, is_active: true } },
    // Two users have the two values: neither is the one that exists already.
    { user: { origin_id: 'hr-7', email_address: 'c@example.com' }, existing: undefined },
  ]
  for (const { user, existing } of rows) {
    await t.test(`${JSON.stringify(user)}: ${JSON.stringify(existing)}`, async t => {
      service.emulator.recorder.requests = []
      const response = await create(service, user)
      t.equal(response.status, 422)
      t.strictSame(getExisting(response), existing)
      const field = 'email_address' in user ? 'filters[search]' : 'filters[origin_id]'
      t.ok(readPaths(service).every(path => path.includes(field)))
    })
  }
})

const listed = { id: 7, email_address: jane.email_address, is_active: true }
const doubtRows = [
  { name: 'has no such user', status: 200, list: [], headers: {} },
  { name: 'has two users with the address', status: 200, list: [listed, { ...listed, id: 8 }], headers: {} },
  ...[null, '7', 0, 7.5, 2 ** 53].map(id => ({
    name: `has ${JSON.stringify(id)} as its id`, status: 200, list: [{ ...listed, id }], headers: {},
  })),
  ...[[jane.email_address], { toString: 1 }, { valueOf: 1, toJSON: 1 }].map(address => ({
    name: `has ${JSON.stringify(address)} as the address`,
    status: 200,
    list: [{ ...listed, email_address: address }],
    headers: {},
  })),
  { name: 'has more items', status: 200, list: [listed], headers: { total: '2' } },
  { name: 'has more pages', status: 200, list: [listed], headers: { link: '<https://x.invalid/2>; rel="next"' } },
  { name: 'is not a list', status: 200, list: listed, headers: {} },
  { name: 'is refused', status: 403, list: {}, headers: {} },
  { name: 'cannot be read', status: 500, list: {}, headers: {} },
]
for (const path of ['/v1.3/', '/inactive']) {
  t.test(`the person is left out if the list of ${path === '/inactive' ? 'inactive' : 'active'} users`, async t => {
    const service = await startService(t)
    for (const { name, status, list, headers } of doubtRows) {
      await t.test(name, async t => {
        reject(service, 422, { errors: { email_address: [taken] } })
        const body = JSON.stringify(list)
        service.emulator.faults.add({
          kind: 'status', status, headers: { ...json, ...headers }, body, method: 'GET', path,
        })
        const response = await create(service)
        t.match(response, { status: 422, json: { code: 'procore_rejected', outcome: 'rejected' } })
        t.equal(getExisting(response), undefined)
      })
    }
  })
}

for (const isActive of [true, false]) {
  const state = isActive ? 'active' : 'inactive'
  t.test(`a user without a state in the list of ${state} users is ${state}`, async t => {
    const service = await startService(t)
    const id = addUser(service, { is_active: isActive })
    const path = isActive ? '/v1.3/' : '/inactive'
    const body = JSON.stringify([{ ...listed, id, is_active: undefined }])
    service.emulator.faults.add({ kind: 'status', status: 200, headers: json, body, method: 'GET', path })
    t.strictSame(getExisting(await create(service)), { id, is_active: isActive })
  })
}

const refusalRows = [
  { name: 'refuses the access token', status: 401, headers: {} },
  { name: 'is throttled', status: 429, headers: { 'retry-after': '0' } },
]
for (const { name, status, headers } of refusalRows) {
  t.test(`a list that ${name} is not requested again`, async t => {
    const service = await startService(t)
    addUser(service, { is_active: false })
    service.emulator.faults.add({ kind: 'status', status, headers, body: '{}', method: 'GET', path: '/inactive' })
    const response = await create(service)
    t.match(response, { status: 422, json: { outcome: 'rejected' } })
    t.equal(getExisting(response), undefined)
    t.equal(readPaths(service).length, 2, 'one request for each list')
  })
}

t.test('a list that does not arrive in time delays the rejection, but does not change it', async t => {
  const service = await startService(t)
  addUser(service)
  service.emulator.faults.add({ kind: 'silence', method: 'GET' })
  const response = await create(service)
  t.match(response, { status: 422, json: { outcome: 'rejected' } })
  t.equal(getExisting(response), undefined)
})

t.test('what is reserved of the rate limit for changes is not used for a lookup', async t => {
  const service = await startService(t, { emulator: { rateLimit: 5, rateWindowSeconds: 60 } })
  for (const name of ['a', 'b', 'c']) {
    t.equal((await create(service, { email_address: `${name}@example.com` })).status, 201)
  }
  const response = await create(service, { email_address: 'a@example.com' })
  t.match(response, { status: 422, json: { outcome: 'rejected' } })
  t.equal(getExisting(response), undefined)
  t.strictSame(readPaths(service), [])
  t.equal((await create(service)).status, 201)
})

t.test('where scopes are checked, only a caller that may show users learns who exists', async t => {
  const issuer = await startIssuer(t)
  const rows = [
    { name: 'without the scope of showing a user it does not', prefix: 'p:', scope: '', isShown: false },
    { name: 'with the scope of showing a user it does', prefix: 'p:', scope: 'p:show-company-user', isShown: true },
    { name: 'where scopes are not checked it does', prefix: '', scope: '', isShown: true },
  ]
  for (const { name, prefix, scope, isShown } of rows) {
    await t.test(name, async t => {
      const service = await startService(t, { env: { ...issuer.env, JWT_SCOPE_PREFIX: prefix } })
      const id = addUser(service)
      const bearer = bearerHeader(await issuer.sign({ scope: `p:create-company-user ${scope}` }))
      const response = await create(service, {}, bearer)
      t.equal(response.status, 422)
      t.strictSame(getExisting(response), isShown ? { id, is_active: true } : undefined)
      t.equal(readPaths(service).length, isShown ? 1 : 0)
    })
  }
})

/** Creates the same user three times with one idempotency key, and with different scopes. */
async function assertReplays (t: Test, redisUrl: string): Promise<void> {
  const issuer = await startIssuer(t)
  const env = { ...issuer.env, JWT_SCOPE_PREFIX: 'p:', REDIS_URL: redisUrl }
  const service = await startService(t, { env })
  const id = addUser(service, { is_active: false })
  const rows = [
    { scope: 'p:show-company-user', isReplayed: false, existing: { id, is_active: false } },
    { scope: '', isReplayed: true, existing: undefined },
    { scope: 'p:show-company-user', isReplayed: true, existing: { id, is_active: false } },
  ]
  for (const { scope, isReplayed, existing } of rows) {
    const bearer = bearerHeader(await issuer.sign({ scope: `p:create-company-user ${scope}` }))
    const response = await create(service, {}, { ...bearer, 'idempotency-key': 'a' })
    t.equal(response.headers['idempotency-replayed'] === 'true', isReplayed)
    t.match(response.json, { code: 'procore_rejected', errors: [{ field: 'user[email_address]' }] })
    t.strictSame(getExisting(response), existing)
  }
  t.equal(service.emulator.apiRequests.length, 3, 'one create and two lists')
}

t.test('a replay reports the person if this token may show users', t => assertReplays(t, ''))

t.test('a replay from Redis reports the person if this token may show users', { skip }, async t => {
  await assertReplays(t, (await startRedis(t)).url)
})

t.test('no list is read for a caller that has left', async t => {
  const service = await startService(t)
  addUser(service)
  service.emulator.faults.add({ kind: 'delay', delayMs: 500, method: 'POST' })
  const body = JSON.stringify({ user: jane })
  const caller = new RawConnection(service.port)
  const head = `host: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`
  caller.write(`POST /companies/101/users HTTP/1.1\r\n${head}\r\n\r\n${body}`)
  await waitUntil(() => service.emulator.apiRequests.some(({ complete }) => complete))
  caller.socket.resetAndDestroy()
  const requestLines = () => service.lines.filter(({ msg }) => msg === 'request')
  await waitUntil(() => requestLines().length > 0)
  t.match(requestLines(), [{ status: 499, code: 'procore_rejected', outcome: 'rejected' }])
  t.strictSame(readPaths(service), [])
})

t.test('the lists that were read are counted as lookups, in the access log and in the metrics', async t => {
  const service = await startService(t, { env: { LOG_LEVEL: 'info' } })
  addUser(service, { is_active: false })
  await create(service)
  t.match(service.lines.find(({ msg }) => msg === 'request'), { status: 422, lookupCount: 2 })
  const samples = parseSamples((await get(`${service.url}/metrics`)).text)
  t.equal(samples.find(({ name }) => name === 'procore_bff_lookups_total')?.value, 2)
})
