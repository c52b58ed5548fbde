/** Takes docs/demo.png and docs/demo-dark.png, the demo page after a create, in Chromium: `npm run demo:picture`. */
import { join } from 'node:path'
import { launchBrowser } from '../../test/helpers/launch-browser.ts'
import { loadPage, submit, waitForOutcome } from '../../test/helpers/demo.ts'
import { root, serviceEnvironment } from '../../test/helpers/spawn-program.ts'
import { startProgram } from '../../test/helpers/start-program.ts'
import { startEmulator } from '../emulator/emulator.ts'

const emulator = await startEmulator()
const environment = { ...serviceEnvironment(emulator), PORT: '3000', PROCORE_FILE_ALLOW_LOOPBACK: 'true' }
const { child, url } = await startProgram(join(root, 'tools/demo/service.ts'), environment)
const browser = await launchBrowser()
for (const [colorScheme, file] of [['light', 'demo.png'], ['dark', 'demo-dark.png']] as const) {
  emulator.api.directory.clear()
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, colorScheme })
  await loadPage(page, `${url}/demo`)
  await page.getByRole('button', { name: 'Fill with sample data' }).click()
  await page.getByAltText('The chosen avatar').waitFor()
  await submit(page)
  await waitForOutcome(page, 'created')
  await page.getByAltText('The picture of the person').waitFor()
  await page.mouse.move(0, 0)
  await page.evaluate(() => {
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur()
  })
  await page.screenshot({ path: join(root, 'docs', file) })
  await page.close()
}
await browser.close()
child.kill()
await emulator.close()
