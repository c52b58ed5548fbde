// Lists and single records: asked for under both paths, filtered and paged by what is typed and checked, answered byte for byte.
import t from 'tap'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { summarizeErrors, jane, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const get = (url: string, headers: Record<string, string> = {}) => send(url, { method: 'GET', headers })

const lists = [
  ['permission_templates', '/rest/v1.0/companies/101/permission_templates'],
  ['vendors', '/rest/v1.0/vendors?company_id=101'],
  ['work_classifications', '/rest/v1.0/companies/101/work_classifications'],
  ['trades', '/rest/v1.0/companies/101/trades'],
  ['configurable_field_sets', '/rest/v1.0/companies/101/configurable_field_sets'],
  ['users', '/rest/v1.3/companies/101/users'],
] as const

t.test('each list under our path and under Procore\'s own', async t => {
  const { url, emulator } = await startService(t, { env: { PICK_LIST_CACHE_SECONDS: '0' } })
  await sendJson(`${url}/companies/101/users`, { user: jane })
  for (const [name, procorePath] of lists) {
    for (const path of [`/companies/101/${name}`, procorePath]) {
      const reply = await get(url + path)
      t.equal(reply.status, 200, path)
      t.ok(Array.isArray(reply.json) && reply.json.length > 0, path)
      const received = emulator.apiRequests.at(-1)
      t.match(received, { method: 'GET', path: procorePath, headers: { 'procore-company-id': '101', 'content-type': undefined, 'content-length': undefined } })
    }
  }
})

t.test('users are never kept anywhere', async t => {
  const { url, emulator } = await startService(t)
  const { json: { id } } = await sendJson(`${url}/companies/101/users`, { user: jane })
  for (const path of ['/companies/101/users', `/companies/101/users/${String(id)}`, `/rest/v1.3/companies/101/users/${String(id)}`]) {
    const before = emulator.apiRequests.length
    for (const time of [1, 2]) t.match(await get(url + path), { status: 200, headers: { 'cache-control': 'no-store', 'procore-request-id': String, age: undefined } }, String(time))
    t.equal(emulator.apiRequests.length, before + 2)
  }
  t.match(await get(`${url}/companies/101/users/1`), { status: 404, headers: { 'cache-control': 'no-store' }, json: { code: 'procore_rejected' } })
  t.notOk('outcome' in (await get(`${url}/companies/101/users/1`)).json, 'there is nothing to become of')
  t.equal((await get(`${url}/companies/102/users/${String(id)}`)).status, 404, 'of another company')
})

t.test('filters, views, sorts and pages reach Procore as they were judged', async t => {
  const { url, emulator } = await startService(t)
  const query = 'page=2&per_page=10&view=extended&sort=job_title&filters[search]=a%26b%20é&filters%5Bvendor_id%5D=161072&filters[origin_id]=x&filters[trade_id][]=5&filters[trade_id][]=8&filters[created_at]=2026-01-01...2026-02-01&filters[updated_at]=2026-01-01T00:00:00Z'
  await get(`${url}/companies/101/users?${query}`)
  t.strictSame([...new URL(emulator.apiRequests.at(-1)?.path ?? '', emulator.url).searchParams], [...new URLSearchParams(query)])
})

t.test('what is not one of them is told by name, and nothing is asked', async t => {
  const { url, emulator } = await startService(t)
  const wrong: Record<string, string[]> = {
    'users?page=0&per_page=2001&view=all&sort=-name': ['query /page size', 'query /per_page size', 'query /view format', 'query /sort format'],
    'users?page=x&per_page=': ['query /page type', 'query /per_page type'],
    'users?filters[vendor_id]=0&filters[trade_id][]=1&filters[trade_id][]=a&filters[created_at]=2026-13-01': ['query /filters[vendor_id] size', 'query /filters[trade_id][] type', 'query /filters[created_at] format'],
    'users?filters[created_at]=2026-02-30': ['query /filters[created_at] format'],
    'users?filters[created_at]=2026-02-28...2025-02-29T00:00:00Z': ['query /filters[created_at] format'],
    'users?filters[created_at]=2026-01-01...2026-02-01...2026-03-01': ['query /filters[created_at] format'],
    [`users?${'filters[trade_id][]=1&'.repeat(101)}`]: ['query /filters[trade_id][] size'],
    'users?page=1&page=2&filters[search]=%00&filter=1': ['query /page duplicate', 'query /filters[search] format', 'query /filter unknown'],
    'users?run_configurable_validations=true': ['query /run_configurable_validations unknown'],
    'users/0': ['path /id size'],
    'users/jane': ['path /id type'],
    'permission_templates?filters[type]=all&page=1': ['query /filters[type] format', 'query /page unknown'],
    'vendors?view=tiny&company_id=102': ['query /view format', 'query /company_id unknown'],
    'trades?filters[active]=yes': ['query /filters[active] type'],
  }
  for (const [path, expected] of Object.entries(wrong)) {
    const reply = await get(`${url}/companies/101/${path}`)
    t.equal(reply.status, 422, path)
    t.strictSame(summarizeErrors(reply), expected, path)
  }
  t.match((await get(`${url}/companies/101/users?per_page=2001&sort=x`)).json, { errors: [{ message: 'must be at most 2000' }, { message: 'must be one of name, vendor_name, permission_template, full_name, projects, email, job_title' }] })
  t.strictSame(summarizeErrors(await get(`${url}/rest/v1.0/vendors`)), ['query /company_id required'])
  t.strictSame(summarizeErrors(await get(`${url}/rest/v1.0/vendors?company_id=101&company_id=102`)), ['query /company_id duplicate'])
  t.equal(emulator.apiRequests.length, 0)
})

t.test('links lead to the path that was called, with its own question', async t => {
  const { url } = await startService(t)
  const ours = await get(`${url}/companies/101/vendors?per_page=5&page=2&view=compact&filters[search]=e`)
  t.match(ours.headers, { total: '10', 'per-page': '5' })
  const question = '&view=compact&filters%5Bsearch%5D=e'
  t.equal(ours.headers['link'], ['first', 'prev'].map(rel => `</companies/101/vendors?per_page=5&page=1${question}>; rel="${rel}"`).join(', '))
  const theirs = await get(`${url}/rest/v1.0/vendors?company_id=101&per_page=5`)
  t.equal(theirs.headers['link'], '</rest/v1.0/vendors?company_id=101&per_page=5&page=2>; rel="next", </rest/v1.0/vendors?company_id=101&per_page=5&page=3>; rel="last"')
  const next = /<([^>]*)>; rel="next"/.exec(String(theirs.headers['link']))?.[1] ?? ''
  t.match(await get(url + next), { status: 200, headers: { link: /rel="prev"/ } })
})

t.test('a link that can\'t be read, or leads nowhere, is dropped; so is a count that is none', async t => {
  const { url, emulator } = await startService(t, { env: { PICK_LIST_CACHE_SECONDS: '0' } })
  const linked = async (link: string, more: Record<string, string> = {}) => {
    emulator.faults.add({ kind: 'status', status: 200, body: '[]', headers: { link, ...more } })
    return get(`${url}/companies/101/trades`)
  }
  const page = 'https://api.procore.com/rest/v1.0/companies/101/trades?page=2'
  for (const link of ['', 'nonsense', `<${page}>`, `<${page}>; rel=self`, '<https://x/?page=0>; rel="next"', '<https://x/>; rel=next', '<http://[>; rel=next', `${page}; rel="next"`, `<${page}; rel="next"`, '<?page=99999999999999999999>; rel=next']) {
    t.equal((await linked(link)).headers['link'], undefined, link)
  }
  const mixed = await linked(`<${page}>; title="a, <b>; rel=last"; rel="NEXT nofollow", junk, <?page=7&per_page=5000&evil=1>; rel=last`, { total: '-1', 'per-page': 'ten', location: 'https://elsewhere.example.com' })
  t.equal(mixed.headers['link'], '</companies/101/trades?page=2>; rel="next", </companies/101/trades?page=7>; rel="last"')
  t.strictSame([mixed.headers['total'], mixed.headers['per-page'], mixed.headers['location']], [undefined, undefined, undefined])
})

t.test('a HEAD is a GET without the body; other methods are refused; what comes as a body is not looked at', async t => {
  const { url, emulator } = await startService(t)
  t.match(await send(`${url}/companies/101/trades`, { method: 'HEAD' }), { status: 200, text: '', headers: { total: '9' } })
  t.match(await send(`${url}/companies/101/trades`, { body: '{}' }), { status: 405, headers: { allow: 'GET, HEAD' } })
  t.match(await send(`${url}/companies/101/users/7`, {}), { status: 405, headers: { allow: 'GET, HEAD, PATCH' } })
  t.equal((await send(`${url}/companies/101/users`, { method: 'GET', body: 'x', headers: { 'content-type': 'text/plain', 'idempotency-key': 'a"b' } })).status, 200)
  t.equal(emulator.apiRequests.at(-1)?.body.length, 0)
})

t.test('companies and scopes are judged wherever the company stands', async t => {
  const issuer = await startIssuer(t)
  const { url, emulator } = await startService(t, { env: { ...issuer.env, JWT_COMPANIES_CLAIM: 'companies', JWT_SCOPE_PREFIX: 'procore:', PROCORE_COMPANY_IDS: '101,102' } })
  const token = bearerHeader(await issuer.sign({ companies: [101, 999], scope: 'procore:list-vendors procore:show-company-user' }))
  for (const path of ['/companies/101/vendors', '/rest/v1.0/vendors?company_id=101']) t.equal((await get(url + path, token)).status, 200, path)
  for (const path of ['/companies/102/vendors', '/rest/v1.0/vendors?company_id=102', '/rest/v1.0/vendors?company_id=999', '/rest/v1.0/vendors?company_id=%31%30%32', '/companies/102/users/1']) {
    t.match((await get(url + path, token)).json, { status: 403, code: 'company_not_allowed' }, path)
  }
  t.match(await get(`${url}/companies/101/users`, token), { status: 403, headers: { 'www-authenticate': /scope="procore:list-company-users"/ }, json: { code: 'operation_not_allowed' } })
  t.equal((await get(`${url}/companies/101/vendors`)).status, 401)
  t.equal(emulator.apiRequests.length, 1, 'the second was answered from what was kept')
})

t.test('what Procore finds wrong with a question points at the parameter', async t => {
  const { url, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 400, body: '{"errors":{"sort":["is not supported"],"base":["is odd"]}}' })
  t.match((await get(`${url}/companies/101/users?sort=email`)).json, { status: 400, code: 'procore_rejected', errors: [{ in: 'query', pointer: '/sort', field: 'sort', rule: 'procore' }, { in: 'query', pointer: '' }] })
})
