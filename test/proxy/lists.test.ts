// Lists and single records: validated filters and pages reach Procore, and its responses are relayed byte for byte.
import t from 'tap'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { get } from '../helpers/request-builders.ts'
import { summarizeErrors, jane, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const lists = [
  { name: 'permission_templates', procorePath: '/rest/v1.0/companies/101/permission_templates' },
  { name: 'vendors', procorePath: '/rest/v1.0/vendors?company_id=101' },
  { name: 'work_classifications', procorePath: '/rest/v1.0/companies/101/work_classifications' },
  { name: 'trades', procorePath: '/rest/v1.0/companies/101/trades' },
  { name: 'configurable_field_sets', procorePath: '/rest/v1.0/companies/101/configurable_field_sets' },
  { name: 'users', procorePath: '/rest/v1.3/companies/101/users' },
]

t.test('each list is served under the service\'s own path and under Procore\'s', async t => {
  const { url, emulator } = await startService(t, { env: { PICK_LIST_CACHE_SECONDS: '0' } })
  await sendJson(`${url}/companies/101/users`, { user: jane })
  for (const { name, procorePath } of lists) {
    for (const path of [`/companies/101/${name}`, procorePath]) {
      await t.test(`${path} is read from ${procorePath}`, async t => {
        const response = await get(url + path)
        t.equal(response.status, 200)
        t.ok(Array.isArray(response.json) && response.json.length > 0)
        t.match(emulator.apiRequests.at(-1), {
          method: 'GET',
          path: procorePath,
          headers: { 'procore-company-id': '101', 'content-type': undefined, 'content-length': undefined },
        })
      })
    }
  }
})

t.test('users are never cached', async t => {
  const { url, emulator } = await startService(t)
  const { json: { id } } = await sendJson(`${url}/companies/101/users`, { user: jane })
  const userPath = `/companies/101/users/${String(id)}`
  for (const path of ['/companies/101/users', userPath, `/rest/v1.3${userPath}`]) {
    await t.test(`${path.replace(String(id), '{id}')} is read from Procore each time`, async t => {
      const requestsBefore = emulator.apiRequests.length
      for (const time of [1, 2]) {
        t.match(await get(url + path), {
          status: 200,
          headers: { 'cache-control': 'no-store', 'procore-request-id': String, age: undefined },
        }, `request ${time}`)
      }
      t.equal(emulator.apiRequests.length, requestsBefore + 2)
    })
  }
  const missing = await get(`${url}/companies/101/users/1`)
  t.match(missing, { status: 404, headers: { 'cache-control': 'no-store' }, json: { code: 'procore_rejected' } })
  t.notOk('outcome' in missing.json, 'a read has no outcome')
  const otherCompany = await get(`${url}/companies/102/users/${String(id)}`)
  t.equal(otherCompany.status, 404, 'the user is in another company')
})

t.test('filters, views, sort orders and pages reach Procore as they were validated', async t => {
  const { url, emulator } = await startService(t)
  const query = [
    'page=2',
    'per_page=10',
    'view=extended',
    'sort=job_title',
    'filters[search]=a%26b%20é',
    'filters%5Bvendor_id%5D=161072',
    'filters[origin_id]=x',
    'filters[trade_id][]=5',
    'filters[trade_id][]=8',
    'filters[created_at]=2026-01-01...2026-02-01',
    'filters[updated_at]=2026-01-01T00:00:00Z',
  ].join('&')
  await get(`${url}/companies/101/users?${query}`)
  const received = new URL(emulator.apiRequests.at(-1)?.path ?? '', emulator.url)
  t.strictSame([...received.searchParams], [...new URLSearchParams(query)])
})

t.test('an invalid path or query is rejected with the names of the parameters', async t => {
  const { url, emulator } = await startService(t)
  const createdAtFormat = ['query /filters[created_at] format']
  const rows: Array<{ path: string, errors: string[] }> = [
    {
      path: 'users?page=0&per_page=2001&view=all&sort=-name',
      errors: ['query /page size', 'query /per_page size', 'query /view format', 'query /sort format'],
    },
    { path: 'users?page=x&per_page=', errors: ['query /page type', 'query /per_page type'] },
    {
      path: [
        'users?filters[vendor_id]=0',
        'filters[trade_id][]=1',
        'filters[trade_id][]=a',
        'filters[created_at]=2026-13-01',
      ].join('&'),
      errors: ['query /filters[vendor_id] size', 'query /filters[trade_id][] type', ...createdAtFormat],
    },
    { path: 'users?filters[created_at]=2026-02-30', errors: createdAtFormat },
    { path: 'users?filters[created_at]=2026-02-28...2025-02-29T00:00:00Z', errors: createdAtFormat },
    { path: 'users?filters[created_at]=2026-01-01...2026-02-01...2026-03-01', errors: createdAtFormat },
    { path: `users?${'filters[trade_id][]=1&'.repeat(101)}`, errors: ['query /filters[trade_id][] size'] },
    {
      path: 'users?page=1&page=2&filters[search]=%00&filter=1',
      errors: ['query /page duplicate', 'query /filters[search] format', 'query /filter unknown'],
    },
    {
      path: 'users?run_configurable_validations=true',
      errors: ['query /run_configurable_validations unknown'],
    },
    { path: 'users/0', errors: ['path /id size'] },
    { path: 'users/jane', errors: ['path /id type'] },
    {
      path: 'permission_templates?filters[type]=all&page=1',
      errors: ['query /filters[type] format', 'query /page unknown'],
    },
    { path: 'vendors?view=tiny&company_id=102', errors: ['query /view format', 'query /company_id unknown'] },
    { path: 'trades?filters[active]=yes', errors: ['query /filters[active] type'] },
  ]
  for (const { path, errors } of rows) {
    await t.test(`${path.slice(0, 80)} is rejected`, async t => {
      const response = await get(`${url}/companies/101/${path}`)
      t.equal(response.status, 422)
      t.strictSame(summarizeErrors(response), errors)
    })
  }
  const messages = await get(`${url}/companies/101/users?per_page=2001&sort=x`)
  const sortOrders = 'name, vendor_name, permission_template, full_name, projects, email, job_title'
  t.match(messages.json, {
    errors: [{ message: 'must be at most 2000' }, { message: `must be one of ${sortOrders}` }],
  })
  const vendorsUrl = `${url}/rest/v1.0/vendors`
  t.strictSame(summarizeErrors(await get(vendorsUrl)), ['query /company_id required'])
  const repeatedCompany = await get(`${vendorsUrl}?company_id=101&company_id=102`)
  t.strictSame(summarizeErrors(repeatedCompany), ['query /company_id duplicate'])
  t.equal(emulator.apiRequests.length, 0)
})

t.test('links to other pages are relative and keep the query of the request', async t => {
  const { url } = await startService(t)
  const query = '&view=compact&filters%5Bsearch%5D=e'
  const ownPath = await get(`${url}/companies/101/vendors?per_page=5&page=2&view=compact&filters[search]=e`)
  t.match(ownPath.headers, { total: '10', 'per-page': '5' })
  const ownLinks = ['first', 'prev'].map(rel => `<?per_page=5&page=1${query}>; rel="${rel}"`)
  t.equal(ownPath.headers['link'], ownLinks.join(', '))

  const procorePath = await get(`${url}/rest/v1.0/vendors?company_id=101&per_page=5`)
  const procoreLinks = [{ page: 2, rel: 'next' }, { page: 3, rel: 'last' }].map(({ page, rel }) => {
    return `<?company_id=101&per_page=5&page=${page}>; rel="${rel}"`
  })
  t.equal(procorePath.headers['link'], procoreLinks.join(', '))
  const next = /<([^>]*)>; rel="next"/.exec(String(procorePath.headers['link']))?.[1] ?? ''
  const nextUrl = new URL(next, `${url}/rest/v1.0/vendors?company_id=101&per_page=5`)
  t.match(await get(nextUrl.href), { status: 200, headers: { link: /rel="prev"/ } })
  const publicUrl = new URL(next, 'https://gateway.example/procore/rest/v1.0/vendors?company_id=101')
  t.equal(publicUrl.pathname, '/procore/rest/v1.0/vendors', 'below the prefix of a gateway')
})

t.test('an invalid link or count of Procore\'s is dropped', async t => {
  const { url, emulator } = await startService(t, { env: { PICK_LIST_CACHE_SECONDS: '0' } })
  const getWithLink = async (link: string, headers: Record<string, string> = {}) => {
    emulator.faults.add({ kind: 'status', status: 200, body: '[]', headers: { link, ...headers } })
    return get(`${url}/companies/101/trades`)
  }
  const page = 'https://api.procore.com/rest/v1.0/companies/101/trades?page=2'
  const rows = [
    { name: 'an empty link', link: '' },
    { name: 'text that is not a link', link: 'nonsense' },
    { name: 'a link without a relation', link: `<${page}>` },
    { name: 'a link with another relation', link: `<${page}>; rel=self` },
    { name: 'a link to page 0', link: '<https://x/?page=0>; rel="next"' },
    { name: 'a link without a page', link: '<https://x/>; rel=next' },
    { name: 'a link with an invalid URL', link: '<http://[>; rel=next' },
    { name: 'a link without angle brackets', link: `${page}; rel="next"` },
    { name: 'an unterminated link', link: `<${page}; rel="next"` },
    { name: 'a link to a page that is not a safe integer', link: '<?page=99999999999999999999>; rel=next' },
  ]
  for (const { name, link } of rows) {
    await t.test(`${name} is dropped`, async t => {
      t.equal((await getWithLink(link)).headers['link'], undefined)
    })
  }
  // A pattern with more than one way to split this text takes exponential time.
  const ambiguous = `<${page}>${'; a= '.repeat(40)}<${page}>; rel="next"`
  t.equal((await getWithLink(ambiguous)).headers['link'], '<?page=2>; rel="next"')
  const long = `${', '.repeat(5000)}<${page}>; rel="next"`
  t.equal((await getWithLink(long)).headers['link'], undefined, 'the end of a long header is not parsed')
  const mixedLink = [
    `<${page}>; title="a, <b>; rel=last"; rel="NEXT nofollow"`, 'junk', '<?page=7&per_page=5000&evil=1>; rel=last',
  ].join(', ')
  const { headers } = await getWithLink(mixedLink, {
    total: '-1',
    'per-page': 'ten',
    location: 'https://elsewhere.example.com',
  })
  const nextAndLast = '<?page=2>; rel="next", <?page=7>; rel="last"'
  t.equal(headers['link'], nextAndLast)
  t.equal(headers['total'], undefined)
  t.equal(headers['per-page'], undefined)
  t.equal(headers['location'], undefined)
})

t.test('a HEAD is a GET without the body, other methods are refused, and the body of a GET is ignored', async t => {
  const { url, emulator } = await startService(t)
  const head = await send(`${url}/companies/101/trades`, { method: 'HEAD' })
  t.match(head, { status: 200, text: '', headers: { total: '9' } })
  const postToList = await send(`${url}/companies/101/trades`, { body: '{}' })
  t.match(postToList, { status: 405, headers: { allow: 'GET, HEAD' } })
  const postToUser = await send(`${url}/companies/101/users/7`, {})
  t.match(postToUser, { status: 405, headers: { allow: 'GET, HEAD, PATCH' } })
  const getWithBody = await send(`${url}/companies/101/users`, {
    method: 'GET',
    body: 'x',
    headers: { 'content-type': 'text/plain', 'idempotency-key': 'a"b' },
  })
  t.equal(getWithBody.status, 200)
  t.equal(emulator.apiRequests.at(-1)?.body.length, 0)
})

t.test('companies and scopes are authorized whether the company is in the path or in the query', async t => {
  const issuer = await startIssuer(t)
  const { url, emulator } = await startService(t, {
    env: {
      ...issuer.env,
      JWT_COMPANIES_CLAIM: 'companies',
      JWT_SCOPE_PREFIX: 'procore:',
      PROCORE_COMPANY_IDS: '101,102',
    },
  })
  const scope = 'procore:list-vendors procore:show-company-user'
  const headers = bearerHeader(await issuer.sign({ companies: [101, 999], scope }))
  for (const path of ['/companies/101/vendors', '/rest/v1.0/vendors?company_id=101']) {
    await t.test(`${path} is allowed`, async t => {
      t.equal((await get(url + path, headers)).status, 200)
    })
  }
  const forbiddenPaths = [
    '/companies/102/vendors',
    '/rest/v1.0/vendors?company_id=102',
    '/rest/v1.0/vendors?company_id=999',
    '/rest/v1.0/vendors?company_id=%31%30%32',
    '/companies/102/users/1',
  ]
  for (const path of forbiddenPaths) {
    await t.test(`${path} is forbidden`, async t => {
      t.match((await get(url + path, headers)).json, { status: 403, code: 'company_not_allowed' })
    })
  }
  t.match(await get(`${url}/companies/101/users`, headers), {
    status: 403,
    headers: { 'www-authenticate': /scope="procore:list-company-users"/ },
    json: { code: 'operation_not_allowed' },
  })
  t.equal((await get(`${url}/companies/101/vendors`)).status, 401)
  t.equal(emulator.apiRequests.length, 1, 'the second allowed request is served from the cache')
})

t.test('an error that Procore reports on the query points at the parameter', async t => {
  const { url, emulator } = await startService(t)
  const body = '{"errors":{"sort":["is not supported"],"base":["is odd"]}}'
  emulator.faults.add({ kind: 'status', status: 400, body })
  const { json } = await get(`${url}/companies/101/users?sort=email`)
  t.match(json, {
    status: 400,
    code: 'procore_rejected',
    errors: [{ in: 'query', pointer: '/sort', field: 'sort', rule: 'procore' }, { in: 'query', pointer: '' }],
  })
})
