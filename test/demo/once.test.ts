// One form creates one user after clicks, cancellations and reloads, and a truncated form creates none.
import t from 'tap'
import type { Page } from 'playwright-core'
import { png } from '../helpers/images.ts'
import {
  fillRequiredFields, loadPage, openDemo, openSections, selectFault, skip, submit, waitForOutcome,
} from '../helpers/demo.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const largeAvatar = png(9_000_000)

/** Limits the upload to 2 MB/s: on loopback it would end before the first progress event. */
async function slowDown (page: Page): Promise<void> {
  const devTools = await page.context().newCDPSession(page)
  await devTools.send('Network.emulateNetworkConditions', {
    offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 2_000_000,
  })
}

const chooseAvatar = (page: Page) => page.getByLabel('Avatar', { exact: true }).setInputFiles({
  name: 'jane.png', mimeType: 'image/png', buffer: largeAvatar,
})

/** Resolves while the upload is in progress. */
const waitForProgress = (page: Page) => page.waitForFunction(() => {
  const value = document.querySelector('progress')?.value ?? 0
  return value > 5 && value < 90
  // An animation frame, by which Playwright polls otherwise, can be late in a page that is not in front.
}, undefined, { polling: 50 })

// The tests mostly wait for uploads and retries, so that several pages can run at once.
t.jobs = 3

t.test('an upload of 9 MB shows its progress', { skip }, async t => {
  const { page, emulator } = await openDemo(t)
  await fillRequiredFields(page)
  await chooseAvatar(page)
  await slowDown(page)
  await submit(page)
  await page.getByRole('progressbar', { name: 'Upload' }).waitFor()
  await waitForProgress(page)
  t.match(await page.locator('#progress-text').innerText(), /^\d+ % of 9\.\d MB$/)
  await waitForOutcome(page, 'created')
  t.ok(await page.locator('#upload').isHidden())
  const [user] = emulator.api.directory.users.values()
  t.ok(user?.avatar?.equals(largeAvatar))
})

t.test('a create that is cancelled creates no user, and sent again it creates one', { skip }, async t => {
  const { page, countUsers, emulator } = await openDemo(t)
  await fillRequiredFields(page)
  await chooseAvatar(page)
  await slowDown(page)
  await submit(page)
  await waitForProgress(page)
  await page.getByRole('button', { name: 'Cancel' }).click()
  await waitForOutcome(page, 'cancelled')
  t.ok(await page.getByRole('button', { name: 'Cancel' }).isHidden())
  const creates = () => emulator.apiRequests.filter(({ method }) => method === 'POST')
  t.strictSame(creates().map(({ complete }) => complete), [false])
  t.equal(countUsers(), 0)
  await submit(page)
  await waitForOutcome(page, 'created')
  t.equal(countUsers(), 1)
})

t.test('a retry that is cancelled during the upload is reported as possibly created', { skip }, async t => {
  const { page } = await openDemo(t)
  await fillRequiredFields(page)
  await chooseAvatar(page)
  await selectFault(page, 'Server error, no user created')
  await slowDown(page)
  await submit(page)
  await page.locator('#outcome').getByText('Attempt 2').waitFor()
  await waitForProgress(page)
  await page.getByRole('button', { name: 'Cancel' }).click()
  await waitForOutcome(page, 'cancelled')
  await page.locator('#outcome').getByText('so the user may exist').waitFor()
})

t.test('a double click creates one user', { skip }, async t => {
  const { page, countCreates, countUsers } = await openDemo(t)
  await fillRequiredFields(page)
  await page.getByRole('button', { name: 'Create user' }).dblclick()
  await waitForOutcome(page, 'created')
  t.strictSame([countCreates(), countUsers()], [1, 1])
  await submit(page)
  await waitForOutcome(page, 'replayed')
  t.strictSame([countCreates(), countUsers()], [1, 1])
})

t.test('a page that is reloaded during a create sends the same key again and creates one user', { skip }, async t => {
  const { page, url, countCreates, countUsers } = await openDemo(t)
  await fillRequiredFields(page)
  await openSections(page)
  await page.getByLabel('Country').selectOption('US')
  await page.getByLabel('State or region').selectOption('CA')
  const idempotencyKeys = recordIdempotencyKeys(page)
  await selectFault(page, 'Response after 4 seconds')
  await submit(page)
  await waitUntil(() => countCreates() === 1)
  await loadPage(page, `${url}/demo`)
  await page.getByText('This page was left while a user was being created.').waitFor()
  t.equal(await page.getByLabel('State or region').inputValue(), 'CA')
  await submit(page)
  await page.locator('#outcome .badge').getByText(/^(replayed|recovered|created)$/).waitFor()
  t.strictSame([countUsers(), new Set(idempotencyKeys).size], [1, 1])
  t.ok(idempotencyKeys.length >= 2)
  t.ok(await page.locator('#interrupted').isHidden())
})

t.test('a form whose avatar is chosen again after a reload has the same key', { skip }, async t => {
  const { page, url, countUsers } = await openDemo(t)
  const avatar = { name: 'avatar.png', path: 'docs/avatar.png' }
  await fillRequiredFields(page)
  const idempotencyKeys = recordIdempotencyKeys(page)
  await page.getByLabel('Avatar', { exact: true }).setInputFiles(avatar.path)
  await submit(page)
  await waitForOutcome(page, 'created')
  await loadPage(page, `${url}/demo`)
  await page.getByLabel('Avatar', { exact: true }).setInputFiles(avatar.path)
  await submit(page)
  await waitForOutcome(page, 'replayed')
  t.strictSame([countUsers(), new Set(idempotencyKeys).size], [1, 1])
})

t.test('input before the options are loaded is kept, and so is the draft of an earlier page', { skip }, async t => {
  const { page, url } = await openDemo(t)
  await fillRequiredFields(page)
  await openSections(page)
  await page.getByLabel('Country').selectOption('US')
  await page.getByLabel('State or region').selectOption('CA')
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  await page.route('**/users/form', async route => {
    await released
    await route.continue()
  })
  const checkDraft = async () => {
    const draft = { first_name: 'Jane', job_title: 'Architect', country_code: 'US', state_code: 'CA' }
    for (const [id, value] of Object.entries(draft)) t.equal(await page.locator(`#${id}`).inputValue(), value, id)
  }
  await page.goto(`${url}/demo`)
  await page.getByLabel('Job title').fill('Architect')
  release()
  await page.locator('html[data-ready]').waitFor()
  await checkDraft()
  await loadPage(page, `${url}/demo`)
  await checkDraft()
})

t.test('a changed form has a new key', { skip }, async t => {
  const { page, countUsers } = await openDemo(t)
  await fillRequiredFields(page)
  const idempotencyKeys = recordIdempotencyKeys(page)
  await submit(page)
  await waitForOutcome(page, 'created')
  await page.getByLabel('E-mail required').fill('joe@example.com')
  await submit(page)
  await waitUntil(() => countUsers() === 2)
  t.equal(new Set(idempotencyKeys).size, 2)
})

/** Collects the Idempotency-Key of every create that the page sends. */
function recordIdempotencyKeys (page: Page): string[] {
  const idempotencyKeys: string[] = []
  page.on('request', request => {
    const isCreate = request.method() === 'POST' && request.url().endsWith('/users')
    if (isCreate) idempotencyKeys.push(request.headers()['idempotency-key'] ?? '')
  })
  return idempotencyKeys
}
