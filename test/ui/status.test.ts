// Tests the status page and its events, over HTTP and in a browser.
import t from 'tap'
import { findViolations } from '../helpers/axe.ts'
import { hasBrowser, openPage } from '../helpers/browser.ts'
import { contentSecurityPolicy } from '../helpers/content-security-policy.ts'
import { png } from '../helpers/images.ts'
import {
  jane,
  janeParts,
  multipartBody,
  multipartPart,
  RawConnection,
  send,
  sendJson,
  sendMultipart
} from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { fillStatus } from '../helpers/status.ts'
import { waitUntil } from '../helpers/wait-until.ts'
import { limits } from '../../src/config/limits.ts'
import { shutDown } from '../../src/server/shutdown.ts'

const skip = !hasBrowser && process.env['CI'] !== 'true' && 'chromium is not installed'
const env = { STATUS_PAGE: 'true' }

interface StatusEvent {
  phase: string
  problems: unknown[]
  uploads: unknown[]
}

const parseEvent = (event: Uint8Array | undefined): Partial<StatusEvent> =>
  parseJson(Buffer.from(event ?? []).toString().replace(/^data: /, ''))

const parseJson: (text: string) => Partial<StatusEvent> = JSON.parse

t.test('the page and its files do not exist by default', async t => {
  const { url } = await startService(t)
  for (const path of ['/status', '/status/events', '/status/page.js']) {
    t.equal((await send(`${url}${path}`, { method: 'GET' })).status, 404, path)
  }
})

t.test('the page loads nothing from other hosts and may not be framed', async t => {
  const { url } = await startService(t, { env })
  const page = await send(`${url}/status`, { method: 'GET' })
  t.match(page.headers, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': contentSecurityPolicy,
  })
  t.notMatch(page.text, /https?:\/\//)
})

t.test('in a browser: the page shows rate limits, problems, uploads and outages live', { skip }, async t => {
  const service = await startService(t, { env, emulator: { rateLimit: 100 } })
  const { page, requestedUrls, errors } = await openPage(t)
  await page.goto(`${service.url}/status`)
  await page.getByText('ready', { exact: true }).waitFor()
  await page.getByText('Procore has not reported a rate limit yet.').waitFor()
  await page.getByText('None since the start.').waitFor()

  t.equal((await sendJson(service.usersUrl, { user: jane })).status, 201)
  await sendJson(service.usersUrl, { user: {} }, { 'x-request-id': 'ticket-7' })
  const rateLimit = page.getByRole('row', { name: '101' })
  await rateLimit.getByText('99 of 100').waitFor()
  const remaining = page.getByRole('progressbar', { name: 'remaining requests of company 101' })
  t.strictSame([await remaining.getAttribute('value'), await remaining.getAttribute('max')], ['99', '100'])
  const problem = page.getByRole('row', { name: 'validation_failed' })
  await problem.getByText('ticket-7').waitFor()

  const rest = Promise.withResolvers<void>()
  const head = [multipartPart({ name: 'user[avatar]', filename: 'a.png', data: png(1_000_000) })]
  const tail = multipartBody(janeParts.map(part => {
    return part.name === 'user[email_address]' ? { ...part, data: 'b@example.com' } : part
  }))
  const total = Buffer.concat([...head, tail]).length
  const upload = sendMultipart(service.usersUrl, (async function * () {
    yield * head
    await rest.promise
    yield tail
  })(), { 'x-request-id': 'upload-1', 'content-length': String(total) })
  const progress = page.getByRole('progressbar', { name: 'received bytes of request upload-1' })
  await waitUntil(() => service.emulator.apiRequests.length === 2)
  await progress.waitFor()
  t.equal(await progress.getAttribute('max'), String(total))
  t.ok(Number(await progress.getAttribute('value')) > 900_000)
  await page.getByText('0 buffered, 1 streamed').waitFor()
  rest.resolve()
  t.equal((await upload).status, 201)
  await progress.waitFor({ state: 'detached' })

  const { failures } = limits.breaker
  service.emulator.faults.add({ kind: 'reset-before-body', rate: 1 })
  for (let index = 0; index < failures; index++) {
    await sendJson(service.usersUrl, { user: { ...jane, email_address: `c${index}@example.com` } })
  }
  await page.getByText('open: requests fail at once').waitFor()
  await page.getByRole('row', { name: 'Procore API' }).getByText('down').waitFor()
  t.notMatch(await page.content(), /jane|Doe|example\.com/)
  t.strictSame(errors, [])
  t.ok(requestedUrls.length >= 4)
  t.strictSame(requestedUrls.filter(url => !url.startsWith(service.url) && !url.startsWith('data:')), [])

  const staleText = page.getByText('This page shows the status at')
  t.notOk(await staleText.isVisible())
  await shutDown(service.app, { drainDelayMs: 0, graceMs: 5000 })
  await page.getByText('no connection').waitFor()
  await staleText.waitFor()
  t.equal(await page.locator('main.stale').count(), 1)
})

t.test('in a browser: a page whose connection was rejected or lost reconnects by itself', { skip }, async t => {
  const service = await startService(t, { env })
  const controller = new AbortController()
  const subscribe = () => fetch(`${service.url}/status/events`, { signal: controller.signal })
  const subscribers = await Promise.all(Array.from({ length: limits.statusPage.clientsMax }, subscribe))
  const { page } = await openPage(t)
  await page.clock.install()
  const response = page.waitForResponse(`${service.url}/status/events`)
  await page.goto(`${service.url}/status`)
  t.equal((await response).status(), 503)
  await page.getByText('no connection').waitFor()
  controller.abort()
  t.equal(subscribers.length, limits.statusPage.clientsMax)
  const isEventsRequest = ({ msg, route }: typeof service.lines[number]) => {
    return msg === 'request' && route === '/status/events'
  }
  await waitUntil(() => service.lines.filter(isEventsRequest).length > limits.statusPage.clientsMax)
  await page.clock.runFor(3000)
  await page.getByText('ready', { exact: true }).waitFor()
  t.equal(await page.locator('main.stale').count(), 0)
})

t.test('in a browser: the page is accessible', { skip }, async t => {
  const service = await startService(t, { env })
  await sendJson(service.usersUrl, { user: jane })
  await sendJson(service.usersUrl, { user: {} })
  const { page } = await openPage(t)
  await page.goto(`${service.url}/status`)

  await t.test('every row has a header', async () => {
    await page.getByRole('rowheader', { name: 'Procore login' }).waitFor()
    await page.getByRole('rowheader', { name: '101' }).waitFor()
    await page.getByRole('rowheader', { name: 'validation_failed' }).waitFor()
  })

  for (const name of ['Dependencies', 'Now', 'Procore\'s rate limit', 'Latest problems by code']) {
    await t.test(`the region "${name}" can be focused by keyboard`, async t => {
      const region = page.getByRole('region', { name })
      await region.focus()
      t.ok(await region.evaluate(node => node === node.ownerDocument.activeElement))
    })
  }

  await t.test('an event changes only the nodes whose values changed', async t => {
    const changes = await page.evaluate<Array<[type: string, id: string]>>(`new Promise(resolve => {
      const changes = []
      new MutationObserver(records => {
        for (const { target, type } of records) {
          const element = target.closest ? target : target.parentElement
          changes.push([type, element.closest('[id]').id])
        }
      }).observe(document, { subtree: true, childList: true, characterData: true, attributes: true })
      let events = 0
      new EventSource('/status/events').addEventListener('message', () => { if (++events === 4) resolve(changes) })
    })`)
    const ids = new Set(changes.map(([, id]) => id))
    t.notOk(ids.has('phase'), 'an unchanged live region is not touched')
    t.notMatch(JSON.stringify(changes), /attributes/)
    t.ok(ids.size > 0, 'ages change')
  })
})

for (const [width, colorScheme] of [[1440, 'light'], [1440, 'dark'], [390, 'light'], [390, 'dark']] as const) {
  t.test(`in a browser: a filled page fits in ${width} pixels in ${colorScheme} mode`, { skip }, async t => {
    const { url } = await startService(t, { env, emulator: { rateLimit: 100 } })
    const { completeUploads } = await fillStatus(url)
    const { page } = await openPage(t)
    await page.setViewportSize({ width, height: 900 })
    await page.emulateMedia({ colorScheme })
    await page.goto(`${url}/status`)
    await page.getByRole('rowheader', { name: 'validation_failed' }).waitFor()
    await page.getByRole('progressbar', { name: 'received bytes of request' }).nth(1).waitFor()

    const overflowing = await page.locator('main, section').evaluateAll(elements => {
      return elements.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)
        .map(element => element.getAttribute('aria-labelledby'))
    })
    t.strictSame(overflowing, [], 'nothing has to be scrolled sideways')
    const lineCounts = await page.locator('#problems td:last-child code').evaluateAll(elements => {
      return elements.map(element => element.getClientRects().length)
    })
    t.equal(lineCounts.length, 4)
    t.ok(lineCounts.every(count => count <= (width < 600 ? 2 : 1)), `lines of a request id: ${lineCounts.join()}`)
    t.strictSame(await findViolations(page), [])
    t.strictSame(await completeUploads(), [201, 201])
  })
}

t.test('the number of event streams is limited, and they do not delay the shutdown', async t => {
  const service = await startService(t, { env })
  const controller = new AbortController()
  const subscribe = () => fetch(`${service.url}/status/events`, { signal: controller.signal })
  const responses = await Promise.all(Array.from({ length: limits.statusPage.clientsMax }, subscribe))
  t.ok(responses.every(({ status, headers }) => {
    return status === 200 && headers.get('content-type') === 'text/event-stream'
  }))
  const rejected = await send(`${service.url}/status/events`, { method: 'GET' })
  t.match(rejected, { status: 503, json: { code: 'overloaded' } })
  const { value } = await responses[0]?.body?.getReader().read() ?? {}
  t.match(parseEvent(value), { phase: 'ready', problems: [], uploads: [] })
  await shutDown(service.app, { drainDelayMs: 0, graceMs: 5000 })
  controller.abort()
})

t.test('a request that cannot be parsed is among the latest problems', async t => {
  const { url, port } = await startService(t, { env })
  const connection = new RawConnection(port)
  connection.write('not HTTP\r\n\r\n')
  await connection.readToEnd()
  const fetchProblems = async () => {
    const controller = new AbortController()
    const { body } = await fetch(`${url}/status/events`, { signal: controller.signal })
    const { value } = await body?.getReader().read() ?? {}
    controller.abort()
    return parseEvent(value).problems
  }
  t.match(await fetchProblems(), [{ code: 'bad_request', count: 1, requestId: /^[0-9a-f-]{36}$/ }])
  await send(`${url}/%zz`, { method: 'GET', headers: { 'x-request-id': 'ticket-8' } })
  t.match(await fetchProblems(), [{ code: 'bad_request', count: 2, requestId: 'ticket-8' }])
})

t.test('an event stream is not in flight, has no duration, and ends with status 200', async t => {
  const { url, app, lines } = await startService(t, { env })
  const fetchMetrics = async () => (await send(`${url}/metrics`, { method: 'GET' })).text
  const controller = new AbortController()
  const { body } = await fetch(`${url}/status/events`, { signal: controller.signal })
  await body?.getReader().read()
  t.equal(app.inFlight.count, 0)
  t.match(await fetchMetrics(), /^procore_bff_requests_in_flight 1$/m, 'the request for the metrics itself')
  controller.abort()
  const findEnded = () => lines.filter(({ msg, route }) => msg === 'request' && route === '/status/events')
  await waitUntil(() => findEnded().length > 0)
  t.match(findEnded(), [{ level: 'info', status: 200, code: undefined }])
  const metrics = await fetchMetrics()
  const labels = 'method="GET",route="/status/events",status_class="2xx",code=""'
  t.ok(metrics.split('\n').includes(`procore_bff_requests_total{${labels}} 1`))
  t.notMatch(metrics, /^procore_bff_request_duration_seconds_count\{route="\/status\/events"\}/m)
})

t.test('HEAD has no event stream', async t => {
  const { url } = await startService(t, { env })
  t.match(await send(`${url}/status/events`, { method: 'HEAD' }), { status: 405, headers: { allow: 'GET' } })
})
