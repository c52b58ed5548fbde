// While the form is being filled in: faults of what was left are told early, of the rest not, and no late answer speaks of newer input.
import t from 'tap'
import type { Page } from 'playwright-core'
import { selectFault, fillRequiredFields, openDemo, skip, submit, waitForOutcome } from '../helpers/demo.ts'

const fault = (page: Page, name: string) => page.locator(`#${name}-fault`)
const validations = /\/users\/validate$/

/** Resolves once the page was told what the service thinks of the form. */
const judged = async (page: Page, act: () => Promise<unknown>) => {
  const answered = page.waitForResponse(validations)
  await act()
  await answered
}

t.test('what was left is judged, what was not is left in peace, and Procore hears nothing', { skip }, async t => {
  const { page, emulator, errors } = await openDemo(t)
  const asked = emulator.apiRequests.length
  await page.getByLabel('E-mail required').fill('jane')
  t.equal(await page.locator('.fault').count(), 0, 'not while it is typed')
  await judged(page, () => page.keyboard.press('Tab'))
  await fault(page, 'email_address').getByText('E-mail must be an e-mail address.').waitFor()
  t.equal(await page.locator('#email_address').getAttribute('aria-invalid'), 'true')
  t.equal(await page.locator('#judged').innerText(), 'E-mail must be an e-mail address.', 'who does not see it hears it')
  t.equal(await page.locator('.fault').count(), 1, 'the last name was not left yet')
  t.ok(await page.locator('#summary').isHidden())
  t.equal(await page.evaluate(() => document.activeElement?.id), 'job_title', 'the focus goes its way')
  await page.getByLabel('Last name').focus()
  await judged(page, () => page.keyboard.press('Tab'))
  await fault(page, 'last_name').getByText('Last name is required.').waitFor()
  await page.getByLabel('Last name').fill('Doe')
  t.equal(await fault(page, 'last_name').count(), 0, 'gone with the first change')
  t.equal(emulator.apiRequests.length, asked)
  t.strictSame(errors.filter(error => !error.includes('422')), [])
})

t.test('what follows from a choice elsewhere is told at once, and is gone with it', { skip }, async t => {
  const { page } = await openDemo(t)
  await judged(page, () => page.getByLabel('Bid contact').check())
  await fault(page, 'vendor_id').waitFor()
  t.equal(await page.locator('.fault').count(), 1)
  await judged(page, () => page.getByLabel('Bid contact').uncheck())
  await fault(page, 'vendor_id').waitFor({ state: 'detached' })
})

t.test('several inputs that are left in one moment are judged once', { skip }, async t => {
  const { page, requestedUrls } = await openDemo(t)
  await page.getByLabel('First name').focus()
  await judged(page, async () => { for (let n = 0; n < 5; n++) await page.keyboard.press('Tab') })
  await fault(page, 'last_name').waitFor()
  await fault(page, 'email_address').waitFor()
  t.equal(requestedUrls.filter(url => validations.test(url)).length, 1)
})

t.test('a late answer says nothing about newer input', { skip }, async t => {
  const { page } = await openDemo(t)
  let letGo = () => {}
  const waiting = new Promise<void>(resolve => { letGo = resolve })
  await page.route(validations, async route => {
    await waiting
    await route.continue()
  })
  const asked = page.waitForRequest(validations)
  await page.getByLabel('Extension').fill('x')
  await page.getByLabel('E-mail required').fill('jane')
  await page.keyboard.press('Tab')
  await asked
  await page.getByLabel('E-mail required').fill('jane@example.com')
  await judged(page, async () => letGo())
  await fault(page, 'business_phone_extension').waitFor()
  t.equal(await fault(page, 'email_address').count(), 0)
})

t.test('an answer that is overtaken by the create is not told', { skip }, async t => {
  const { page } = await openDemo(t)
  await fillRequiredFields(page, 'jane')
  const asked = page.waitForRequest(validations)
  await page.route(validations, () => {})
  await page.keyboard.press('Tab')
  await asked
  const ended = page.waitForEvent('requestfailed', request => validations.test(request.url()))
  await page.getByLabel('E-mail required').fill('jane@example.com')
  await page.keyboard.press('Enter')
  await ended
  await waitForOutcome(page, 'created')
  t.equal(await page.locator('.fault').count(), 0)
})

t.test('what Procore found stays until it is changed', { skip }, async t => {
  const { page } = await openDemo(t)
  await fillRequiredFields(page)
  await selectFault(page, 'Procore refuses the e-mail')
  await submit(page)
  await waitForOutcome(page, 'rejected')
  await page.getByLabel('Job title').fill('Architect')
  await judged(page, () => page.keyboard.press('Tab'))
  t.match(await fault(page, 'email_address').innerText(), 'has already been taken')
  t.ok(await page.locator('#summary').isVisible())
  await page.getByLabel('E-mail required').fill('jane@example.com')
  t.equal(await fault(page, 'email_address').count(), 0)
  t.ok(await page.locator('#summary').isHidden(), 'nothing is left to mend')
})

t.test('that nobody could judge it is no fault', { skip }, async t => {
  const { page } = await openDemo(t)
  const failed = page.waitForEvent('requestfailed', request => validations.test(request.url()))
  await page.route(validations, route => route.abort())
  await page.getByLabel('E-mail required').fill('jane')
  await page.keyboard.press('Tab')
  await failed
  t.equal(await page.locator('.fault').count(), 0)
  t.match(await page.locator('#outcome').innerText(), 'Nothing sent yet.')
})

t.test('an avatar that is too large is told before it is sent; another one, or none, is mended', { skip }, async t => {
  const { page } = await openDemo(t)
  const choose = (bytes: number) => page.getByLabel('Avatar', { exact: true }).setInputFiles({ name: 'jane.png', mimeType: 'image/png', buffer: Buffer.alloc(bytes) })
  await choose(11_000_000)
  await fault(page, 'avatar').getByText('Avatar is larger than 10.5 MB.').waitFor()
  await choose(1000)
  t.equal(await fault(page, 'avatar').count(), 0)
  await choose(11_000_000)
  await page.getByRole('button', { name: 'Remove the avatar' }).click()
  t.equal(await fault(page, 'avatar').count(), 0)
  t.equal(await page.evaluate(() => document.activeElement?.id), 'avatar')
})
