/** Opens pages in Chromium, if it is installed. */
import type { Browser, Page } from 'playwright-core'
import file, { type Test } from 'tap'
import { chromiumPath, launchBrowser } from './launch-browser.ts'

export const hasBrowser = chromiumPath !== undefined

export interface BrowserPage {
  page: Page
  /** URLs of all requests. */
  requestedUrls: string[]
  /** Console errors and uncaught exceptions. */
  errors: string[]
}

let sharedBrowser: Promise<Browser> | undefined

/** Returns the browser of this test file, which is closed after its last test. */
function getSharedBrowser (): Promise<Browser> {
  sharedBrowser ??= launchBrowser().then(browser => {
    file.teardown(() => browser.close())
    return browser
  })
  return sharedBrowser
}

/** Opens a page in a context of its own, without cookies, storage, cache or service workers of other tests. */
export async function openPage (t: Test): Promise<BrowserPage> {
  const browser = await getSharedBrowser()
  const page = await browser.newPage()
  t.teardown(() => page.close())
  const requestedUrls: string[] = []
  const errors: string[] = []
  page.on('request', request => requestedUrls.push(request.url()))
  page.on('pageerror', error => errors.push(String(error)))
  page.on('console', message => {
    // While the user fills in the form, it is not valid yet. Chromium logs the 422 as an error.
    if (message.type() === 'error' && !message.location().url.endsWith('/users/validate')) errors.push(message.text())
  })
  return { page, requestedUrls, errors }
}
