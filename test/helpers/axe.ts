/** Checks the accessibility of a page with axe. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'

interface AxeViolation { id: string, impact: string | null, nodes: Array<{ target: unknown }> }

declare global {
  interface Window { axe: { run (): Promise<{ violations: AxeViolation[] }> } }
}

/**
 * Returns a line for each violation, which begins with its impact.
 * axe runs through the DevTools protocol, because the page's Content-Security-Policy allows no foreign script.
 */
export async function findViolations (page: Page): Promise<string[]> {
  await page.evaluate(await readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8'))
  const { violations } = await page.evaluate(() => window.axe.run())
  return violations.map(({ id, impact, nodes }) => {
    return `${impact} ${id} ${JSON.stringify(nodes.map(({ target }) => target))}`
  })
}
