// The client in a real browser, on a page of another origin, as modules that no build step made.
import t, { type Test } from 'tap'
import type { Page } from 'playwright-core'
import type * as ClientModule from '../../client/client.ts'
import { clientModules } from '../../client/serve.ts'
import { hasBrowser, openPage } from '../helpers/browser.ts'
import { startLossyProxy, type LossyProxy } from '../helpers/lossy-proxy.ts'
import { startPageServer } from '../helpers/page-server.ts'
import { createdResponse, startScriptedServer } from '../helpers/scripted-server.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const skip = !hasBrowser && process.env['CI'] !== 'true' && 'chromium is not installed'

interface Try {
  baseUrl: string
  email: string
  avatarBytes?: number
  isWatched?: boolean
  idempotencyKey?: string
  /** How often it is submitted at once. */
  times?: number
  /** The page leaves when so much was sent. */
  abortAtBytes?: number
}

interface Told {
  ids: Array<number | undefined>
  attempts: number[]
  replayed: boolean[]
  progress: Array<{ loaded: number, total: number }>
  repeats: Array<{ name: string, outcome: string | undefined, hasKey: boolean }>
  failure?: { name: string, code?: string, email?: string[], avatar?: string[], message: string }
}

declare global {
  interface Window { tryOut (it: Try): Promise<Told> }
}

t.test('what is served has no types and asks for nothing that is not served', async t => {
  const modules = clientModules()
  for (const [name, source] of modules) {
    for (const [, asked = ''] of source.matchAll(/(?:from|import) '([^']+)'/g)) t.ok(asked.startsWith('./') && modules.has(asked.slice(2)), `${name} asks for ${asked}`)
    t.notMatch(source, /^(import|export) type|^interface /m)
  }
  t.ok(modules.has('client.ts'))
})

t.test('as JSON', { skip }, async t => {
  const { service, way, tryOut, errors } = await open(t)
  const told = await tryOut({ baseUrl: way.url, email: 'jane@example.com' })
  t.match(told, { attempts: [1], replayed: [false], ids: [Number] })
  t.match(service.emulator.apiRequests[0]?.headers, { 'content-type': 'application/json', 'idempotency-token': String })
  t.strictSame(errors, [])
})

t.test('as a form: 9 MB with progress, and without', { skip }, async t => {
  const { service, way, tryOut, errors } = await open(t)
  for (const [email, isWatched] of [['jane@example.com', true], ['joe@example.com', false]] as const) {
    const { ids, progress, attempts } = await tryOut({ baseUrl: way.url, email, avatarBytes: 9_000_000, isWatched })
    const held = service.emulator.api.directory.users.get(ids[0] ?? 0)
    t.strictSame([attempts, held?.avatar?.length, held?.values['is_employee'], held?.values['vendor_id']], [[1], 9_000_000, true, 161072])
    t.equal(progress.length > 0, isWatched)
    t.ok(progress.every(({ loaded, total }, index) => total > 9_000_000 && loaded <= total && loaded >= (progress[index - 1]?.loaded ?? 0)))
    t.equal(progress.at(-1)?.loaded, progress.at(-1)?.total)
  }
  t.strictSame(errors, [])
})

t.test('faults under their fields, from either side', { skip }, async t => {
  const { way, tryOut } = await open(t)
  t.match(await tryOut({ baseUrl: way.url, email: 'jane' }), { failure: { name: 'ProblemError', code: 'validation_failed', email: ['must be an e-mail address'] } })
  await tryOut({ baseUrl: way.url, email: 'jane@example.com' })
  t.match(await tryOut({ baseUrl: way.url, email: 'jane@example.com' }), { failure: { code: 'procore_rejected', email: ['has already been taken'] } })
  t.match(await tryOut({ baseUrl: way.url, email: 'joe@example.com', avatarBytes: 12_000_000, isWatched: true }), { failure: { code: 'avatar_too_large', avatar: [String] } })
})

t.test('a page that leaves in the middle makes no user', { skip }, async t => {
  const { service, way, page, tryOut } = await open(t)
  // On loopback all of it would be gone before the first event of progress.
  const devTools = await page.context().newCDPSession(page)
  await devTools.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 4_000_000 })
  const told = await tryOut({ baseUrl: way.url, email: 'jane@example.com', avatarBytes: 9_000_000, isWatched: true, abortAtBytes: 100_000 })
  t.match(told, { ids: [], failure: { name: 'Error', message: 'left' } })
  t.ok((told.progress.at(-1)?.loaded ?? Infinity) < 9_000_000)
  await waitUntil(() => service.lines.some(({ msg, status }) => msg === 'request' && status === 499))
  t.equal(service.emulator.api.directory.list(101).length, 0)
})

t.test('submitted twice under one key: one user', { skip }, async t => {
  const { service, way, tryOut } = await open(t)
  service.emulator.faults.add({ kind: 'delay', delayMs: 300 })
  const { ids, replayed } = await tryOut({ baseUrl: way.url, email: 'jane@example.com', idempotencyKey: 'one', times: 2 })
  t.equal(ids[0], ids[1])
  t.strictSame(replayed.sort(), [false, true])
  t.equal(service.emulator.api.directory.list(101).length, 1)
})

t.test('a connection that is reset before the answer: asked again under the same key, one user', { skip }, async t => {
  const { service, way, tryOut } = await open(t)
  for (const [index, part] of [{}, { avatarBytes: 500_000 }, { avatarBytes: 500_000, isWatched: true }].entries()) {
    way.responsesToDrop = 2
    const told = await tryOut({ baseUrl: way.url, email: `jane${index}@example.com`, ...part })
    t.match(told, { replayed: [true], ids: [Number] })
    t.ok(told.repeats.length > 0 && told.repeats.every(({ name, outcome, hasKey }) => name === 'NetworkError' && outcome === 'unknown' && hasKey))
    t.equal(way.responsesToDrop, 0)
    t.equal(service.emulator.api.directory.list(101).length, index + 1)
  }
})

t.test('of another origin all of it can be read: pages, a change, an invitation, a form that is known', { skip }, async t => {
  const { service, page, errors } = await open(t)
  const told = await page.evaluate(async baseUrl => {
    const address = '/client/client.ts'
    const { createClient }: typeof ClientModule = await import(address)
    const client = createClient({ baseUrl })
    const ids: number[] = []
    for (const name of ['a', 'b', 'c']) ids.push((await client.createUser(101, { last_name: 'Doe', email_address: `${name}@example.com` })).data.id ?? 0)
    const sizes: number[] = []
    for await (const { data } of client.userPages(101, { per_page: 2 })) sizes.push(data.length)
    const [id = 0] = ids
    const gif = new Blob(['GIF89a', Uint8Array.of(1, 0, 1, 0), new Uint8Array(90_000)])
    let loaded = 0
    const { data } = await client.updateUser(101, id, { city: 'Carpinteria' }, { avatar: gif, onProgress: progress => { loaded = progress.loaded } })
    const invited = await client.inviteUser(101, id)
    const ifNoneMatch = await client.userForm(101)
    const { status, data: form } = await client.userForm(101, { ifNoneMatch })
    return { sizes, city: data.city, loaded, invited: invited.status, status, isSame: form === ifNoneMatch.data }
  }, service.url)
  t.match(told, { sizes: [2, 1], city: 'Carpinteria', invited: 202, status: 304, isSame: true })
  t.ok(told.loaded > 90_000)
  t.strictSame(errors, [])
})

t.test('with a fetch of one\'s own, and a `process` that a bundler put there, a form goes out whole', { skip }, async t => {
  const { service, page } = await open(t)
  const status = await page.evaluate(async baseUrl => {
    const address = '/client/client.ts'
    const { createClient }: typeof ClientModule = await import(address)
    Object.assign(globalThis, { process: { env: {} } })
    const avatar = new Blob(['GIF89a', Uint8Array.of(1, 0, 1, 0), new Uint8Array(90_000)])
    return createClient({ baseUrl, fetch: (...args) => fetch(...args) }).createUser(101, { last_name: 'Doe', email_address: 'jane@example.com' }, { avatar, onProgress: () => {} }).then(({ status }) => status, String)
  }, service.url)
  t.equal(status, 201)
})

t.test('what a redirect leads to is no answer', { skip }, async t => {
  const elsewhere = await startScriptedServer(t, [{ ...createdResponse, headers: { ...createdResponse.headers, 'access-control-allow-origin': '*' } }])
  const { page } = await open(t)
  await page.route('**/companies/101/users', route => route.fulfill({ status: 303, headers: { location: elsewhere.url } }))
  for (const isWatched of [true, false]) {
    const failure = await page.evaluate(async isWatched => {
      const address = '/client/client.ts'
      const { createClient, isFailure }: typeof ClientModule = await import(address)
      const avatar = new Blob(['GIF89a', Uint8Array.of(1, 0, 1, 0), new Uint8Array(1000)])
      const call = createClient({ baseUrl: '' }).send('post', '/companies/{company_id}/users', { path: { company_id: 101 }, body: { user: { last_name: 'Doe', email_address: 'jane@example.com' } } }, { avatar, onProgress: isWatched ? () => {} : undefined })
      return call.then(({ status }) => String(status), error => isFailure(error) ? error.name : String(error))
    }, isWatched)
    t.equal(failure, 'NetworkError', isWatched ? 'XMLHttpRequest' : 'fetch')
  }
})

/** A page that has the client, and the service of another origin behind a way that can lose answers. */
async function open (t: Test): Promise<{ service: Service, way: LossyProxy, page: Page, errors: string[], tryOut: (it: Try) => Promise<Told> }> {
  const origin = await startPageServer(t, { '/': '<!doctype html><title>client</title><link rel="icon" href="data:,">' })
  const service = await startService(t, { env: { CORS_ORIGINS: origin } })
  const way = await startLossyProxy(t, service.port)
  const { page, errors } = await openPage(t)
  await page.goto(origin)
  await page.evaluate(install)
  return { service, way, page, errors, tryOut: it => page.evaluate(it => window.tryOut(it), it) }
}

/** Runs in the page. */
async function install (): Promise<void> {
  const address = '/client/client.ts'
  const { createClient, ProblemError }: typeof ClientModule = await import(address)
  window.tryOut = async ({ baseUrl, email, avatarBytes, isWatched, idempotencyKey, times = 1, abortAtBytes = Infinity }) => {
    const told: Told = { ids: [], attempts: [], replayed: [], progress: [], repeats: [] }
    const leaving = new AbortController()
    // A GIF of one pixel as far as anybody looks.
    const gif = (bytes: number) => new Blob(['GIF89a', Uint8Array.of(1, 0, 1, 0), new Uint8Array(bytes - 10)])
    const submit = () => createClient({ baseUrl }).createUser(101, { last_name: 'Doe', email_address: email, is_employee: true, vendor_id: 161072, city: undefined }, {
      avatar: avatarBytes === undefined ? undefined : gif(avatarBytes),
      idempotencyKey,
      signal: leaving.signal,
      onProgress: isWatched !== true
        ? undefined
        : progress => {
          told.progress.push(progress)
          if (progress.loaded >= abortAtBytes) leaving.abort(new Error('left'))
        },
      onRetry: ({ failure, idempotencyKey }) => told.repeats.push({ name: failure.name, outcome: failure.outcome, hasKey: idempotencyKey !== undefined }),
    })
    try {
      for (const { data, attempts, isReplayed } of await Promise.all(Array.from({ length: times }, submit))) {
        told.ids.push(data.id)
        told.attempts.push(attempts)
        told.replayed.push(isReplayed)
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error
      const messages = (field: 'email_address' | 'avatar') => error instanceof ProblemError ? error.errorsFor(field).map(({ message }) => message) : []
      told.failure = { name: error.name, message: error.message, email: messages('email_address'), avatar: messages('avatar'), ...(error instanceof ProblemError && { code: error.code }) }
    }
    return told
  }
}
