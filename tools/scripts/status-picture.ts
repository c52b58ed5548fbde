/** Takes docs/status.png and docs/status-dark.png, the filled status page, in Chromium: `npm run status:picture`. */
import { join } from 'node:path'
import { launchBrowser } from '../../test/helpers/launch-browser.ts'
import { root, serviceEnvironment } from '../../test/helpers/spawn-program.ts'
import { startProgram } from '../../test/helpers/start-program.ts'
import { fillStatus } from '../../test/helpers/status.ts'
import { startEmulator } from '../emulator/emulator.ts'

const emulator = await startEmulator({ rateLimit: 100 })
const { child, url } = await startProgram('src/main.js', { ...serviceEnvironment(emulator), STATUS_PAGE: 'true' })
const { completeUploads } = await fillStatus(url)
const browser = await launchBrowser()
for (const [colorScheme, file] of [['light', 'status.png'], ['dark', 'status-dark.png']] as const) {
  const page = await browser.newPage({ viewport: { width: 1240, height: 900 }, colorScheme })
  await page.goto(`${url}/status`)
  await page.getByRole('rowheader', { name: 'validation_failed' }).waitFor()
  await page.screenshot({ path: join(root, 'docs', file), fullPage: true })
  await page.close()
}
await browser.close()
await completeUploads()
child.kill()
await emulator.close()
