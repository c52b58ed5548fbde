/** Starts Chromium, for tests and for the programs that take screenshots. */
import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

/** The headless shell needs two thirds of the processor time of Chromium. */
const programs = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome']

/** Undefined if no Chromium is installed. */
export const chromiumPath = programs.map(program => `/usr/bin/${program}`).find(existsSync)

export function launchBrowser (): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error('Chromium is not installed')
  return chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] })
}
