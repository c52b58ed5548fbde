/** Takes docs/demo.png and docs/demo-dark.png, the demo page after a create, in Chromium: `npm run demo:picture`. */
import { join } from 'node:path'
import { launchBrowser } from '../../test/helpers/browser.ts'
import { fillRequiredFields, loadPage, submit, waitForOutcome } from '../../test/helpers/demo.ts'
import { root, serviceEnvironment } from '../../test/helpers/spawn-program.ts'
import { startProgram } from '../../test/helpers/start-program.ts'
import { startEmulator } from '../emulator/emulator.ts'

const emulator = await startEmulator()
const { child, url } = await startProgram(join(root, 'tools/demo/service.ts'), serviceEnvironment(emulator))
const browser = await launchBrowser()
for (const [colorScheme, file] of [['light', 'demo.png'], ['dark', 'demo-dark.png']] as const) {
  emulator.api.directory.clear()
  const page = await browser.newPage({ viewport: { width: 1240, height: 860 }, colorScheme })
  await loadPage(page, `${url}/demo`)
  await fillRequiredFields(page)
  await page.getByLabel('Job title').fill('QA Manager')
  await page.getByLabel('Avatar', { exact: true }).setInputFiles(join(root, 'docs/avatar.png'))
  await submit(page)
  await waitForOutcome(page, 'created')
  await page.locator('.received details[open]').waitFor()
  await page.mouse.move(0, 0)
  await page.evaluate(() => {
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur()
    window.scrollTo(0, 0)
  })
  await page.screenshot({ path: join(root, 'docs', file) })
  await page.close()
}
await browser.close()
child.kill()
await emulator.close()
