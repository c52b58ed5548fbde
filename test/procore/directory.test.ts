// The directory of a company is read page by page: active users, then inactive ones, and all of them or a failure.
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { readDirectory, type DirectoryOptions, type DirectoryPerson } from '../../src/procore/directory.ts'
import { Problem } from '../../src/server/problem.ts'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { jane } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const { pageItems, pagesMax } = limits.directory
const longAgo = new Date('2026-01-01T00:00:00Z')
const inactivePath = '/rest/v1.0/companies/101/users/inactive'

/** Starts a service whose directory has this many users of each kind, and returns how to read the directory. */
async function start (t: Test, { active, inactive }: { active: number, inactive: number }) {
  const { app, emulator } = await startService(t)
  const states = Array.from({ length: active + inactive }, (_, index) => index < active)
  for (const isActive of states) {
    emulator.api.directory.add(101, { values: { ...jane, is_active: isActive } }, longAgo)
  }
  const persons: DirectoryPerson[] = []
  const read = async (options: Partial<DirectoryOptions> = {}, signal = new AbortController().signal) => {
    const context = { companyId: 101, callerId: undefined, record: { requestId: 'r-1' }, signal }
    const result = await readDirectory(app.procore, context, {
      purpose: 'change', onPerson: person => { persons.push(person) }, ...options,
    })
    if (result.kind !== 'failure') return result
    return { kind: result.kind, code: result.error instanceof Problem ? result.error.code : undefined }
  }
  const getPaths = () => emulator.apiRequests.map(({ path }) => decodeURIComponent(path))
  return { emulator, read, persons, getPaths }
}

/** A page of users, as a fault that replaces the response of the emulator. */
function page (items: unknown, headers: Record<string, string> = {}): InjectedFault {
  return { kind: 'status', status: 200, body: JSON.stringify(items), headers }
}

const nextLink = '<https://api.procore.com/>; rel="next"'

t.test('all pages of active and of inactive users are read, each user once', async t => {
  const { read, persons, getPaths } = await start(t, { active: pageItems + 1, inactive: 2 })
  t.strictSame(await read(), { kind: 'complete', count: pageItems + 3 })
  t.equal(new Set(persons.map(({ id }) => id)).size, pageItems + 3)
  t.equal(persons.filter(({ isActive }) => isActive).length, pageItems + 1)
  t.match(persons[0]?.record, { email_address: jane.email_address })
  const query = `?view=extended&per_page=${pageItems}&page=`
  const activePath = '/rest/v1.3/companies/101/users'
  t.strictSame(getPaths(), [`${activePath}${query}1`, `${activePath}${query}2`, `${inactivePath}${query}1`])
})

t.test('a directory without users is complete', async t => {
  const { read, getPaths } = await start(t, { active: 0, inactive: 0 })
  t.strictSame(await read(), { kind: 'complete', count: 0 })
  t.equal(getPaths().length, 2)
})

t.test('a query narrows the lists', async t => {
  const { read, emulator } = await start(t, { active: 1, inactive: 1 })
  emulator.api.directory.add(101, { values: { ...jane } }, new Date('2026-02-01T00:00:00Z'))
  t.strictSame(await read({ query: { 'filters[created_at]': '2026-01-15' } }), { kind: 'complete', count: 1 })
})

t.test('a user without a numeric id is skipped, and one without a state has that of its list', async t => {
  const { read, persons, emulator } = await start(t, { active: 0, inactive: 0 })
  emulator.faults.add(page([{ id: '7' }, { last_name: 'Doe' }, 8, null, { id: 9 }]))
  emulator.faults.add(page([{ id: 10, is_active: null }, { id: 11, is_active: true }]))
  t.strictSame(await read(), { kind: 'complete', count: 3 })
  t.strictSame(persons.map(({ id, isActive }) => [id, isActive]), [[9, true], [10, false], [11, true]])
})

t.test('bytes of the pages are counted while they are read, and released', async t => {
  const { read } = await start(t, { active: 3, inactive: 0 })
  let bytes = 0
  let maxBytes = 0
  await read({ countResponseBytes: added => { bytes += added; maxBytes = Math.max(maxBytes, bytes) } })
  t.ok(maxBytes > 1000)
  t.equal(bytes, 0)
})

const unreadable = { kind: 'failure', code: 'procore_bad_response' }
const cases: Array<{ name: string, faults: InjectedFault[], result: object }> = [
  { name: 'is an object', faults: [page({ users: [] })], result: unreadable },
  { name: 'is truncated', faults: [{ kind: 'truncate', times: 2 }], result: unreadable },
  {
    name: 'is empty although there are more',
    faults: [page([{ id: 1 }], { total: '2' }), page([], { total: '2' })],
    result: unreadable,
  },
  {
    name: 'has another total than the page before',
    faults: [page([{ id: 1 }], { total: '3' }), page([{ id: 2 }], { total: '2' })],
    result: unreadable,
  },
  {
    name: 'always has a next one',
    faults: [{ ...page([{ id: 1 }], { link: nextLink }), times: pagesMax }],
    result: unreadable,
  },
  {
    name: 'of inactive users is refused',
    faults: [{ kind: 'status', status: 403, body: '{"errors":["x"]}', path: inactivePath }],
    result: { kind: 'rejection', status: 403 },
  },
  {
    name: 'is not found',
    faults: [{ kind: 'status', status: 404 }],
    result: { kind: 'rejection', status: 404 },
  },
  {
    name: 'fails with 502 twice',
    faults: [{ kind: 'status', status: 502, times: 2 }],
    result: unreadable,
  },
]
for (const { name, faults, result } of cases) {
  t.test(`the directory is not complete if a page ${name}`, async t => {
    const { read, emulator } = await start(t, { active: 1, inactive: 0 })
    for (const fault of faults) emulator.faults.add(fault)
    t.match(await read(), result)
  })
}

t.test('a page that fails with 502 once is requested again', async t => {
  const { read, emulator } = await start(t, { active: 1, inactive: 0 })
  emulator.faults.add({ kind: 'status', status: 502 })
  t.strictSame(await read(), { kind: 'complete', count: 1 })
})

t.test('no page is requested after the caller has left', async t => {
  const { read, getPaths } = await start(t, { active: 1, inactive: 0 })
  const problem = new Problem('stopping', 'The service is stopping.')
  t.match(await read({}, AbortSignal.abort(problem)), { kind: 'failure', code: 'stopping' })
  t.equal(getPaths().length, 0)
})

t.test('the wait for the rate limit is that of the caller', async t => {
  const { read, emulator } = await start(t, { active: 1, inactive: 0 })
  emulator.settings = { ...emulator.settings, rateLimit: 1 }
  t.match(await read({ rateLimitMaxWaitMs: 0 }), { kind: 'failure', code: 'procore_rate_limited' })
})
