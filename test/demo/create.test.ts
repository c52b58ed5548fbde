// Creates users on the demo page in a browser, with every outcome and with errors of the service and of Procore.
import sharp from 'sharp'
import t from 'tap'
import { bmp, png } from '../helpers/images.ts'
import {
  fillRequiredFields, openDemo, openSections, selectFault, skip, submit, waitForOutcome,
} from '../helpers/demo.ts'

// The tests mostly wait for retries of the client, so that several pages can run at once.
t.jobs = 3

t.test('a form with every field creates the user, and the page calls no other host', { skip }, async t => {
  const { page, url, requestedUrls, errors, emulator } = await openDemo(t)
  // Live validation runs before the form is complete.
  const validated = page.waitForResponse(response => {
    return response.url().endsWith('/users/validate') && response.status() === 422
  })
  await page.locator('#email_address').fill('jane')
  await page.getByLabel('First name').focus()
  await validated
  await fillRequiredFields(page)
  await openSections(page)
  await page.getByLabel('Job title').fill('Architect')
  await page.getByLabel('Initials').fill('JD')
  await page.getByLabel('Vendor', { exact: true }).selectOption({ label: 'SID Architecture' })
  await page.getByLabel('Bid contact').check()
  await page.getByLabel('Permissions in the company').selectOption({ label: 'Company Read Only' })
  await page.getByLabel('Permissions in new projects').selectOption({ label: 'Architect/Engineer' })
  await page.getByLabel('Work classification').selectOption({ label: 'Foreman' })
  await page.getByLabel('Employee of the company').check()
  await page.getByLabel('Employee id').fill('007')
  await page.getByLabel('Business phone').fill('1-555-555-1234')
  await page.getByLabel('Extension').fill('12')
  await page.getByLabel('Street').fill('6305 Carpinteria Ave')
  await page.getByLabel('Country').selectOption({ label: 'United States of America' })
  await page.getByLabel('State or region').selectOption('CA')
  await page.getByLabel('Notes', { exact: true }).fill('Two\nlines')
  await page.getByLabel('Avatar', { exact: true }).setInputFiles({
    name: 'jane.png', mimeType: 'image/png', buffer: png(30_000),
  })
  await page.getByAltText('The chosen avatar').waitFor()
  await submit(page)
  await waitForOutcome(page, 'created')
  const [user] = emulator.api.directory.users.values()
  t.match(user?.values, {
    first_name: 'Jane',
    last_name: 'Doe',
    job_title: 'Architect',
    vendor_id: 161072,
    company_permission_template_id: 28,
    default_permission_template_id: 27,
    work_classification_id: 15,
    is_employee: true,
    is_active: true,
    employee_id: '007',
    business_phone_extension: 12,
    country_code: 'US',
    state_code: 'CA',
    notes: 'Two\r\nlines',
  })
  t.ok((user?.avatar?.length ?? 0) > 30_000)
  const received = page.locator('.received details[open]')
  await received.getByText('/rest/v1.3/companies/1234/users').waitFor()
  await received.getByText(/image\/png, \d+ bytes, SHA-256 [0-9a-f]{12}…/).waitFor()
  t.equal(await received.getByText('authorization').count(), 0)
  t.match(JSON.parse(await page.locator('#response').innerText()), { id: Number, last_name: 'Doe' })
  t.strictSame(requestedUrls.filter(address => ![url, 'blob:', 'data:'].some(start => address.startsWith(start))), [])
  t.strictSame(errors, [])
})

t.test('the states are those of the chosen country', { skip }, async t => {
  const { page } = await openDemo(t)
  await openSections(page)
  const state = page.getByLabel('State or region')
  t.ok(await state.isDisabled())
  await page.getByLabel('Country').selectOption('US')
  await state.selectOption('CA')
  await page.getByLabel('Country').selectOption('AU')
  t.equal(await state.inputValue(), '')
  await state.selectOption('NSW')
  await page.getByLabel('Country').selectOption('')
  t.ok(await state.isDisabled())
  await page.getByLabel('Country').selectOption('US')
  await state.selectOption({ label: 'Alabama (AL)' })
  await page.getByLabel('Country').selectOption('BR')
  t.equal(await state.inputValue(), '', 'the same code means another state there')
})

t.test('errors of the service are shown below their inputs and can be corrected', { skip }, async t => {
  const { page, countCreates, countUsers } = await openDemo(t)
  await openSections(page)
  await page.getByLabel('E-mail required').fill('jane')
  await page.getByLabel('Bid contact').check()
  await page.getByLabel('Extension').fill('x')
  await page.locator('summary').getByText('Phone').click()
  t.ok(await page.getByLabel('Extension').isHidden())
  await submit(page)
  await waitForOutcome(page, 'validation_failed')
  const focused = () => page.evaluate(() => document.activeElement?.id)
  t.equal(await focused(), 'summary')
  t.ok(await page.getByLabel('Extension').isVisible(), 'its section opens')
  t.equal(await page.locator('#summary li').count(), 4)
  for (const id of ['last_name', 'email_address', 'business_phone_extension', 'vendor_id']) {
    const input = page.locator(`#${id}`)
    t.equal(await input.getAttribute('aria-invalid'), 'true', id)
    t.ok((await input.getAttribute('aria-describedby'))?.split(' ').includes(`${id}-error`), id)
  }
  t.match(JSON.parse(await page.locator('#response').innerText()), {
    code: 'validation_failed',
    errors: [{ pointer: '/user/last_name' }],
  })
  await page.locator('#summary').getByRole('link', { name: /^E-mail/ }).click()
  t.equal(await focused(), 'email_address')
  await fillRequiredFields(page)
  t.equal(await page.locator('#email_address').getAttribute('aria-invalid'), null)
  await page.getByLabel('Extension').fill('7')
  await page.getByLabel('Bid contact').uncheck()
  t.equal(countCreates(), 0)
  await submit(page)
  await waitForOutcome(page, 'created')
  t.equal(await page.locator('.field-error').count(), 0)
  t.strictSame([countCreates(), countUsers()], [1, 1])
})

t.test('an error of Procore is shown below its input', { skip }, async t => {
  const { page, countCreates, countUsers } = await openDemo(t)
  await fillRequiredFields(page)
  await selectFault(page, 'The e-mail address is taken')
  await submit(page)
  await waitForOutcome(page, 'rejected')
  await page.locator('#email_address-error').getByText('E-mail has already been taken. Found by Procore').waitFor()
  t.equal(countUsers(), 0)
  await page.getByLabel('E-mail required').fill('jane@example.com')
  await submit(page)
  await waitForOutcome(page, 'created')
  t.strictSame([countCreates(), countUsers()], [2, 1])
})

t.test('a field that the company itself requires is enforced on request', { skip }, async t => {
  const { page } = await openDemo(t)
  await fillRequiredFields(page)
  await page.getByLabel('Enforce the fields').check()
  await page.getByText('Here: job title.').waitFor()
  await submit(page)
  await waitForOutcome(page, 'rejected')
  t.equal(await page.locator('#job_title').getAttribute('aria-invalid'), 'true')
})

t.test('an avatar that is not an image is not sent, and the form without it creates the user', { skip }, async t => {
  const { page, url, requestedUrls } = await openDemo(t)
  await fillRequiredFields(page)
  await page.getByLabel('Avatar', { exact: true }).setInputFiles({
    name: 'jane.png', mimeType: 'image/png', buffer: Buffer.from('no image'),
  })
  const error = page.locator('#avatar-error')
  await error.waitFor()
  await submit(page)
  await waitForOutcome(page, 'not_sent')
  t.equal(await page.locator('#avatar').getAttribute('aria-invalid'), 'true')
  for (const sentence of (await error.innerText()).split(/(?<=\.) /)) t.match(sentence, /^[A-Z][^.]+\.$/)
  t.notOk(requestedUrls.includes(`${url}/companies/1234/users`))
  await page.locator('#summary a').click()
  t.equal(await page.evaluate(() => document.activeElement?.id), 'avatar')
  await page.getByLabel('Last name').fill('')
  await submit(page)
  await page.locator('#summary').getByText('Correct 2 inputs').waitFor()
  await page.getByLabel('Last name').fill('Doe')
  await page.getByRole('button', { name: 'Remove the avatar' }).click()
  await submit(page)
  await waitForOutcome(page, 'created')
})

t.test('an avatar that the browser can decode is sent as JPEG, and the page says so', { skip }, async t => {
  const { page, emulator, errors } = await openDemo(t)
  await fillRequiredFields(page)
  const red = sharp({ create: { width: 60, height: 40, channels: 3, background: 'red' } })
  const rows = [
    { name: 'WebP', file: 'jane.webp', buffer: await red.webp().toBuffer() },
    { name: 'AVIF with a wrong name', file: 'jane.png', buffer: await red.avif({ effort: 0 }).toBuffer() },
  ]
  for (const [index, { name, file, buffer }] of rows.entries()) {
    await t.test(name, async t => {
      await page.getByLabel('E-mail required').fill(`jane${index}@example.com`)
      await page.getByLabel('Avatar', { exact: true }).setInputFiles({ name: file, mimeType: '', buffer })
      await page.getByText(new RegExp(`^${file}, converted to JPEG: \\d+ bytes$`)).waitFor()
      await page.getByAltText('The chosen avatar').waitFor()
      await submit(page)
      await page.locator('#outcome').getByText('has the id').waitFor()
      const user = emulator.api.directory.list(1234).find(({ values }) => {
        return values['email_address'] === `jane${index}@example.com`
      })
      t.match(await sharp(user?.avatar).metadata(), { format: 'jpeg', width: 60, height: 40 })
      await page.getByRole('button', { name: 'Another user' }).click()
      await fillRequiredFields(page)
    })
  }
  t.strictSame(errors, [])
})

t.test('an iPhone photo in HEIC is reported when it is chosen, and is not sent', { skip }, async t => {
  const { page, countCreates } = await openDemo(t)
  await fillRequiredFields(page)
  await page.getByLabel('Avatar', { exact: true }).setInputFiles({
    name: 'IMG_0001.HEIC', mimeType: 'image/heic', buffer: Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic'),
  })
  const error = page.locator('#avatar-error')
  await error.getByText("This browser cannot read an iPhone photo in HEIC: choose 'Most Compatible'").waitFor()
  t.ok(await page.getByAltText('The chosen avatar').isHidden())
  await submit(page)
  await waitForOutcome(page, 'not_sent')
  await error.waitFor()
  t.equal(countCreates(), 0)
})

t.test('an avatar whose pixels only the service counts is never called safe to send again', { skip }, async t => {
  const { page, countUsers } = await openDemo(t)
  await fillRequiredFields(page)
  const buffer = bmp()
  for (const offset of [18, 22]) buffer.writeInt32LE(20_000, offset)
  await page.getByLabel('Avatar', { exact: true }).setInputFiles({ name: 'jane.bmp', mimeType: 'image/bmp', buffer })
  await submit(page)
  await page.locator('#avatar-error').waitFor()
  t.match(JSON.parse(await page.locator('#response').innerText()), { code: 'avatar_too_large' })
  const outcome = await page.locator('#outcome').innerText()
  t.match(outcome, 'The picture is too large. Choose a smaller one.')
  t.notMatch(outcome, /safe/)
  t.equal(countUsers(), 0)
})

t.test('the page describes the outcomes recovered, unknown, not_sent and created', { skip }, async t => {
  const { page, countUsers } = await openDemo(t)
  await fillRequiredFields(page)
  await selectFault(page, 'Response lost after the create')
  await submit(page)
  await waitForOutcome(page, 'recovered')
  t.equal(countUsers(), 1)
  await page.getByRole('button', { name: 'Another user' }).click()
  t.equal(await page.getByLabel('Last name').inputValue(), '')
  await fillRequiredFields(page, 'jim.doe@example.com')
  await selectFault(page, 'Server error, no user created')
  await submit(page)
  await waitForOutcome(page, 'unknown')
  await page.locator('#response-summary').getByText('4 requests with one key').waitFor()
  const anywayButton = page.getByRole('button', { name: 'Create anyway' })
  await page.getByLabel('Initials').fill('JD')
  t.ok(await anywayButton.isHidden(), 'it would not send the changed form')
  await page.getByLabel('Initials').fill('')
  await selectFault(page, 'Server error, no user created')
  await submit(page)
  await page.locator('#countdown').getByText(/^Attempt 2 starts in \d s\.$/).waitFor()
  await anywayButton.click()
  await waitForOutcome(page, 'created')
  t.ok(await anywayButton.isHidden())
  t.equal(await page.evaluate(() => document.activeElement?.id), 'create', 'the focus is not lost')
  t.equal(countUsers(), 2)
  await page.getByLabel('E-mail required').fill('joe@example.com')
  await selectFault(page, 'Login of the service rejected')
  await submit(page)
  await waitForOutcome(page, 'not_sent')
  t.equal(countUsers(), 2)
  await page.locator('#outcome').getByText('send it again in a moment').waitFor()
  await submit(page)
  await waitForOutcome(page, 'created')
  t.equal(countUsers(), 3, 'the create waited for the login')
})

t.test('a create waits for the chosen scenario, and the last choice applies', { skip }, async t => {
  const { page, countUsers } = await openDemo(t)
  await fillRequiredFields(page)
  // Longer than a create takes.
  await page.route(/\/demo\/next\/email_taken/, route => setTimeout(() => route.continue(), 300))
  const scenario = page.getByLabel('Simulate a Procore failure')
  await scenario.selectOption('email_taken')
  await submit(page)
  await waitForOutcome(page, 'rejected')
  t.equal(countUsers(), 0)
  await page.locator('.received details[open]').getByText('"jane.doe@example.com"').waitFor()
  const meaning = await page.getByRole('link', { name: 'What it means' }).getAttribute('href')
  t.equal(meaning, '/docs/problems#procore_rejected')
  await scenario.selectOption('email_taken')
  await scenario.selectOption('nothing')
  await submit(page)
  await waitForOutcome(page, 'created')
  t.equal(await scenario.inputValue(), 'nothing')
})

t.test('a create without a network has an unknown outcome, and the same key finds out later', { skip }, async t => {
  const { page, countUsers } = await openDemo(t)
  await fillRequiredFields(page)
  await page.context().setOffline(true)
  await submit(page)
  await waitForOutcome(page, 'unknown')
  await page.context().setOffline(false)
  await submit(page)
  await waitForOutcome(page, 'created')
  t.equal(countUsers(), 1)
})

t.test('a Retry-After that is too long for a retry is counted down', { skip }, async t => {
  const { page } = await openDemo(t)
  await fillRequiredFields(page)
  await page.route(/\/companies\/1234\/users$/, route => route.fulfill({
    status: 429,
    contentType: 'application/problem+json',
    headers: { 'retry-after': '120' },
    body: JSON.stringify({ status: 429, code: 'procore_rate_limited', detail: 'Slow down.', outcome: 'not_sent' }),
  }))
  await submit(page)
  await page.locator('#countdown').getByText(/^Try again in (2 min 0|1 min 5\d) s\.$/).waitFor()
  await page.locator('#countdown').getByText(/^Try again in 1 min 5[0-8] s\.$/).waitFor()
  t.notMatch(await page.locator('#outcome').innerText(), /Try again in/, 'screen readers do not announce each second')
})

t.test('sample data and the copied code each create a user, and a reset removes both', { skip }, async t => {
  const { page, countUsers, emulator, errors } = await openDemo(t)
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.getByRole('button', { name: 'Fill with sample data' }).click()
  await page.getByAltText('The chosen avatar').waitFor()
  t.match(await page.locator('summary').getByText('Phone').innerText(), /^Phone\s+1-805-555-0142 · 1-805-555-0187$/)
  await submit(page)
  await waitForOutcome(page, 'created')
  const [user] = emulator.api.directory.users.values()
  t.match(user?.values, { first_name: 'Maria', country_code: 'US', state_code: 'CA' })
  t.ok(user?.avatar)
  await page.locator('#code').getByText('avatar: input.files[0]').waitFor()
  await page.getByRole('button', { name: 'Remove the avatar' }).click()
  await page.getByLabel('E-mail required').fill("o'hara@example.com")
  await page.getByRole('button', { name: 'Copy' }).click()
  await page.getByText('Copied').waitFor()
  const code = await page.evaluate(() => navigator.clipboard.readText())
  const [importLine = '', ...statements] = code.split('\n')
  t.match(importLine, /^import \{ [\w, ]+ \} from 'procore-bff-client'$/)
  const names = /\{.*\}/.exec(importLine)?.[0] ?? ''
  await page.evaluate(`(async () => { const ${names} = await import('/client.js')\n${statements.join('\n')} })()`)
  const addresses = emulator.api.directory.list(1234).map(({ values }) => values['email_address'])
  t.ok(addresses.includes("o'hara@example.com"))
  t.equal(countUsers(), 2)
  await page.getByRole('button', { name: 'Reset' }).click()
  await page.getByText('The requests of the service appear here.').waitFor()
  await page.getByText('The response appears here.').waitFor()
  t.equal(await page.getByLabel('First name').inputValue(), '')
  t.equal(countUsers(), 0)
  t.strictSame(errors, [])
})
