// Whatever is clicked, lost or left: one form makes one user, and a form that is cut off makes none.
import t, { type Test } from 'tap'
import type { Page } from 'playwright-core'
import { png } from '../helpers/images.ts'
import { selectFault, fillRequiredFields, loadPage, openDemo, skip, submit, waitForOutcome } from '../helpers/demo.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const large = png(9_000_000)

/** On loopback all of it would be gone before the first event of progress. */
async function slowDown (page: Page): Promise<void> {
  const devTools = await page.context().newCDPSession(page)
  await devTools.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 6_000_000 })
}

const chooseAvatar = (page: Page) => page.getByLabel('Avatar', { exact: true }).setInputFiles({ name: 'jane.png', mimeType: 'image/png', buffer: large })

/** Somewhere between the first and the last byte. */
const inTheMiddle = (page: Page) => page.waitForFunction(() => {
  const value = document.querySelector('progress')?.value ?? 0
  return value > 5 && value < 90
})

// Most of the time is waiting for what the client waits for, by which no page holds up another.
t.jobs = 3

t.test('9 MB with progress', { skip }, async t => {
  const { page, emulator } = await openDemo(t)
  await fillRequiredFields(page)
  await chooseAvatar(page)
  await slowDown(page)
  await submit(page)
  await page.getByRole('progressbar', { name: 'Upload' }).waitFor()
  await inTheMiddle(page)
  t.match(await page.locator('#progress-text').innerText(), /^\d+ % of 9\.\d MB$/)
  await waitForOutcome(page, 'created')
  t.ok(await page.locator('#upload').isHidden())
  const [user] = emulator.api.directory.users.values()
  t.ok(user?.avatar?.equals(large))
})

t.test('cancelled in the middle: nothing is created, and sent again it is one user', { skip }, async t => {
  const { page, countUsers, emulator } = await openDemo(t)
  await fillRequiredFields(page)
  await chooseAvatar(page)
  await slowDown(page)
  await submit(page)
  await inTheMiddle(page)
  await page.getByRole('button', { name: 'Cancel' }).click()
  await waitForOutcome(page, 'cancelled')
  t.ok(await page.getByRole('button', { name: 'Cancel' }).isHidden())
  const creates = () => emulator.apiRequests.filter(({ method }) => method === 'POST')
  t.ok(creates().every(({ complete }) => !complete))
  t.equal(countUsers(), 0)
  await submit(page)
  await waitForOutcome(page, 'created')
  t.equal(countUsers(), 1)
})

t.test('cancelled in the middle of a repeat: what had left before may be there, and the page says so', { skip }, async t => {
  const { page } = await openDemo(t)
  await fillRequiredFields(page)
  await chooseAvatar(page)
  await selectFault(page, 'Procore fails, and leaves no trace')
  await slowDown(page)
  await submit(page)
  await page.locator('#outcome').getByText('Attempt 2').waitFor()
  await inTheMiddle(page)
  await page.getByRole('button', { name: 'Cancel' }).click()
  await waitForOutcome(page, 'cancelled')
  await page.locator('#outcome').getByText('so the user may be there').waitFor()
})

t.test('a double click is one user', { skip }, async t => {
  const { page, countCreates, countUsers } = await openDemo(t)
  await fillRequiredFields(page)
  await page.getByRole('button', { name: 'Create user' }).dblclick()
  await waitForOutcome(page, 'created')
  t.strictSame([countCreates(), countUsers()], [1, 1])
  await submit(page)
  await waitForOutcome(page, 'replayed')
  t.strictSame([countCreates(), countUsers()], [1, 1])
})

t.test('reloaded while it is created, and sent again under the same key: one user', { skip }, async t => {
  const { page, url, countCreates, countUsers } = await openDemo(t)
  await fillRequiredFields(page)
  await page.getByLabel('Country').selectOption('US')
  await page.getByLabel('State or region').selectOption('CA')
  const keys = keysOf(t, page)
  await selectFault(page, 'Procore is slow (4 seconds)')
  await submit(page)
  await waitUntil(() => countCreates() === 1)
  await loadPage(page, `${url}/demo`)
  await page.getByText('This page was left while a user was being created.').waitFor()
  t.equal(await page.getByLabel('State or region').inputValue(), 'CA')
  await submit(page)
  await page.locator('#outcome .badge').getByText(/^(replayed|recovered|created)$/).waitFor()
  t.strictSame([countUsers(), new Set(keys).size], [1, 1])
  t.ok(keys.length >= 2)
  t.ok(await page.locator('#interrupted').isHidden())
})

t.test('with an avatar, which a reload loses: chosen again it is the same form', { skip }, async t => {
  const { page, url, countUsers } = await openDemo(t)
  const avatar = { name: 'avatar.png', path: 'docs/avatar.png' }
  await fillRequiredFields(page)
  const keys = keysOf(t, page)
  await page.getByLabel('Avatar', { exact: true }).setInputFiles(avatar.path)
  await submit(page)
  await waitForOutcome(page, 'created')
  await loadPage(page, `${url}/demo`)
  await page.getByLabel('Avatar', { exact: true }).setInputFiles(avatar.path)
  await submit(page)
  await waitForOutcome(page, 'replayed')
  t.strictSame([countUsers(), new Set(keys).size], [1, 1])
})

t.test('what is typed while the lists are still on their way is not lost, nor what was there before', { skip }, async t => {
  const { page, url } = await openDemo(t)
  await fillRequiredFields(page)
  await page.getByLabel('Country').selectOption('US')
  await page.getByLabel('State or region').selectOption('CA')
  let letGo = () => {}
  const waiting = new Promise<void>(resolve => { letGo = resolve })
  await page.route('**/users/form', async route => {
    await waiting
    await route.continue()
  })
  await page.goto(`${url}/demo`)
  await page.getByLabel('Job title').fill('Architect')
  letGo()
  await page.locator('html[data-ready]').waitFor()
  for (const [id, value] of [['first_name', 'Jane'], ['job_title', 'Architect'], ['country_code', 'US'], ['state_code', 'CA']]) t.equal(await page.locator(`#${id}`).inputValue(), value)
  await loadPage(page, `${url}/demo`)
  for (const [id, value] of [['first_name', 'Jane'], ['job_title', 'Architect'], ['country_code', 'US'], ['state_code', 'CA']]) t.equal(await page.locator(`#${id}`).inputValue(), value)
})

t.test('a form that was changed has a new key', { skip }, async t => {
  const { page, countUsers } = await openDemo(t)
  await fillRequiredFields(page)
  const keys = keysOf(t, page)
  await submit(page)
  await waitForOutcome(page, 'created')
  await page.getByLabel('E-mail required').fill('joe@example.com')
  await submit(page)
  await waitUntil(() => countUsers() === 2)
  t.equal(new Set(keys).size, 2)
})

/** Of every create that leaves the page. */
function keysOf (_t: Test, page: Page): string[] {
  const keys: string[] = []
  page.on('request', request => { if (request.method() === 'POST' && request.url().endsWith('/users')) keys.push(request.headers()['idempotency-key'] ?? '') })
  return keys
}
