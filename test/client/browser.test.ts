// Tests the client in a browser, on a page of another origin, as modules without a build step.
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

// Each test has a service and a page of its own.
t.jobs = 2

const skip = !hasBrowser && process.env['CI'] !== 'true' && 'chromium is not installed'

interface Submission {
  baseUrl: string
  email: string
  avatarBytes?: number
  hasProgress?: boolean
  idempotencyKey?: string
  /** How often the form is submitted at the same time. */
  times?: number
  /** The page aborts the call when this many bytes are sent. */
  abortAtBytes?: number
}

interface SubmissionResult {
  ids: Array<number | undefined>
  attempts: number[]
  replayed: boolean[]
  progress: Array<{ loaded: number, total: number }>
  retries: Array<{ name: string, outcome: string | undefined, hasIdempotencyKey: boolean }>
  failure?: { name: string, code?: string, email?: string[], avatar?: string[], message: string }
}

declare global {
  interface Window {
    importClient (): Promise<typeof ClientModule>
    bmp (bytes: number): Blob
    submit (submission: Submission): Promise<SubmissionResult>
  }
}

t.test('the served modules have no types and import only served modules', async t => {
  const modules = clientModules()
  for (const [name, source] of modules) {
    for (const [, target = ''] of source.matchAll(/(?:from|import) '([^']+)'/g)) {
      t.ok(target.startsWith('./') && modules.has(target.slice(2)), `${name} imports ${target}`)
    }
    t.notMatch(source, /^(import|export) type|^interface /m)
  }
  t.ok(modules.has('client.ts'))
})

t.test('a user without an avatar is created as JSON', { skip }, async t => {
  const { service, proxy, submit, errors } = await open(t)
  const result = await submit({ baseUrl: proxy.url, email: 'jane@example.com' })
  t.match(result, { attempts: [1], replayed: [false], ids: [Number] })
  const { headers } = service.emulator.apiRequests[0] ?? {}
  t.match(headers, { 'content-type': 'application/json', 'idempotency-token': String })
  t.strictSame(errors, [])
})

t.test('a user with an avatar of 9 MB is created as a form', { skip }, async t => {
  const { service, proxy, submit, errors } = await open(t)
  for (const { name, email, hasProgress } of [
    { name: 'with progress', email: 'jane@example.com', hasProgress: true },
    { name: 'without progress', email: 'joe@example.com', hasProgress: false },
  ]) {
    await t.test(name, async t => {
      const input = { baseUrl: proxy.url, email, avatarBytes: 9_000_000, hasProgress }
      const { ids, progress, attempts } = await submit(input)
      const user = service.emulator.api.directory.users.get(ids[0] ?? 0)
      t.strictSame(attempts, [1])
      t.equal(user?.avatar?.length, 9_000_000)
      t.equal(user?.values['is_employee'], true)
      t.equal(user?.values['vendor_id'], 161072)
      t.equal(progress.length > 0, hasProgress)
      t.ok(progress.every(({ loaded, total }, index) => {
        return total > 9_000_000 && loaded <= total && loaded >= (progress[index - 1]?.loaded ?? 0)
      }))
      t.equal(progress.at(-1)?.loaded, progress.at(-1)?.total)
    })
  }
  t.strictSame(errors, [])
})

t.test('errors of the service and of Procore are found by their field', { skip }, async t => {
  const { proxy, submit } = await open(t)
  t.match(await submit({ baseUrl: proxy.url, email: 'jane' }), {
    failure: { name: 'ProblemError', code: 'validation_failed', email: ['must be an e-mail address'] },
  })
  await submit({ baseUrl: proxy.url, email: 'jane@example.com' })
  t.match(await submit({ baseUrl: proxy.url, email: 'jane@example.com' }), {
    failure: { code: 'procore_rejected', email: ['has already been taken'] },
  })
  const tooLarge = { baseUrl: proxy.url, email: 'joe@example.com', avatarBytes: 12_000_000, hasProgress: true }
  t.match(await submit(tooLarge), { failure: { code: 'avatar_too_large', avatar: [String] } })
})

t.test('an upload that the page aborts halfway creates no user', { skip }, async t => {
  const { service, proxy, page, submit } = await open(t)
  // Without throttling, loopback takes the whole body before the first progress event.
  const devTools = await page.context().newCDPSession(page)
  await devTools.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: 4_000_000,
  })
  const result = await submit({
    baseUrl: proxy.url,
    email: 'jane@example.com',
    avatarBytes: 9_000_000,
    hasProgress: true,
    abortAtBytes: 100_000,
  })
  t.match(result, { ids: [], failure: { name: 'Error', message: 'left' } })
  t.ok((result.progress.at(-1)?.loaded ?? Infinity) < 9_000_000)
  await waitUntil(() => service.lines.some(({ msg, status }) => msg === 'request' && status === 400))
  t.equal(service.emulator.api.directory.list(101).length, 0)
})

t.test('a form that is submitted twice with the same key creates one user', { skip }, async t => {
  const { service, proxy, submit } = await open(t)
  service.emulator.faults.add({ kind: 'delay', delayMs: 300 })
  const input = { baseUrl: proxy.url, email: 'jane@example.com', idempotencyKey: 'one', times: 2 }
  const { ids, replayed } = await submit(input)
  t.equal(ids[0], ids[1])
  t.strictSame(replayed.sort(), [false, true])
  t.equal(service.emulator.api.directory.list(101).length, 1)
})

t.test('a create whose connection is reset is retried and creates one user', { skip }, async t => {
  const { service, proxy, submit } = await open(t)
  const rows = [
    { name: 'JSON', input: {} },
    { name: 'a form', input: { avatarBytes: 500_000 } },
    { name: 'a form with progress', input: { avatarBytes: 500_000, hasProgress: true } },
  ]
  for (const [index, { name, input }] of rows.entries()) {
    await t.test(name, async t => {
      const usersBefore = service.emulator.api.directory.list(101).length
      proxy.responsesToDrop = 2
      const result = await submit({ baseUrl: proxy.url, email: `jane${index}@example.com`, ...input })
      t.match(result, { replayed: [true], ids: [Number] })
      t.ok(result.retries.length > 0)
      t.ok(result.retries.every(({ name, outcome, hasIdempotencyKey }) => {
        return name === 'NetworkError' && outcome === 'unknown' && hasIdempotencyKey
      }))
      t.equal(proxy.responsesToDrop, 0)
      t.equal(service.emulator.api.directory.list(101).length, usersBefore + 1)
    })
  }
})

t.test('a page of another origin can use pages, updates, invitations and ETags', { skip }, async t => {
  const { service, page, errors } = await open(t)
  const result = await page.evaluate(async baseUrl => {
    const { createClient } = await window.importClient()
    const client = createClient({ baseUrl })
    const ids: number[] = []
    for (const name of ['a', 'b', 'c']) {
      const { data } = await client.createUser(101, { last_name: 'Doe', email_address: `${name}@example.com` })
      ids.push(data.id)
    }
    const sizes: number[] = []
    for await (const { data } of client.userPages(101, { per_page: 2 })) sizes.push(data.length)
    const [id = 0] = ids
    let loaded = 0
    const { data } = await client.updateUser(101, id, { city: 'Carpinteria' }, {
      avatar: window.bmp(90_000),
      onProgress: progress => { loaded = progress.loaded },
    })
    const invited = await client.inviteUser(101, id)
    const ifNoneMatch = await client.userForm(101)
    const { status, data: form } = await client.userForm(101, { ifNoneMatch })
    return { sizes, city: data.city, loaded, invited: invited.status, status, isSame: form === ifNoneMatch.data }
  }, service.url)
  t.match(result, { sizes: [2, 1], city: 'Carpinteria', invited: 202, status: 304, isSame: true })
  t.ok(result.loaded > 90_000)
  t.strictSame(errors, [])
})

t.test('a form is sent with a custom fetch on a page where a bundler has defined `process`', { skip }, async t => {
  const { service, page } = await open(t)
  const status = await page.evaluate(async baseUrl => {
    const { createClient } = await window.importClient()
    Object.assign(globalThis, { process: { env: {} } })
    const avatar = window.bmp(90_000)
    const client = createClient({ baseUrl, fetch: (...args) => fetch(...args) })
    const user = { last_name: 'Doe', email_address: 'jane@example.com' }
    return client.createUser(101, user, { avatar, onProgress: () => {} }).then(({ status }) => status, String)
  }, service.url)
  t.equal(status, 201)
})

t.test('the response of a redirect target is a NetworkError', { skip }, async t => {
  const headers = { ...createdResponse.headers, 'access-control-allow-origin': '*' }
  const target = await startScriptedServer(t, [{ ...createdResponse, headers }])
  const { page } = await open(t)
  const redirect = { status: 303, headers: { location: target.url } }
  await page.route('**/companies/101/users', route => route.fulfill(redirect))
  for (const { name, hasProgress } of [
    { name: 'with XMLHttpRequest', hasProgress: true },
    { name: 'with fetch', hasProgress: false },
  ]) {
    await t.test(name, async t => {
      const failure = await page.evaluate(async hasProgress => {
        const { createClient, isFailure } = await window.importClient()
        const avatar = window.bmp(1000)
        const user = { last_name: 'Doe', email_address: 'jane@example.com' }
        const input = { path: { company_id: 101 }, body: { user } }
        const call = createClient({ baseUrl: '' }).send('post', '/companies/{company_id}/users', input, {
          avatar,
          onProgress: hasProgress ? () => {} : undefined,
        })
        return call.then(({ status }) => String(status), (error: unknown) => {
          return isFailure(error) ? error.name : String(error)
        })
      }, hasProgress)
      t.equal(failure, 'NetworkError')
    })
  }
})

interface OpenedPage {
  service: Service
  proxy: LossyProxy
  page: Page
  errors: string[]
  submit: (submission: Submission) => Promise<SubmissionResult>
}

/** Opens a page with the client. The service has another origin, behind a proxy that can drop responses. */
async function open (t: Test): Promise<OpenedPage> {
  const html = '<!doctype html><title>client</title><link rel="icon" href="data:,">'
  const origin = await startPageServer(t, { '/': html })
  const service = await startService(t, { env: { CORS_ORIGINS: origin } })
  const proxy = await startLossyProxy(t, service.port)
  const { page, errors } = await openPage(t)
  await page.goto(origin)
  await page.evaluate('window.importClient = () => import("/client/client.ts")')
  await page.evaluate(install)
  const submit = (submission: Submission) => page.evaluate(input => window.submit(input), submission)
  return { service, proxy, page, errors, submit }
}

/** Defines `window.bmp` and `window.submit`. Runs in the page. */
async function install (): Promise<void> {
  const { createClient, ProblemError } = await window.importClient()
  // A BMP of one pixel, of which only the header is checked.
  window.bmp = bytes => {
    const header = new Uint8Array(54)
    header.set([0x42, 0x4d])
    header.set([40, 0, 0, 0, 1, 0, 0, 0, 1], 14)
    return new Blob([header, new Uint8Array(bytes - header.length)])
  }
  window.submit = async submission => {
    const { baseUrl, email, avatarBytes, hasProgress, idempotencyKey } = submission
    const { times = 1, abortAtBytes = Infinity } = submission
    const result: SubmissionResult = { ids: [], attempts: [], replayed: [], progress: [], retries: [] }
    const controller = new AbortController()
    const fields = { last_name: 'Doe', is_employee: true, vendor_id: 161072, city: undefined }
    const createUser = () => createClient({ baseUrl }).createUser(101, { ...fields, email_address: email }, {
      avatar: avatarBytes === undefined ? undefined : window.bmp(avatarBytes),
      idempotencyKey,
      signal: controller.signal,
      onProgress: hasProgress !== true
        ? undefined
        : progress => {
          result.progress.push(progress)
          if (progress.loaded >= abortAtBytes) controller.abort(new Error('left'))
        },
      onRetry: ({ failure: { name, outcome }, idempotencyKey }) => {
        result.retries.push({ name, outcome, hasIdempotencyKey: idempotencyKey !== undefined })
      },
    })
    try {
      for (const { data, attempts, isReplayed } of await Promise.all(Array.from({ length: times }, createUser))) {
        result.ids.push(data.id)
        result.attempts.push(attempts)
        result.replayed.push(isReplayed)
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error
      const getMessages = (field: 'email_address' | 'avatar') => {
        return error instanceof ProblemError ? error.errorsFor(field).map(({ message }) => message) : []
      }
      result.failure = {
        name: error.name,
        message: error.message,
        email: getMessages('email_address'),
        avatar: getMessages('avatar'),
        ...(error instanceof ProblemError && { code: error.code }),
      }
    }
    return result
  }
}
