// Checks the accessibility of the demo page: axe, keyboard, focus, and narrow and wide screens.
import t from 'tap'
import { findViolations } from '../helpers/axe.ts'
import { fillRequiredFields, openDemo, openSections, skip, submit, waitForOutcome } from '../helpers/demo.ts'

// Each test has a service and a page of its own.
t.jobs = 2

for (const colorScheme of ['light', 'dark'] as const) {
  t.test(`the page has no axe violation in ${colorScheme} mode`, { skip }, async t => {
    const { page } = await openDemo(t)
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    t.strictSame(await findViolations(page), [], 'empty')
    await openSections(page)
    await page.getByLabel('E-mail required').fill('jane')
    await submit(page)
    await waitForOutcome(page, 'validation_failed')
    t.strictSame(await findViolations(page), [], 'with errors')
    await fillRequiredFields(page)
    await submit(page)
    await waitForOutcome(page, 'created')
    await page.locator('.received details[open]').waitFor()
    t.strictSame(await findViolations(page), [], 'created')
  })
}

t.test('a user can be created by keyboard alone, after correcting an error', { skip }, async t => {
  const { page, countUsers } = await openDemo(t)
  const focused = () => page.evaluate(() => document.activeElement?.id ?? '')
  const tabTo = async (id: string) => {
    for (let steps = 0; steps < 60; steps++) {
      if (await focused() === id) return
      await page.keyboard.press('Tab')
    }
    t.fail(`Tab does not reach ${id}`)
  }
  await tabTo('last_name')
  await page.keyboard.type('Doe')
  await tabTo('email_address')
  await page.keyboard.type('jane')
  await page.keyboard.press('Enter')
  await waitForOutcome(page, 'validation_failed')
  t.equal(await focused(), 'summary')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  t.equal(await focused(), 'email_address')
  await page.keyboard.press('End')
  await page.keyboard.type('@example.com')
  while (await page.evaluate(() => document.activeElement?.textContent.trim().startsWith('Address')) !== true) {
    await page.keyboard.press('Tab')
  }
  await page.keyboard.press('Space')
  await tabTo('country_code')
  await page.keyboard.type('United States of')
  await tabTo('state_code')
  await page.keyboard.type('Calif')
  await tabTo('create')
  const ring = await page.evaluate(() => getComputedStyle(document.activeElement ?? document.body).outlineStyle)
  t.equal(ring, 'solid', 'the focus is visible')
  await page.keyboard.press('Space')
  await waitForOutcome(page, 'created')
  t.equal(await focused(), 'create')
  t.equal(countUsers(), 1)
})

t.test('at 1440 × 900 the response is beside the received request, and both need no scrolling', { skip }, async t => {
  const { page } = await openDemo(t)
  await page.setViewportSize({ width: 1440, height: 900 })
  await fillRequiredFields(page)
  await submit(page)
  await waitForOutcome(page, 'created')
  const received = page.locator('.received details[open]').getByText('"email_address"')
  await page.locator('#person').waitFor()
  await received.waitFor()
  t.ok(await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight))
  const measure = (element: Element) => {
    const { left, right, top, bottom } = element.getBoundingClientRect()
    return { left, right, top, bottom }
  }
  const bar = await page.locator('.bar').evaluate(measure)
  const response = await page.locator('#response').evaluate(measure)
  const request = await received.evaluate(measure)
  const code = await page.locator('#code').evaluate(measure)
  const call = await page.locator('#code .code-keyword').getByText('await').first().evaluate(measure)
  t.ok(call.bottom < code.bottom, 'the call is visible')
  for (const { top, bottom } of [response, request, code]) t.ok(top > 0 && bottom < bar.top)
  t.ok(response.right < request.left)
})

t.test('the focused element is never behind the bar', { skip }, async t => {
  const { page } = await openDemo(t)
  await page.setViewportSize({ width: 390, height: 800 })
  const selector = await page.getByLabel('Simulate a Procore failure').boundingBox()
  const bar = await page.locator('.bar').boundingBox()
  t.ok(selector !== null && bar !== null && selector.y + selector.height < bar.y, 'a phone shows the faults at once')
  for (let steps = 0; steps < 30; steps++) {
    await page.keyboard.press('Tab')
    const isHidden = await page.evaluate(() => {
      const focused = document.activeElement
      const bar = document.querySelector('.bar')
      if (focused === null || bar === null || bar.contains(focused)) return false
      const [inner, outer] = [focused.getBoundingClientRect(), bar.getBoundingClientRect()]
      return inner.top > outer.top && outer.bottom > inner.bottom
    })
    t.notOk(isHidden, await page.evaluate(() => document.activeElement?.id ?? ''))
  }
})

t.test('a narrow screen needs no horizontal scrolling, and every input has a label', { skip }, async t => {
  const { page } = await openDemo(t)
  await page.setViewportSize({ width: 320, height: 640 })
  t.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 320))
  const labels = await page.locator('input, select, textarea').evaluateAll(inputs => inputs.map(input => {
    return { id: input.id, hasLabel: document.querySelector(`label[for="${input.id}"]`) !== null }
  }))
  t.ok(labels.length > 20)
  t.strictSame(labels.filter(({ hasLabel }) => !hasLabel), [])
  await openSections(page)
  t.equal(await page.getByRole('group', { name: 'Address' }).count(), 1)
})
