/** A real Chromium, where the machine has one. */
import { existsSync } from 'node:fs'
import { chromium, type Browser, type Page } from 'playwright-core'
import file, { type Test } from 'tap'

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)

export const hasBrowser = executablePath !== undefined

export interface BrowserPage {
  page: Page
  /** Every address that was asked for. */
  requestedUrls: string[]
  /** What the page said to the console as an error, and what it threw. */
  errors: string[]
}

export function launchBrowser (): Promise<Browser> {
  if (executablePath === undefined) throw new Error('there is no browser')
  return chromium.launch({ executablePath, args: ['--no-sandbox'] })
}

let sharedBrowser: Promise<Browser> | undefined

/** The one of this file of tests, closed when all of them are over. */
function getSharedBrowser (): Promise<Browser> {
  sharedBrowser ??= launchBrowser().then(browser => {
    file.teardown(() => browser.close())
    return browser
  })
  return sharedBrowser
}

/** A page in a context of its own: no cookie, storage, cache or service worker of another test is in it. */
export async function openPage (t: Test): Promise<BrowserPage> {
  const browser = await getSharedBrowser()
  const page = await browser.newPage()
  t.teardown(() => page.close())
  const requestedUrls: string[] = []
  const errors: string[] = []
  page.on('request', request => requestedUrls.push(request.url()))
  page.on('pageerror', error => errors.push(String(error)))
  page.on('console', message => {
    // A form that is judged while it is being filled in is not valid yet, which Chromium counts among the errors.
    if (message.type() === 'error' && !message.location().url.endsWith('/users/validate')) errors.push(message.text())
  })
  return { page, requestedUrls, errors }
}
