// The status page: off unless it is wanted, live, and without a word to any other host; looked at with a real browser.
import t from 'tap'
import { hasBrowser, openPage } from '../helpers/browser.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, multipartPart, jane, janeParts, RawConnection, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'
import { limits } from '../../src/config/limits.ts'
import { shutDown } from '../../src/server/shutdown.ts'

const skip = !hasBrowser && process.env['CI'] !== 'true' && 'chromium is not installed'
const env = { STATUS_PAGE: 'true' }

t.test('off unless it is wanted', async t => {
  const { url } = await startService(t)
  for (const path of ['/status', '/status/events', '/status/page.js']) t.equal((await send(`${url}${path}`, { method: 'GET' })).status, 404)
})

t.test('the page asks nobody else and may not be framed', async t => {
  const { url } = await startService(t, { env })
  const page = await send(`${url}/status`, { method: 'GET' })
  t.match(page.headers, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'content-security-policy': "default-src 'none';script-src 'self';style-src 'self';img-src data:;connect-src 'self';base-uri 'none';form-action 'none';frame-ancestors 'none'" })
  t.notMatch(page.text, /https?:\/\//)
})

t.test('in a browser: it shows what happens while it happens', { skip }, async t => {
  const service = await startService(t, { env, emulator: { rateLimit: 100 } })
  const { page, requestedUrls, errors } = await openPage(t)
  await page.goto(`${service.url}/status`)
  await page.getByText('ready', { exact: true }).waitFor()
  await page.getByText('Procore has told nothing yet.').waitFor()
  await page.getByText('None since the start.').waitFor()

  t.equal((await sendJson(service.usersUrl, { user: jane })).status, 201)
  await sendJson(service.usersUrl, { user: {} }, { 'x-request-id': 'ticket-7' })
  const allowance = page.getByRole('row', { name: '101' })
  await allowance.getByText('99 of 100').waitFor()
  const bar = page.getByRole('progressbar', { name: 'remaining of company 101' })
  t.strictSame([await bar.getAttribute('value'), await bar.getAttribute('max')], ['99', '100'])
  const problem = page.getByRole('row', { name: 'validation_failed' })
  await problem.getByText('ticket-7').waitFor()

  const rest = Promise.withResolvers<void>()
  const head = [multipartPart({ name: 'user[avatar]', filename: 'a.png', data: png(1_000_000) })]
  const tail = multipartBody(janeParts.map(part => part.name === 'user[email_address]' ? { ...part, data: 'b@example.com' } : part))
  const total = Buffer.concat([...head, tail]).length
  const upload = sendMultipart(service.usersUrl, (async function * () {
    yield * head
    await rest.promise
    yield tail
  })(), { 'x-request-id': 'upload-1', 'content-length': String(total) })
  const progress = page.getByRole('progressbar', { name: 'read of request upload-1' })
  await waitUntil(() => service.emulator.apiRequests.length === 2)
  await progress.waitFor()
  t.equal(await progress.getAttribute('max'), String(total))
  t.ok(Number(await progress.getAttribute('value')) > 900_000)
  await page.getByText('0 held, 1 streamed').waitFor()
  rest.resolve()
  t.equal((await upload).status, 201)
  await progress.waitFor({ state: 'detached' })

  for (let index = 0; index < limits.breaker.failures; index++) service.emulator.faults.add({ kind: 'reset-before-body' })
  for (let index = 0; index < limits.breaker.failures; index++) await sendJson(service.usersUrl, { user: { ...jane, email_address: `c${index}@example.com` } })
  await page.getByText('open: requests are refused at once').waitFor()
  await page.getByRole('row', { name: 'Procore API' }).getByText('down').waitFor()
  t.notMatch(await page.content(), /jane|Doe|example\.com/)
  t.strictSame(errors, [])
  t.ok(requestedUrls.length >= 4 && requestedUrls.every(address => address.startsWith(service.url) || address.startsWith('data:')), requestedUrls.join())

  t.notOk(await page.getByText('What stands below was so at').isVisible())
  await shutDown(service.app, { drainDelayMs: 0, graceMs: 5000 })
  await page.getByText('no connection').waitFor()
  await page.getByText('What stands below was so at').waitFor()
  t.equal(await page.locator('main.stale').count(), 1)
})

t.test('in a browser: a page that was refused or cut off comes back by itself', { skip }, async t => {
  const service = await startService(t, { env })
  const controller = new AbortController()
  const crowd = await Promise.all(Array.from({ length: limits.statusPage.clientsMax }, () => fetch(`${service.url}/status/events`, { signal: controller.signal })))
  const { page } = await openPage(t)
  await page.clock.install()
  const answer = page.waitForResponse(`${service.url}/status/events`)
  await page.goto(`${service.url}/status`)
  t.equal((await answer).status(), 503)
  await page.getByText('no connection').waitFor()
  controller.abort()
  t.equal(crowd.length, limits.statusPage.clientsMax)
  await waitUntil(() => service.lines.filter(({ msg, route }) => msg === 'request' && route === '/status/events').length > limits.statusPage.clientsMax)
  await page.clock.runFor(3000)
  await page.getByText('ready', { exact: true }).waitFor()
  t.equal(await page.locator('main.stale').count(), 0)
})

t.test('in a browser: only what changed is written, rows have heads, and all can be reached by keyboard', { skip }, async t => {
  const service = await startService(t, { env })
  await sendJson(service.usersUrl, { user: jane })
  await sendJson(service.usersUrl, { user: {} })
  const { page } = await openPage(t)
  await page.goto(`${service.url}/status`)
  await page.getByRole('rowheader', { name: 'Procore login' }).waitFor()
  await page.getByRole('rowheader', { name: '101' }).waitFor()
  await page.getByRole('rowheader', { name: 'validation_failed' }).waitFor()
  for (const name of ['Depends on', 'Now', 'Procore\'s allowance', 'Latest problems by code']) {
    const region = page.getByRole('region', { name })
    await region.focus()
    t.ok(await region.evaluate(node => node === node.ownerDocument.activeElement), name)
  }
  const writes = await page.evaluate(`new Promise(resolve => {
    const written = []
    new MutationObserver(records => {
      for (const { target, type } of records) written.push([type, (target.closest ?? target.parentElement.closest).call(target.closest ? target : target.parentElement, '[id]').id])
    }).observe(document, { subtree: true, childList: true, characterData: true, attributes: true })
    let events = 0
    new EventSource('/status/events').addEventListener('message', () => { if (++events === 4) resolve(written) })
  })`)
  const ids = new Set(JSON.parse(JSON.stringify(writes)).map(([, id]: [string, string]) => id))
  t.notOk(ids.has('phase'), 'a live region that did not change is left alone')
  t.notMatch(JSON.stringify(writes), /attributes/)
  t.ok(ids.size > 0, 'ages go on')
})

t.test('those who watch are limited in number, and hold no stop up', async t => {
  const service = await startService(t, { env })
  const controller = new AbortController()
  const watch = () => fetch(`${service.url}/status/events`, { signal: controller.signal })
  const watchers = await Promise.all(Array.from({ length: limits.statusPage.clientsMax }, watch))
  t.ok(watchers.every(({ status, headers }) => status === 200 && headers.get('content-type') === 'text/event-stream'))
  t.match(await send(`${service.url}/status/events`, { method: 'GET' }), { status: 503, json: { code: 'overloaded' } })
  const first = watchers[0]?.body?.getReader()
  const { value } = await first?.read() ?? {}
  t.match(JSON.parse(Buffer.from(value ?? []).toString().replace(/^data: /, '')), { phase: 'ready', problems: [], uploads: [] })
  await shutDown(service.app, { drainDelayMs: 0, graceMs: 5000 })
  controller.abort()
})

t.test('requests that can not be read are among the latest problems', async t => {
  const { url, port } = await startService(t, { env })
  const caller = new RawConnection(port)
  caller.write('not HTTP\r\n\r\n')
  await caller.readToEnd()
  const latest = async () => {
    const controller = new AbortController()
    const { body } = await fetch(`${url}/status/events`, { signal: controller.signal })
    const { value } = await body?.getReader().read() ?? {}
    controller.abort()
    return JSON.parse(Buffer.from(value ?? []).toString().replace(/^data: /, '')).problems
  }
  t.match(await latest(), [{ code: 'bad_request', count: 1, requestId: /^[0-9a-f-]{36}$/ }])
  await send(`${url}/%zz`, { method: 'GET', headers: { 'x-request-id': 'ticket-8' } })
  t.match(await latest(), [{ code: 'bad_request', count: 2, requestId: 'ticket-8' }])
})

t.test('who watches is no request under way, has no duration, and leaves with 200; HEAD has no such route', async t => {
  const { url, app, lines } = await startService(t, { env })
  const metrics = async () => (await send(`${url}/metrics`, { method: 'GET' })).text
  const controller = new AbortController()
  const { body } = await fetch(`${url}/status/events`, { signal: controller.signal })
  await body?.getReader().read()
  t.equal(app.inFlight.count, 0)
  t.match(await metrics(), /^procore_bff_requests_in_flight 1$/m, 'the question itself')
  controller.abort()
  const ended = () => lines.filter(({ msg, route }) => msg === 'request' && route === '/status/events')
  await waitUntil(() => ended().length > 0)
  t.match(ended(), [{ level: 'info', status: 200, code: undefined }])
  t.match(await metrics(), /^procore_bff_requests_total\{method="GET",route="\/status\/events",status_class="2xx",code=""\} 1$/m)
  t.notMatch(await metrics(), /^procore_bff_request_duration_seconds_count\{route="\/status\/events"\}/m)
  t.match(await send(`${url}/status/events`, { method: 'HEAD' }), { status: 405, headers: { allow: 'GET' } })
})
