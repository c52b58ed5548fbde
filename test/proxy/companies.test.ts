// The list of companies is about no company: it is sent without one, and callers get only those that they may access.
import t from 'tap'
import { createClient } from '../../client/client.ts'
import { limits } from '../../src/config/limits.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { get } from '../helpers/request-builders.ts'
import { summarizeErrors } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'

const companiesPath = '/rest/v1.0/companies'
const toCompanies = (ids: readonly number[]) => ids.map(id => ({ id, name: `Company ${id}`, is_active: true }))

t.test('the companies are listed under both paths, without a company in the request, log and metrics', async t => {
  const service = await startService(t)
  for (const path of ['/companies', companiesPath]) {
    await t.test(path, async t => {
      const response = await get(service.url + path)
      t.equal(response.status, 200)
      t.strictSame(response.json, toCompanies([101, 102, 1234]))
      const received = service.emulator.apiRequests.at(-1)
      t.match(received, { method: 'GET', path: companiesPath })
      t.equal(received?.headers['procore-company-id'], undefined)
      const line = service.lines.findLast(({ route }) => route === path)
      t.match(line, { status: 200 })
      t.notOk(line !== undefined && 'companyId' in line)
    })
  }
  t.match((await get(`${service.url}/metrics`)).text, /route="\/companies"/)
  const invalid = await get(`${service.url}/companies?company_id=101&per_page=0`)
  t.strictSame(summarizeErrors(invalid), ['query /per_page size', 'query /company_id unknown'])
})

t.test('companies that the service may not access are removed', async t => {
  const service = await startService(t, { env: { PROCORE_COMPANY_IDS: '102,555' } })
  t.strictSame((await get(`${service.url}/companies`)).json, toCompanies([102]))
})

t.test('a company without a usable id is removed', async t => {
  const service = await startService(t)
  const items = '{"id":"101"},{"id":null},{"id":0},{"id":101.5},{"id":9007199254740993},{"name":"a"},101,null'
  setList(service, `[${items},{"id":102,"id":101,"extra":{"a":1}}]`)
  const { text } = await get(`${service.url}/companies`)
  t.equal(text, '[{"id":101,"extra":{"a":1}}]')
})

for (const body of ['{"id":101}', '"text"', '[{"id":101}']) {
  t.test(`a response that is not a list is not relayed: ${body}`, async t => {
    const service = await startService(t)
    setList(service, body)
    t.match(await get(`${service.url}/companies`), { status: 502, json: { code: 'procore_bad_response' } })
  })
}

t.test('pages, links and the total have only the companies of the caller', async t => {
  const service = await startService(t, { env: { PROCORE_COMPANY_IDS: '101,1234' } })
  const read = (query: string) => get(`${service.url}/companies?${query}`)
  const first = await read('per_page=1')
  t.strictSame(first.json, toCompanies([101]))
  const headers = { total: '2', 'per-page': '1' }
  t.match(first.headers, { ...headers, link: '<?per_page=1&page=2>; rel="next", <?per_page=1&page=2>; rel="last"' })
  const second = await read('page=2&per_page=1')
  t.strictSame(second.json, toCompanies([1234]))
  t.match(second.headers, { ...headers, link: '<?page=1&per_page=1>; rel="first", <?page=1&per_page=1>; rel="prev"' })
  t.strictSame((await read('page=3&per_page=1')).json, [])
  const all = await read('')
  t.match(all.headers, { total: '2', 'per-page': '100', link: undefined })
  const client = createClient({ baseUrl: service.url })
  const pages: unknown[] = []
  for await (const { data } of client.companyPages({ per_page: 1 })) pages.push(data)
  t.strictSame(pages, [toCompanies([101]), toCompanies([1234])])
  t.match(await client.listCompanies(), { status: 200, data: toCompanies([101, 1234]) })
})

t.test('a list of more companies than one page of Procore has is read whole', async t => {
  const { pageItems, pagesMax } = limits.companies
  const listedCompanyIds = Array.from({ length: pageItems + 1 }, (_, index) => index + 1)
  const service = await startService(t, { emulator: { listedCompanyIds } })
  const last = await get(`${service.url}/companies?per_page=1&page=${pageItems + 1}`)
  t.strictSame(last.json, toCompanies([pageItems + 1]))
  t.equal(last.headers['total'], String(pageItems + 1))
  t.strictSame(service.emulator.apiRequests.map(({ path }) => path), [1, 2].map(page => {
    return `${companiesPath}?per_page=${pageItems}&page=${page}`
  }))
  service.emulator.settings.listedCompanyIds = Array.from({ length: pageItems * pagesMax + 1 }, (_, index) => index + 1)
  t.match(await get(`${service.url}/companies`), { status: 502, json: { code: 'procore_bad_response' } })
})

t.test('a JWT decides which companies are listed', async t => {
  const issuer = await startIssuer(t)
  const settings = { PROCORE_COMPANY_IDS: '101,102', JWT_COMPANIES_CLAIM: 'companies', JWT_SCOPE_PREFIX: 'p:' }
  const service = await startService(t, { env: { ...issuer.env, ...settings } })
  const scope = 'p:list-companies'
  const read = async (claims: Record<string, unknown>) =>
    get(`${service.url}/companies`, bearerHeader(await issuer.sign(claims)))
  const rows = [
    { name: 'one company', claims: { scope, companies: 102 }, ids: [102] },
    { name: 'a company that the service may not access', claims: { scope, companies: [101, 1234] }, ids: [101] },
    { name: 'no claim', claims: { scope }, ids: [] },
    { name: 'a claim of another type', claims: { scope, companies: { 101: true } }, ids: [] },
  ]
  for (const { name, claims, ids } of rows) {
    await t.test(name, async t => { t.strictSame((await read(claims)).json, toCompanies(ids)) })
  }
  const sentCount = service.emulator.apiRequests.length
  const refused = await read({ scope: 'p:list-trades', companies: [101] })
  t.match(refused, { status: 403, json: { code: 'operation_not_allowed' } })
  t.match(refused.headers['www-authenticate'], 'scope="p:list-companies"')
  t.equal(service.emulator.apiRequests.length, sentCount)
})

t.test('the rate limit of the list of companies is not that of a company', async t => {
  const service = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
  service.emulator.faults.add({ kind: 'status', status: 429, headers: { 'retry-after': '600' }, path: companiesPath })
  const limited = await get(`${service.url}/companies`)
  t.match(limited, { status: 429, json: { code: 'procore_rate_limited' }, headers: { 'retry-after': '600' } })
  t.equal((await get(`${service.url}/companies/101/trades`)).status, 200)
  t.equal((await get(`${service.url}/companies`)).status, 429)
  const { text } = await get(`${service.url}/metrics`)
  t.match(text, 'procore_bff_rate_limit_remaining{company_id="0"} 0')
  t.match(text, /procore_bff_rate_limit_remaining\{company_id="101"\} 3\d\d\d/)
})

function setList ({ emulator }: Service, body: string): void {
  const headers = { 'content-type': 'application/json' }
  emulator.faults.add({ kind: 'status', status: 200, headers, body, path: companiesPath })
}
