/** `npm run demo:picture`: rewrites docs/demo.png and docs/demo-dark.png, the demo's page after a create, in a real Chromium. */
import { join } from 'node:path'
import { launch } from '../../test/helpers/browser.ts'
import { fillIn, load, submit, told } from '../../test/helpers/demo.ts'
import { root, serviceEnvironment } from '../../test/helpers/process.ts'
import { startProgram } from '../../test/helpers/program.ts'
import { startEmulator } from '../emulator/emulator.ts'

const emulator = await startEmulator()
const { child, url } = await startProgram(join(root, 'tools/demo/service.ts'), serviceEnvironment(emulator))
const browser = await launch()
for (const [colorScheme, file] of [['light', 'demo.png'], ['dark', 'demo-dark.png']] as const) {
  emulator.api.directory.clear()
  const page = await browser.newPage({ viewport: { width: 1240, height: 860 }, colorScheme })
  await load(page, `${url}/demo`)
  await fillIn(page)
  await page.getByLabel('Job title').fill('QA Manager')
  await page.getByLabel('Avatar', { exact: true }).setInputFiles(join(root, 'docs/avatar.png'))
  await submit(page)
  await told(page, 'created')
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
