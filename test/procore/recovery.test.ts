// Tests the lookup for a create whose response was lost: it is recovered if the record is found, and unknown in doubt.
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { RecentCreates } from '../../src/procore/recovery/recent-creates.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, jane, janeParts, RawConnection, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// The tests spend most of their time waiting for time limits that cannot be configured.
t.jobs = 4

const notFound = { outcome: 'unknown', lookup: 'not_found', detail: /found no matching record in Procore\.$/ }
const ambiguous = { outcome: 'unknown', lookup: 'ambiguous', detail: /cannot be attributed to this request\.$/ }
const inconclusive = {
  outcome: 'unknown',
  lookup: 'inconclusive',
  detail: /lookup in Procore failed, so the outcome could not be determined\.$/,
}

function lookupPaths ({ apiRequests }: { apiRequests: Array<{ method: string, path: string }> }): string[] {
  return apiRequests.filter(({ method }) => method === 'GET').map(({ path }) => decodeURIComponent(path))
}

const search = 'filters[search]=jane.doe@example.com'
const activeUsersPath = `/rest/v1.3/companies/101/users?${search}`
const inactiveUsersPath = `/rest/v1.0/companies/101/users/inactive?${search}`

t.test('a record among the active users is returned as Procore lists it', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-after-body' })
  const user = { ...jane, vendor_id: 7, is_employee: true, notes: '', bid_contact: true }
  t.match(await sendJson(usersUrl, { user }), {
    status: 201,
    headers: { 'x-outcome': 'recovered', 'cache-control': 'no-store', 'content-type': /^application\/json/ },
    json: { id: Number, email_address: jane.email_address },
  })
  t.strictSame(lookupPaths(emulator), [activeUsersPath])
  t.equal(emulator.api.directory.users.size, 1)
})

t.test('a list whose values are not text does not end the lookup', async t => {
  const { usersUrl, emulator } = await startService(t)
  const addresses = [{ toString: 1 }, [jane.email_address]]
  const body = JSON.stringify(addresses.map((address, id) => ({ id, email_address: address })))
  emulator.faults.add({ kind: 'reset-before-body', method: 'POST' })
  const headers = { 'content-type': 'application/json' }
  emulator.faults.add({ kind: 'status', status: 200, headers, body, method: 'GET', path: '/v1.3/' })
  t.match((await sendJson(usersUrl, { user: jane })).json, notFound)
  t.strictSame(lookupPaths(emulator), [activeUsersPath, inactiveUsersPath])
})

t.test('a record among the inactive users is found after the active users were searched', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-after-body' })
  const form = multipartBody([
    ...janeParts,
    { name: 'user[is_active]', data: 'false' },
    { name: 'user[avatar]', filename: 'a', data: png(500_000) },
  ])
  t.match(await sendMultipart(usersUrl, form), { status: 201, headers: { 'x-outcome': 'recovered' } })
  t.strictSame(lookupPaths(emulator), [activeUsersPath, inactiveUsersPath])
})

t.test('a record is found on Procore\'s clock', async t => {
  for (const clockSkewSeconds of [7200, -7200]) {
    await t.test(`with a clock skew of ${clockSkewSeconds} s`, async t => {
      const { usersUrl, emulator } = await startService(t, { emulator: { clockSkewSeconds } })
      emulator.faults.add({ kind: 'truncate' })
      t.equal((await sendJson(usersUrl, { user: jane })).headers['x-outcome'], 'recovered')
    })
  }
})

t.test('without a record the outcome stays unknown, and the problem says that the lookup found none', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-before-body' })
  const { json, text } = await sendJson(usersUrl, { user: jane })
  t.match(json, { status: 502, code: 'procore_unreachable', ...notFound })
  t.notMatch(text, /jane|sentAt/)
  t.equal(lookupPaths(emulator).length, 2)
})

t.test('an older user, a user with another listed field, and a partial match are not recovered', async t => {
  const { usersUrl, emulator } = await startService(t)
  const older = emulator.api.directory.add(101, { values: { ...jane } }, new Date(Date.now() - 10_000))
  emulator.faults.add({ kind: 'reset-before-body' })
  t.match((await sendJson(usersUrl, { user: jane })).json, ambiguous)
  emulator.api.directory.users.delete(older.id)
  emulator.api.directory.add(101, { values: { ...jane, job_title: 'Another' } }, new Date(Date.now() + 1000))
  emulator.faults.add({ kind: 'reset-before-body' })
  const otherTitle = await sendJson(usersUrl, { user: { ...jane, job_title: 'Mine' } })
  t.match(otherTitle.json, ambiguous)
  emulator.faults.add({ kind: 'reset-before-body' })
  const partialMatch = await sendJson(usersUrl, { user: { ...jane, email_address: 'ane.doe@example.com' } })
  t.match(partialMatch.json, notFound, 'the search also finds parts of words')
})

const originFilter = 'filters[origin_id]=hr-7'
const withOriginId = { user: { ...jane, origin_id: 'hr-7' } }

t.test('a create with an origin_id is looked up by it first', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-after-body' })
  const recovered = { status: 201, headers: { 'x-outcome': 'recovered' }, json: { origin_id: 'hr-7' } }
  t.match(await sendJson(usersUrl, withOriginId), recovered)
  t.strictSame(lookupPaths(emulator), [activeUsersPath.replace(search, originFilter)])
})

t.test('an inactive user with an origin_id is found before lists are searched by e-mail', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-after-body' })
  const form = multipartBody([
    ...janeParts,
    { name: 'user[avatar]', filename: 'a', data: png(500_000) },
    { name: 'user[is_active]', data: 'false' },
    { name: 'user[origin_id]', data: 'hr-7' },
  ])
  t.match(await sendMultipart(usersUrl, form), { status: 201, headers: { 'x-outcome': 'recovered' } })
  const paths = [activeUsersPath, inactiveUsersPath].map(path => path.replace(search, originFilter))
  t.strictSame(lookupPaths(emulator), paths)
})

t.test('if no user has the origin_id, lists are searched by e-mail', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-before-body' })
  t.match((await sendJson(usersUrl, withOriginId)).json, notFound)
  const paths = [activeUsersPath, inactiveUsersPath]
  t.strictSame(lookupPaths(emulator), [...paths.map(path => path.replace(search, originFilter)), ...paths])
})

t.test('a blank origin_id is not searched by', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-after-body' })
  const response = await sendJson(usersUrl, { user: { ...jane, origin_id: ' ' } })
  t.match(response, { status: 201, headers: { 'x-outcome': 'recovered' } })
  t.strictSame(lookupPaths(emulator), [activeUsersPath])
})

const others: Array<{ name: string, stored: object, createdAfterMs: number }> = [
  { name: 'is older', stored: { origin_id: 'hr-7' }, createdAfterMs: -10_000 },
  { name: 'has another e-mail address', stored: { origin_id: 'hr-7', email_address: 'b@x.de' }, createdAfterMs: 1000 },
  { name: 'has another origin_id and the same address', stored: { origin_id: 'hr-8' }, createdAfterMs: 1000 },
]
for (const { name, stored, createdAfterMs } of others) {
  t.test(`a user that ${name} is not attributed to a create with an origin_id`, async t => {
    const { usersUrl, emulator } = await startService(t)
    emulator.faults.add({ kind: 'reset-before-body' })
    emulator.api.directory.add(101, { values: { ...jane, ...stored } }, new Date(Date.now() + createdAfterMs))
    const response = await sendJson(usersUrl, withOriginId)
    t.match(response.json, ambiguous)
  })
}

const normalizations: Array<{ name: string, sent: object, stored: object }> = [
  {
    name: 'an e-mail address in lower case',
    sent: { email_address: 'Jane.Doe@Example.COM' },
    stored: { email_address: 'jane.doe@example.com' },
  },
  { name: 'an e-mail address with spaces', sent: {}, stored: { email_address: ' jane.doe@example.com ' } },
  { name: 'a text without the spaces around it', sent: { job_title: ' Clerk\t' }, stored: { job_title: 'Clerk' } },
  { name: 'no value for a text of spaces', sent: { job_title: '  ' }, stored: { job_title: null } },
]
for (const { name, sent, stored } of normalizations) {
  t.test(`a record in which Procore stored ${name} is recovered`, async t => {
    const { usersUrl, emulator } = await startService(t)
    emulator.faults.add({ kind: 'reset-before-body' })
    emulator.api.directory.add(101, { values: { ...jane, ...stored } }, new Date(Date.now() + 1000))
    const response = await sendJson(usersUrl, { user: { ...jane, ...sent } })
    t.match(response, { status: 201, headers: { 'x-outcome': 'recovered' } })
  })
}

t.test('a text that differs in upper and lower case is another one', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-before-body' })
  emulator.api.directory.add(101, { values: { ...jane, job_title: 'clerk' } }, new Date(Date.now() + 1000))
  const response = await sendJson(usersUrl, { user: { ...jane, job_title: 'Clerk' } })
  t.match(response.json, ambiguous)
})

t.test('the record of a create of the same address in other letters is not attributed to this one', async t => {
  const { usersUrl, emulator } = await startService(t)
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  emulator.faults.add({ kind: 'reset-before-body' })
  const response = await sendJson(usersUrl, { user: { ...jane, email_address: 'JANE.DOE@example.com' } })
  t.match(response.json, ambiguous)
})

t.test('the record of another create with the same address is not attributed to this one', async t => {
  const { usersUrl, emulator } = await startService(t)
  const createWithKey = (idempotencyKey: string) => {
    return sendJson(usersUrl, { user: jane }, { 'idempotency-key': idempotencyKey })
  }
  emulator.faults.add({ kind: 'reset-before-body' })
  t.match((await createWithKey('a')).json, notFound)
  t.equal((await createWithKey('b')).status, 201)
  t.match((await createWithKey('a')).json, ambiguous)
  emulator.faults.add({ kind: 'status', status: 500, body: '', method: 'POST' })
  const sameSecond = await sendJson(usersUrl, { user: jane })
  t.match(sameSecond.json, ambiguous, 'created in the same second')
  t.equal(emulator.api.directory.users.size, 1)
  emulator.faults.add({ kind: 'reset-after-body' })
  const otherCompany = await sendJson(usersUrl.replace('/101/', '/102/'), { user: jane })
  t.equal(otherCompany.headers['x-outcome'], 'recovered', 'creates of another company do not matter')
})

t.test('of two concurrent creates with lost responses neither recovers the one record', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'silence', method: 'POST' })
  emulator.faults.add({ kind: 'status', status: 500, body: '', method: 'POST' })
  const firstController = new AbortController()
  const firstResponse = fetch(usersUrl, {
    method: 'POST',
    signal: firstController.signal,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: jane }),
  }).catch(() => {})
  await waitUntil(() => emulator.api.directory.users.size === 1)
  t.match((await sendJson(usersUrl, { user: jane })).json, ambiguous)
  firstController.abort()
  await firstResponse
})

t.test('a create that Procore rejected does not make the next one ambiguous', async t => {
  const { usersUrl, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 422, body: '{}', method: 'POST' })
  t.equal((await sendJson(usersUrl, { user: jane })).status, 422)
  emulator.faults.add({ kind: 'reset-after-body' })
  t.equal((await sendJson(usersUrl, { user: jane })).headers['x-outcome'], 'recovered')
})

t.test('a record created much later, one of two records, or one on another page is not recovered', async t => {
  const { usersUrl, emulator } = await startService(t)
  const createWithKey = () => sendJson(usersUrl, { user: jane }, { 'idempotency-key': 'a' })
  emulator.faults.add({ kind: 'reset-before-body' })
  t.equal((await createWithKey()).json['outcome'], 'unknown')
  const lateDate = new Date(Date.now() + 20_000 + limits.lookup.slackMs + 5000)
  const late = emulator.api.directory.add(101, { values: { ...jane } }, lateDate)
  t.match((await createWithKey()).json, ambiguous)
  emulator.api.directory.users.delete(late.id)
  for (const notes of ['', null]) emulator.api.directory.add(101, { values: { ...jane, notes } }, new Date())
  t.match((await createWithKey()).json, ambiguous)
  emulator.api.directory.clear()
  emulator.faults.add({ kind: 'status', status: 200, body: '[{"id":1}]', headers: { total: '101' }, method: 'GET' })
  t.match((await createWithKey()).json, inconclusive)
  emulator.api.directory.add(101, { values: { ...jane } }, new Date())
  t.equal((await createWithKey()).headers['x-outcome'], 'recovered')
})

t.test('a record created while the form was still being sent is not attributed to the form', async t => {
  const { usersUrl, emulator } = await startService(t)
  const form = multipartBody([{ name: 'user[avatar]', filename: 'a', data: png(500_000) }, ...janeParts])
  const { promise: continued, resolve: continueForm } = Promise.withResolvers<void>()
  async function * sendInTwoParts (): AsyncGenerator<Buffer> {
    yield form.subarray(0, 400_000)
    await continued
    yield form.subarray(400_000)
  }
  emulator.faults.add({ kind: 'status', status: 500, body: '', method: 'POST' })
  const response = sendMultipart(usersUrl, sendInTwoParts())
  await waitUntil(() => emulator.apiRequests.length === 1)
  emulator.api.directory.add(101, { values: { ...jane } }, new Date())
  await new Promise(resolve => setTimeout(resolve, 3100))
  continueForm()
  t.match((await response).json, ambiguous)
})

t.test('the number of remembered creates is limited', async t => {
  const recentCreates = new RecentCreates()
  const { emailsMax, perEmailMax } = limits.recentCreates
  const buildCreate = (companyId: number) => {
    const values = new Map([['name', 'a']])
    return { companyId, lookupCriteria: { matchField: 'name', emailFields: new Set<string>(), values } }
  }
  const trackAndSettle = (companyId: number, sentAtMs: number) => {
    const create = buildCreate(companyId)
    recentCreates.settle(recentCreates.track(create), create, sentAtMs)
  }
  for (let companyId = 0; companyId <= emailsMax; companyId++) trackAndSettle(companyId, 5)
  t.notOk(recentCreates.hasConcurrentDuplicate(buildCreate(0), 1, 10), 'the oldest is evicted')
  t.ok(recentCreates.hasConcurrentDuplicate(buildCreate(emailsMax), 1, 10))
  for (let index = 0; index <= perEmailMax; index++) trackAndSettle(1, 100 * index)
  t.notOk(recentCreates.hasConcurrentDuplicate(buildCreate(1), 1, 10))
  t.notOk(recentCreates.hasConcurrentDuplicate(buildCreate(1), 100, 10), 'a create is no duplicate of itself')
  t.ok(recentCreates.hasConcurrentDuplicate(buildCreate(1), 100, 100))
})

t.test('after a failed lookup the outcome is unknown', async t => {
  const failures: Array<{ name: string, fault: InjectedFault }> = [
    { name: 'a 500', fault: { kind: 'status', status: 500 } },
    { name: 'an object instead of a list', fault: { kind: 'status', status: 200, body: '{}' } },
    { name: 'invalid JSON', fault: { kind: 'status', status: 200, body: '[' } },
    { name: 'a reset connection', fault: { kind: 'reset-before-body' } },
  ]
  for (const { name, fault } of failures) {
    await t.test(`the lookup gets ${name}`, async t => {
      const { usersUrl, emulator } = await startService(t)
      emulator.faults.add({ kind: 'reset-after-body' })
      emulator.faults.add({ ...fault, method: 'GET', rate: 1 })
      const { json } = await sendJson(usersUrl, { user: jane })
      t.match(json, inconclusive)
      t.equal(emulator.api.directory.users.size, 1)
    })
  }
})

t.test('a lookup has its own time limit', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { UPSTREAM_TIMEOUT_MS: '60000' } })
  emulator.faults.add({ kind: 'reset-after-body' })
  emulator.faults.add({ kind: 'silence', method: 'GET', rate: 1 })
  const { json } = await sendJson(usersUrl, { user: jane })
  t.match(json, { status: 502, ...inconclusive })
  t.equal(lookupPaths(emulator).length, 1, 'no list is requested after the time limit')
})

t.test('a lookup respects the rate limit', async t => {
  const { usersUrl, emulator } = await startService(t, { emulator: { rateLimit: 2, rateWindowSeconds: 60 } })
  const firstUser = { ...jane, email_address: 'first@example.com' }
  t.equal((await sendJson(usersUrl, { user: firstUser })).status, 201)
  emulator.faults.add({ kind: 'reset-after-body' })
  t.match((await sendJson(usersUrl, { user: jane })).json, inconclusive)
  t.strictSame(lookupPaths(emulator), [])
})

t.test('if the caller has disconnected the response is awaited, but no lookup is made', async t => {
  const { port, emulator, lines } = await startService(t, { env: { UPSTREAM_TIMEOUT_MS: '2000' } })
  emulator.faults.add({ kind: 'silence' })
  const body = JSON.stringify({ user: jane })
  const caller = new RawConnection(port)
  const head = `host: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`
  caller.write(`POST /companies/101/users HTTP/1.1\r\n${head}\r\n\r\n${body}`)
  await waitUntil(() => emulator.api.directory.users.size === 1)
  caller.socket.resetAndDestroy()
  await waitUntil(() => lines.some(({ msg }) => msg === 'request'))
  const requestLines = lines.filter(({ msg }) => msg === 'request')
  t.match(requestLines, [{ status: 499, code: 'procore_timeout', outcome: 'unknown' }])
  t.strictSame(lookupPaths(emulator), [])
})

t.test('an older user is not recovered although the list arrives slowly', async t => {
  const { usersUrl, emulator } = await startService(t)
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  await new Promise(resolve => setTimeout(resolve, 2100))
  emulator.faults.add({ kind: 'status', status: 500, body: '', method: 'POST' })
  emulator.faults.add({ kind: 'slow', delayMs: 3, method: 'GET' })
  t.match((await sendJson(usersUrl, { user: jane })).json, { status: 502, outcome: 'unknown' })
})
