// Tests the other methods of the client in Node: lists, pages, updates, invitations and the user form.
import t from 'tap'
import { createClient, type Progress } from '../../client/client.ts'
import { jpeg, png } from '../helpers/images.ts'
import { jane } from '../helpers/requests.ts'
import {
  createdResponse,
  problemResponse,
  startScriptedServer,
  type ScriptedResponse
} from '../helpers/scripted-server.ts'
import { startService } from '../helpers/service.ts'

const toBlob = (image: Buffer) => new Blob([new Uint8Array(image)])

t.test('a user is found in the list, shown and updated', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const { data: { id } } = await client.createUser(101, jane)
  await client.createUser(101, { last_name: 'Smith', email_address: 'smith@example.com' })
  const { data, headers } = await client.listUsers(101, {
    'filters[search]': jane.email_address,
    sort: 'name',
    view: 'extended',
    per_page: 10,
  })
  t.match(data, [{ id, email_address: jane.email_address }])
  t.strictSame([data.length, headers.get('total'), headers.get('per-page')], [1, '1', '10'])
  t.match(await client.showUser(101, id), { status: 200, data: { id, last_name: jane.last_name } })
  const changes = { job_title: 'Architect', add_to_new_projects: true }
  t.match(await client.updateUser(101, id, { ...changes, city: undefined }), { status: 200, data: { id, ...changes } })
  await t.rejects(client.showUser(101, 1), { name: 'ProblemError', status: 404, code: 'procore_rejected' })
})

t.test('the ids of users are listed by page, however many fields the users have', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: url })
  const created: number[] = []
  for (let index = 0; index < 3; index++) {
    const { data } = await client.createUser(101, { last_name: 'Doe', email_address: `jane${index}@example.com` })
    created.push(data.id)
  }
  const { data, headers } = await client.listUserIds(101, { per_page: 2 })
  t.strictSame([data.length, headers.get('total')], [2, '3'])
  const ids: number[] = []
  for await (const { data } of client.userIdPages(101, { per_page: 2 })) ids.push(...data)
  t.strictSame(ids.sort(), created.sort())
  const listRequests = emulator.apiRequests.filter(({ method }) => method === 'GET')
  t.ok(listRequests.every(({ path }) => path.includes('view=ids_only')))
})

t.test('null in an update clears the field', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const { data: { id } } = await client.createUser(101, { ...jane, city: 'Carpinteria' })
  await client.updateUser(101, id, { city: null })
  t.equal((await client.showUser(101, id)).data.city, null)
})

t.test('null in an update with an avatar throws, because a form cannot clear a field', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  await t.rejects(client.updateUser(101, 1, { city: null }, { avatar: toBlob(png()) }), {
    name: 'TypeError',
    message: 'A form cannot clear city: send null in an update without an avatar.',
  })
  const created = await client.createUser(101, { ...jane, city: null }, { avatar: toBlob(png()) })
  t.equal(created.data.city, null)
})

t.test('an update replaces the avatar and reports progress', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: url })
  const { data: { id } } = await client.createUser(101, jane, { avatar: toBlob(png(1000)) })
  const image = jpeg(2_000_000)
  const seen: Progress[] = []
  await client.updateUser(101, id, {}, {
    avatar: toBlob(image),
    onProgress: progress => seen.push(progress),
  })
  t.ok(emulator.api.directory.users.get(id)?.avatar?.equals(image))
  t.ok(seen.length > 5)
  t.equal(seen.at(-1)?.loaded, seen.at(-1)?.total)
})

t.test('an update with an invalid field or without a field that the company requires is rejected', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const { data: { id } } = await client.createUser(101, jane)
  await t.rejects(client.updateUser(101, id, { email_address: 'jane' }), {
    code: 'validation_failed',
    errors: [{ pointer: '/user/email_address' }],
  })
  await t.rejects(client.updateUser(101, id, { job_title: ' ' }, { runConfigurableValidations: true }), {
    code: 'procore_rejected',
    errors: [{ pointer: '/user/job_title', rule: 'procore' }],
  })
})

t.test('an invitation is sent once for each idempotency key', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: url })
  const { data: { id } } = await client.createUser(101, jane)
  t.match(await client.inviteUser(101, id, { idempotencyKey: 'one' }), { status: 202, isReplayed: false })
  t.match(await client.inviteUser(101, id, { idempotencyKey: 'one' }), { status: 202, isReplayed: true })
  t.match(await client.inviteUser(101, id), { status: 202, isReplayed: false })
  t.equal(emulator.apiRequests.filter(({ path }) => path.endsWith('/invite')).length, 2)
})

t.test('syncUsers creates and updates users, says what became of each row, and is sent once with a key', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: url })
  const { data: { id } } = await client.createUser(101, jane)
  const taken = { last_name: 'Roe', email_address: jane.email_address }
  const rows = [{ id, job_title: 'Architect' }, { last_name: 'Smith', email_address: 'smith@example.com' }, taken]
  const options = { idempotencyKey: 'one' }
  const synced = await client.syncUsers(101, rows, options)
  t.match(synced, { status: 200, isReplayed: false, data: { entities: { length: 2 }, errors: { length: 1 } } })
  const statuses = ['updated', 'created', 'rejected']
  t.match(synced.data.rows, statuses.map((status, index) => ({ row: index + 1, status })))
  t.match(emulator.api.directory.users.get(id)?.values, { job_title: 'Architect' })
  const replayed = await client.syncUsers(101, rows, options)
  t.match(replayed, { isReplayed: true, data: { rows: synced.data.rows } })
  t.equal(emulator.apiRequests.filter(({ path }) => path.endsWith('/sync')).length, 1)
})

t.test('a sync with a row that is not valid throws, and the error names the row', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: url })
  const rows = [jane, { last_name: 'Smith', email_address: 'smith' }]
  await t.rejects(client.syncUsers(101, rows), {
    code: 'validation_failed', errors: [{ pointer: '/updates/1/email_address' }],
  })
  t.equal(emulator.apiRequests.length, 0)
})

t.test('userAvatar returns the picture of a user, whether or not Procore asks for the access token', async t => {
  for (const avatarAccess of ['open', 'access-token'] as const) {
    await t.test(avatarAccess, async t => {
      const { url } = await startService(t, {
        env: { PROCORE_FILE_ALLOW_LOOPBACK: 'true' }, emulator: { avatarAccess },
      })
      const client = createClient({ baseUrl: url })
      const image = png(50_000)
      const { data: { id } } = await client.createUser(101, jane, { avatar: toBlob(image) })
      const avatar = await client.userAvatar(101, id)
      t.match(avatar, { status: 200, data: { type: 'image/png', size: image.length }, attempts: 1 })
      t.ok(image.equals(new Uint8Array(await avatar?.data.arrayBuffer() ?? [])))
      const again = await client.userAvatar(101, id, { ifNoneMatch: avatar })
      t.equal(again?.status, 304)
      t.equal(again?.data, avatar?.data)
    })
  }
})

t.test('userAvatar returns undefined for a user without a picture, and fails for an unknown user', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const { data: { id } } = await client.createUser(101, jane)
  t.equal(await client.userAvatar(101, id), undefined)
  await t.rejects(client.userAvatar(101, 1), { name: 'ProblemError', status: 404, code: 'procore_rejected' })
})

t.test('a picture whose connection is lost is requested again', async t => {
  const image = { status: 200, headers: { 'content-type': 'image/png' }, body: 'a picture' }
  const { url } = await startScriptedServer(t, ['reset', image])
  const avatar = await createClient({ baseUrl: url }).userAvatar(101, 7)
  t.match(avatar, { attempts: 2, data: { size: 9, type: 'image/png' } })
})

t.test('a create that is refused as a duplicate names the existing user', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const { data: { id } } = await client.createUser(101, jane)
  for (const isActive of [true, false]) {
    await t.test(isActive ? 'an active one' : 'an inactive one', async t => {
      await client.updateUser(101, id, { is_active: isActive })
      const existing = { id, is_active: isActive }
      await t.rejects(client.createUser(101, jane), { code: 'procore_rejected', outcome: 'rejected', existing })
    })
  }
})

t.test('an inactive user is found in its list and reactivated', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const { data: { id } } = await client.createUser(101, jane)
  await client.updateUser(101, id, { is_active: false })
  t.match(await client.listInactiveUsers(101, { sort: 'name', per_page: 10 }), { data: [{ id, is_active: false }] })
  const ids: Array<number | undefined> = []
  for await (const { data } of client.inactiveUserPages(101)) ids.push(...data.map(({ id }) => id))
  t.strictSame(ids, [id])
  t.match(await client.reactivateUser(101, id), { status: 200, data: { id, is_active: true } })
  t.strictSame((await client.listInactiveUsers(101)).data, [])
  await t.rejects(client.reactivateUser(101, id), { code: 'procore_rejected', status: 404 })
})

t.test('a reactivation whose response is lost is sent again', async t => {
  const { url, requests } = await startScriptedServer(t, ['reset', { ...createdResponse, status: 200 }])
  t.match(await createClient({ baseUrl: url }).reactivateUser(101, 7), { attempts: 2, data: { id: 7 } })
  const request = 'PATCH /companies/101/users/inactive/7'
  t.strictSame(requests.map(({ method, url }) => `${method} ${url}`), [request, request])
})

t.test('an update whose response is lost is retried, and an invitation is retried with its key', async t => {
  const { url, requests } = await startScriptedServer(t, ['reset', createdResponse])
  const client = createClient({ baseUrl: url })
  t.match(await client.updateUser(101, 7, { city: 'Carpinteria' }), { attempts: 2 })
  t.match(await client.inviteUser(101, 7), { attempts: 1 })
  t.match(requests.map(({ method, url, headers }) => [method, url, typeof headers['idempotency-key']]), [
    ['PATCH', '/companies/101/users/7', 'undefined'],
    ['PATCH', '/companies/101/users/7', 'undefined'],
    ['PATCH', '/companies/101/users/7/invite', 'string'],
  ])
  const invited = await startScriptedServer(t, [problemResponse('procore_timeout', 'unknown'), createdResponse])
  await createClient({ baseUrl: invited.url }).inviteUser(101, 7)
  const idempotencyKeys = invited.requests.map(({ headers }) => headers['idempotency-key'])
  t.equal(idempotencyKeys.length, 2)
  t.equal(new Set(idempotencyKeys).size, 1)
})

t.test('userPages requests the pages one after the other, and none after the loop ends', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: url })
  for (let index = 0; index < 7; index++) {
    await client.createUser(101, { last_name: 'Doe', email_address: `jane${index}@example.com` })
  }
  const sizes: number[] = []
  const ids = new Set<number | undefined>()
  for await (const { data } of client.userPages(101, { per_page: 3, 'filters[search]': 'jane' })) {
    sizes.push(data.length)
    for (const { id } of data) ids.add(id)
  }
  t.strictSame([sizes, ids.size], [[3, 3, 1], 7])
  const listRequestedPages = () => emulator.apiRequests
    .filter(({ method }) => method === 'GET')
    .map(({ path }) => new URLSearchParams(path.split('?')[1]).get('page'))
  t.strictSame(listRequestedPages(), ['1', '2', '3'])
  const pages = client.userPages(101, { per_page: 3, page: 2 })
  t.match(await pages.next(), { done: false, value: { data: { length: 3 } } })
  await pages.return()
  t.strictSame(listRequestedPages(), ['1', '2', '3', '2'], 'no page is requested after the end of the loop')
})

const linkRows = [
  {
    name: 'a link to another host is followed on the service only',
    link: '<https://elsewhere.example/companies/9/users?page=2>; rel="next"',
    pages: 2,
  },
  {
    name: 'a link with several relations is followed',
    link: '</companies/101/users?page=1>; rel="first", </companies/101/users?per_page=5&page=2>; rel="next last"',
    pages: 2,
  },
  { name: 'a relative link is followed', link: '<?page=1>; rel="prev", <?per_page=5&page=2>; rel="next"', pages: 2 },
  { name: 'a link back is not followed', link: '</companies/101/users?page=1>; rel="next"', pages: 1 },
  { name: 'a link without a page number is not followed', link: '</companies/101/users?page=x>; rel=next', pages: 1 },
  {
    name: 'a link of another relation is not followed',
    link: '</companies/101/users?page=2>; rel="nextish"',
    pages: 1,
  },
  { name: 'a response without a link is the last page', link: '', pages: 1 },
]

for (const { name, link, pages } of linkRows) {
  t.test(name, async t => {
    const toPage = (link: string): ScriptedResponse => {
      return { status: 200, headers: { 'content-type': 'application/json', link }, body: '[]' }
    }
    const { url, requests } = await startScriptedServer(t, [toPage(link), toPage('')])
    let received = 0
    for await (const { status } of createClient({ baseUrl: url }).userPages(101)) received += Number(status === 200)
    t.strictSame([received, requests.length], [pages, pages])
    t.ok(requests.every(({ url }) => url?.startsWith('/companies/101/users?page=')))
  })
}

t.test('a user form that is still valid is returned without a download', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const first = await client.userForm(101)
  t.match(first, { status: 200, data: { avatar: { maxBytes: 10_485_760 } } })
  const second = await client.userForm(101, { ifNoneMatch: first })
  t.equal(second.status, 304)
  t.equal(second.data, first.data)
  const third = await client.userForm(101, { ifNoneMatch: second })
  t.match([third.status, third.data === first.data], [304, true])
  const outdated = { ...first, headers: new Headers({ etag: '"another"' }) }
  t.match(await client.userForm(101, { ifNoneMatch: outdated }), { status: 200 })
})

t.test('every pick-list has a method', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const pickLists = {
    permissionTemplates: () => client.permissionTemplates(101, { 'filters[type]': 'company_tools' }),
    vendors: () => client.vendors(101, { view: 'compact' }),
    workClassifications: () => client.workClassifications(101),
    trades: () => client.trades(101),
    configurableFieldSets: () => client.configurableFieldSets(101),
  }
  for (const [name, fetchPickList] of Object.entries(pickLists)) {
    await t.test(`${name} returns items`, async t => {
      const { status, data } = await fetchPickList()
      t.equal(status, 200)
      t.ok(data.length > 0)
    })
  }
})
