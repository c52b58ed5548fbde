// The client in Node beyond the create: users found, changed and invited, pages walked through, a form that is not sent twice.
import t from 'tap'
import { createClient, type Progress } from '../../client/client.ts'
import { jpeg, png } from '../helpers/images.ts'
import { jane } from '../helpers/requests.ts'
import { createdResponse, problemResponse, startScriptedServer, type ScriptedResponse } from '../helpers/scripted-server.ts'
import { startService } from '../helpers/service.ts'

const blob = (image: Buffer) => new Blob([new Uint8Array(image)])

t.test('found in the list, shown, changed', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const { data: { id = 0 } } = await client.createUser(101, jane)
  await client.createUser(101, { last_name: 'Smith', email_address: 'smith@example.com' })
  const { data, headers } = await client.listUsers(101, { 'filters[search]': jane.email_address, sort: 'name', view: 'extended', per_page: 10 })
  t.match(data, [{ id, email_address: jane.email_address }])
  t.strictSame([data.length, headers.get('total'), headers.get('per-page')], [1, '1', '10'])
  t.match(await client.showUser(101, id), { status: 200, data: { id, last_name: jane.last_name } })
  t.match(await client.updateUser(101, id, { job_title: 'Architect', city: undefined, add_to_new_projects: true }), { status: 200, data: { id, job_title: 'Architect', add_to_new_projects: true } })
  await t.rejects(client.showUser(101, 1), { name: 'ProblemError', status: 404, code: 'procore_rejected' })
})

t.test('an avatar takes the place of the other, with progress', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: url })
  const { data: { id = 0 } } = await client.createUser(101, jane, { avatar: blob(png(1000)) })
  const image = jpeg(2_000_000)
  const seen: Progress[] = []
  await client.updateUser(101, id, {}, { avatar: blob(image), onProgress: progress => seen.push(progress) })
  t.ok(emulator.api.directory.users.get(id)?.avatar?.equals(image))
  t.ok(seen.length > 5)
  t.equal(seen.at(-1)?.loaded, seen.at(-1)?.total)
})

t.test('a change that the company\'s own rules refuse, and one that is at fault', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const { data: { id = 0 } } = await client.createUser(101, jane)
  await t.rejects(client.updateUser(101, id, { email_address: 'jane' }), { code: 'validation_failed', errors: [{ pointer: '/user/email_address' }] })
  await t.rejects(client.updateUser(101, id, { job_title: ' ' }, { runConfigurableValidations: true }), { code: 'procore_rejected', errors: [{ pointer: '/user/job_title', rule: 'procore' }] })
})

t.test('invited once, however often it is asked for under one key', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: url })
  const { data: { id = 0 } } = await client.createUser(101, jane)
  t.match(await client.inviteUser(101, id, { idempotencyKey: 'one' }), { status: 202, isReplayed: false })
  t.match(await client.inviteUser(101, id, { idempotencyKey: 'one' }), { status: 202, isReplayed: true })
  t.match(await client.inviteUser(101, id), { status: 202, isReplayed: false })
  t.equal(emulator.apiRequests.filter(({ path }) => path.endsWith('/invite')).length, 2)
})

t.test('a change whose answer was lost is sent again, an invitation only under its key', async t => {
  const { url, requests } = await startScriptedServer(t, ['reset', createdResponse])
  const client = createClient({ baseUrl: url })
  t.match(await client.updateUser(101, 7, { city: 'Carpinteria' }), { attempts: 2 })
  t.match(await client.inviteUser(101, 7), { attempts: 1 })
  t.match(requests.map(({ method, url, headers }) => [method, url, typeof headers['idempotency-key']]), [
    ['PATCH', '/companies/101/users/7', 'undefined'], ['PATCH', '/companies/101/users/7', 'undefined'], ['PATCH', '/companies/101/users/7/invite', 'string'],
  ])
  const invited = await startScriptedServer(t, [problemResponse('procore_timeout', 'unknown'), createdResponse])
  await createClient({ baseUrl: invited.url }).inviteUser(101, 7)
  t.equal(new Set(invited.requests.map(({ headers }) => headers['idempotency-key'])).size, 1)
})

t.test('all pages, one after the other', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: url })
  for (let n = 0; n < 7; n++) await client.createUser(101, { last_name: 'Doe', email_address: `jane${n}@example.com` })
  const sizes: number[] = []
  const ids = new Set<number | undefined>()
  for await (const { data } of client.userPages(101, { per_page: 3, 'filters[search]': 'jane' })) {
    sizes.push(data.length)
    for (const { id } of data) ids.add(id)
  }
  t.strictSame([sizes, ids.size], [[3, 3, 1], 7])
  const lists = () => emulator.apiRequests.filter(({ method }) => method === 'GET').map(({ path }) => new URLSearchParams(path.split('?')[1]).get('page'))
  t.strictSame(lists(), ['1', '2', '3'])
  const walk = client.userPages(101, { per_page: 3, page: 2 })
  t.match(await walk.next(), { done: false, value: { data: { length: 3 } } })
  await walk.return()
  t.strictSame(lists(), ['1', '2', '3', '2'], 'who stops taking asks no more')
})

t.test('a link leads neither back nor to another host', async t => {
  const page = (link: string): ScriptedResponse => ({ status: 200, headers: { 'content-type': 'application/json', link }, body: '[]' })
  for (const [link, count] of [
    ['<https://elsewhere.example/companies/9/users?page=2>; rel="next"', 2],
    ['</companies/101/users?page=1>; rel="first", </companies/101/users?per_page=5&page=2>; rel="next last"', 2],
    ['</companies/101/users?page=1>; rel="next"', 1],
    ['</companies/101/users?page=x>; rel=next', 1],
    ['</companies/101/users?page=2>; rel="nextish"', 1],
    ['', 1],
  ] as const) {
    const { url, requests } = await startScriptedServer(t, [page(link), page('')])
    let pages = 0
    for await (const { status } of createClient({ baseUrl: url }).userPages(101)) pages += Number(status === 200)
    t.strictSame([pages, requests.length], [count, count], link)
    t.ok(requests.every(({ url }) => url?.startsWith('/companies/101/users?page=')))
  }
})

t.test('a form that is known is not sent again', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const first = await client.userForm(101)
  t.match(first, { status: 200, data: { avatar: { maxBytes: 10_485_760 } } })
  const second = await client.userForm(101, { ifNoneMatch: first })
  t.equal(second.status, 304)
  t.equal(second.data, first.data)
  const third = await client.userForm(101, { ifNoneMatch: second })
  t.match([third.status, third.data === first.data], [304, true])
  t.match(await client.userForm(101, { ifNoneMatch: { ...first, headers: new Headers({ etag: '"another"' }) } }), { status: 200 })
})

t.test('the pick-lists by name', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const lists = await Promise.all([client.permissionTemplates(101, { 'filters[type]': 'company_tools' }), client.vendors(101, { view: 'compact' }), client.workClassifications(101), client.trades(101), client.configurableFieldSets(101)])
  for (const { status, data } of lists) t.match([status, data.length > 0], [200, true])
})
