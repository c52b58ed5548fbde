// Shows people on the demo page, with their pictures.
import t from 'tap'
import type { Page } from 'playwright-core'
import { png } from '../helpers/images.ts'
import { fillRequiredFields, openDemo, skip, submit, waitForOutcome } from '../helpers/demo.ts'

t.jobs = 3

const person = (page: Page) => page.getByRole('region', { name: 'Person in the directory' })

t.test('the person just created is shown with the picture, whoever may read it at Procore', { skip }, async t => {
  for (const avatarAccess of ['open', 'access-token'] as const) {
    await t.test(avatarAccess, async t => {
      const { page, url, emulator, requestedUrls, errors } = await openDemo(t, { avatarAccess })
      await fillRequiredFields(page)
      await page.getByLabel('Avatar', { exact: true }).setInputFiles({
        name: 'jane.png', mimeType: 'image/png', buffer: png(30_000),
      })
      await submit(page)
      await waitForOutcome(page, 'created')
      await person(page).getByText('Jane Doe').waitFor()
      await person(page).getByText('jane.doe@example.com').waitFor()
      const picture = person(page).getByAltText('The picture of the person')
      await picture.waitFor()
      t.match(await picture.getAttribute('src'), /^blob:/)
      t.equal(await picture.evaluate(image => image instanceof HTMLImageElement && image.naturalWidth), 100)
      const [user] = emulator.api.directory.users.values()
      t.ok(requestedUrls.includes(`${url}/companies/1234/users/${user?.id}/avatar`))
      t.notOk(requestedUrls.some(address => address.startsWith(emulator.url)))
      await page.getByRole('button', { name: 'Another user' }).click()
      t.ok(await person(page).isHidden())
      t.strictSame(errors, [])
    })
  }
})

t.test('a person without a picture is shown with the initials', { skip }, async t => {
  const { page } = await openDemo(t)
  await create(page)
  await person(page).getByText('Jane Doe').waitFor()
  t.ok(await person(page).getByAltText('The picture of the person').isHidden())
  await person(page).getByText('JD', { exact: true }).waitFor()
})

async function create (page: Page): Promise<void> {
  await fillRequiredFields(page)
  await submit(page)
  await waitForOutcome(page, 'created')
}
