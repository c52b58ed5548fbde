// Live validation shows errors of the inputs that the user has left, and none from outdated responses.
import t from 'tap'
import type { Page } from 'playwright-core'
import {
  fillRequiredFields, openDemo, openSections, selectFault, skip, submit, waitForOutcome,
} from '../helpers/demo.ts'
import { png } from '../helpers/images.ts'

const fieldError = (page: Page, name: string) => page.locator(`#${name}-error`)
const validations = /\/users\/validate$/

/** Resolves when the response to the validation that `act` causes has arrived. */
const waitForValidation = async (page: Page, act: () => Promise<unknown>) => {
  const response = page.waitForResponse(validations)
  await act()
  await response
}

t.test('an input is validated when the user leaves it, and nothing is sent to Procore', { skip }, async t => {
  const { page, emulator, errors } = await openDemo(t)
  const requestsBefore = emulator.apiRequests.length
  await page.getByLabel('E-mail required').fill('jane')
  t.equal(await page.locator('.field-error').count(), 0, 'not while typing')
  await waitForValidation(page, () => page.keyboard.press('Tab'))
  await fieldError(page, 'email_address').getByText('E-mail must be an e-mail address.').waitFor()
  t.equal(await page.locator('#email_address').getAttribute('aria-invalid'), 'true')
  const announced = await page.locator('#validation-status').innerText()
  t.equal(announced, 'E-mail must be an e-mail address.', 'screen readers announce it')
  t.equal(await page.locator('.field-error').count(), 1, 'the user has not left the last name yet')
  t.ok(await page.locator('#summary').isHidden())
  t.equal(await page.evaluate(() => document.activeElement?.id), 'job_title', 'the focus is not moved')
  await page.getByLabel('Last name').focus()
  await waitForValidation(page, () => page.keyboard.press('Tab'))
  await fieldError(page, 'last_name').getByText('Last name is required.').waitFor()
  await page.getByLabel('Last name').fill('Doe')
  t.equal(await fieldError(page, 'last_name').count(), 0, 'the first change removes the error')
  t.equal(emulator.apiRequests.length, requestsBefore)
  t.strictSame(errors.filter(error => !error.includes('422')), [])
})

t.test('an error caused by another field is shown at once, and removed with its cause', { skip }, async t => {
  const { page } = await openDemo(t)
  await openSections(page)
  await waitForValidation(page, () => page.getByLabel('Bid contact').check())
  await fieldError(page, 'vendor_id').waitFor()
  t.equal(await page.locator('.field-error').count(), 1)
  await waitForValidation(page, () => page.getByLabel('Bid contact').uncheck())
  await fieldError(page, 'vendor_id').waitFor({ state: 'detached' })
})

t.test('leaving several inputs in a short time sends one validation', { skip }, async t => {
  const { page, requestedUrls } = await openDemo(t)
  await page.getByLabel('First name').focus()
  await waitForValidation(page, async () => { for (let n = 0; n < 5; n++) await page.keyboard.press('Tab') })
  await fieldError(page, 'last_name').waitFor()
  await fieldError(page, 'email_address').waitFor()
  t.equal(requestedUrls.filter(url => validations.test(url)).length, 1)
})

t.test('a late response shows no error for an input that has changed since', { skip }, async t => {
  const { page } = await openDemo(t)
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  await page.route(validations, async route => {
    await released
    await route.continue()
  })
  await openSections(page)
  const requested = page.waitForRequest(validations)
  await page.getByLabel('Extension').fill('x')
  await page.getByLabel('E-mail required').fill('jane')
  await page.keyboard.press('Tab')
  await requested
  await page.getByLabel('E-mail required').fill('jane@example.com')
  await waitForValidation(page, async () => release())
  await fieldError(page, 'business_phone_extension').waitFor()
  t.equal(await fieldError(page, 'email_address').count(), 0)
})

t.test('a create aborts the validation in flight, whose errors are not shown', { skip }, async t => {
  const { page } = await openDemo(t)
  await fillRequiredFields(page, 'jane')
  const requested = page.waitForRequest(validations)
  await page.route(validations, () => {})
  await page.keyboard.press('Tab')
  await requested
  const aborted = page.waitForEvent('requestfailed', request => validations.test(request.url()))
  await page.getByLabel('E-mail required').fill('jane@example.com')
  await page.keyboard.press('Enter')
  await aborted
  await waitForOutcome(page, 'created')
  t.equal(await page.locator('.field-error').count(), 0)
})

t.test('an error of Procore stays until the input changes', { skip }, async t => {
  const { page } = await openDemo(t)
  await fillRequiredFields(page)
  await selectFault(page, 'The e-mail address is taken')
  await submit(page)
  await waitForOutcome(page, 'rejected')
  await page.getByLabel('Job title').fill('Architect')
  await waitForValidation(page, () => page.keyboard.press('Tab'))
  t.match(await fieldError(page, 'email_address').innerText(), 'has already been taken')
  t.ok(await page.locator('#summary').isVisible())
  await page.getByLabel('E-mail required').fill('jane@example.com')
  t.equal(await fieldError(page, 'email_address').count(), 0)
  t.ok(await page.locator('#summary').isHidden(), 'no error is left')
})

t.test('a validation that fails shows no error', { skip }, async t => {
  const { page } = await openDemo(t)
  const failed = page.waitForEvent('requestfailed', request => validations.test(request.url()))
  await page.route(validations, route => route.abort())
  await page.getByLabel('E-mail required').fill('jane')
  await page.keyboard.press('Tab')
  await failed
  t.equal(await page.locator('.field-error').count(), 0)
  t.match(await page.locator('#outcome').innerText(), 'Nothing sent yet.')
})

t.test('an avatar that is too large is reported until another or none is chosen', { skip }, async t => {
  const { page } = await openDemo(t)
  const choose = (bytes: number) => page.getByLabel('Avatar', { exact: true }).setInputFiles({
    name: 'jane.png', mimeType: 'image/png', buffer: Buffer.concat([png(), Buffer.alloc(bytes)]),
  })
  await choose(11_000_000)
  await fieldError(page, 'avatar').getByText('Avatar is larger than 10.5 MB.').waitFor()
  await choose(1000)
  t.equal(await fieldError(page, 'avatar').count(), 0)
  await choose(11_000_000)
  await page.getByRole('button', { name: 'Remove the avatar' }).click()
  t.equal(await fieldError(page, 'avatar').count(), 0)
  t.equal(await page.evaluate(() => document.activeElement?.id), 'avatar')
})
