/** A real Chromium, where the machine has one. */
import { existsSync } from 'node:fs'
import { chromium, type Browser, type Page } from 'playwright-core'
import type { Test } from 'tap'

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

export async function openPage (t: Test): Promise<Browsing> {
  const browser = await launch()
  t.teardown(() => browser.close())
  const page = await browser.newPage()
  const asked: string[] = []
  const errors: string[] = []
  page.on('request', request => asked.push(request.url()))
  page.on('pageerror', error => errors.push(String(error)))
  page.on('console', message => { if (message.type() === 'error') errors.push(message.text()) })
  return { page, asked, errors }
}
