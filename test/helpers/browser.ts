/** A real Chromium, where the machine has one. */
import { existsSync } from 'node:fs'
import { chromium, type Browser, type Page } from 'playwright-core'
import file, { type Test } from 'tap'

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)

export const hasBrowser = executablePath !== undefined

export interface Browsing {
  page: Page
  /** Every address that was asked for. */
  asked: string[]
  /** What the page said to the console as an error, and what it threw. */
  errors: string[]
}

export function launch (): Promise<Browser> {
  if (executablePath === undefined) throw new Error('there is no browser')
  return chromium.launch({ executablePath, args: ['--no-sandbox'] })
}

let launched: Promise<Browser> | undefined

/** The one of this file of tests, closed when all of them are over. */
function browserOfFile (): Promise<Browser> {
  launched ??= launch().then(browser => {
    file.teardown(() => browser.close())
    return browser
  })
  return launched
}

/** A page in a context of its own: no cookie, storage, cache or service worker of another test is in it. */
export async function openPage (t: Test): Promise<Browsing> {
  const browser = await browserOfFile()
  const page = await browser.newPage()
  t.teardown(() => page.close())
  const asked: string[] = []
  const errors: string[] = []
  page.on('request', request => asked.push(request.url()))
  page.on('pageerror', error => errors.push(String(error)))
  page.on('console', message => {
    // A form that is judged while it is being filled in is not valid yet, which Chromium counts among the errors.
    if (message.type() === 'error' && !message.location().url.endsWith('/users/validate')) errors.push(message.text())
  })
  return { page, asked, errors }
}
