/** Starts Chromium, for tests and for the programs that take screenshots. */
import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

const paths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Undefined if no Chromium is installed. */
export const chromiumPath = paths.find(existsSync)

export function launchBrowser (): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error('Chromium is not installed')
  return chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] })
}
