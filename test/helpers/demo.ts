/** Starts the service with the demo page and opens it in a browser. */
import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import { registerDemoPage } from '../../tools/demo/plugin.ts'
import type { Emulator } from '../../tools/emulator/emulator.ts'
import type { Settings } from '../../tools/emulator/settings.ts'
import { hasBrowser, openPage, type BrowserPage } from './browser.ts'
import { startService, type Service } from './service.ts'

export const skip = !hasBrowser && process.env['CI'] !== 'true' && 'chromium is not installed'

export interface Demo extends BrowserPage {
  url: string
  emulator: Emulator
  /** Creates that the emulator received, and users that it has. */
  countCreates: () => number
  countUsers: () => number
}

/** Starts the service as `tools/demo/index.ts` does. */
export function startDemo (t: Test, settings: Partial<Settings> = {}): Promise<Service> {
  return startService(t, {
    env: { PROCORE_FILE_ALLOW_LOOPBACK: 'true' },
    emulator: settings,
    extend: (fastify, config) => registerDemoPage(fastify, new URL(config.procore.apiUrl)),
  })
}

export async function openDemo (t: Test, settings?: Partial<Settings>): Promise<Demo> {
  const { url, emulator } = await startDemo(t, settings)
  const browsing = await openPage(t)
  await loadPage(browsing.page, `${url}/demo`)
  return {
    ...browsing,
    url,
    emulator,
    countCreates: () => emulator.apiRequests.filter(({ method }) => method === 'POST').length,
    countUsers: () => emulator.api.directory.users.size,
  }
}

export async function loadPage (page: Page, url: string): Promise<void> {
  await page.goto(url)
  await page.locator('html[data-ready]').waitFor()
}

export async function fillRequiredFields (page: Page, email = 'jane.doe@example.com'): Promise<void> {
  await page.getByLabel('First name').fill('Jane')
  await page.getByLabel('Last name').fill('Doe')
  await page.getByLabel('E-mail required').fill(email)
}

/** Opens the folded sections of the form. */
export async function openSections (page: Page): Promise<void> {
  for (const summary of await page.locator('details.section:not([open]) > summary').elementHandles()) {
    await summary.click()
  }
}

export const submit = (page: Page) => page.getByRole('button', { name: 'Create user' }).click()

/** Resolves when the page shows the outcome. */
export async function waitForOutcome (page: Page, word: string): Promise<void> {
  await page.locator('#outcome .badge').getByText(word, { exact: true }).waitFor()
}

/** Injects a fault into the next create, and waits until the emulator has it. */
export async function selectFault (page: Page, label: string): Promise<void> {
  const faultOrdered = page.waitForResponse(/\/demo\/next\//)
  await page.getByLabel('Simulate a Procore failure').selectOption({ label })
  await faultOrdered
}
