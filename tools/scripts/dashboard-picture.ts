/**
 * Takes docs/operate/dashboard.png and dashboard-dark.png in Chromium: `npm run dashboard:picture`. Prometheus scrapes
 * two replicas under load and evaluates every query of the dashboard. This program draws the panels, not Grafana.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import { launchBrowser } from '../../test/helpers/launch-browser.ts'
import { dashboard, resolveVariables, sendEachKind, type Panel } from '../../test/helpers/dashboard.ts'
import { freePort } from '../../test/helpers/free-port.ts'
import { csvOf, sendImport } from '../../test/helpers/imports.ts'
import { queryRange, spawnPrometheus, type Prometheus } from '../../test/helpers/prometheus.ts'
import { TestRedis } from '../../test/helpers/redis.ts'
import { root, serviceEnvironment } from '../../test/helpers/spawn-program.ts'
import { startProgram } from '../../test/helpers/start-program.ts'
import { startEmulator, type Emulator } from '../emulator/emulator.ts'
import { renderDashboard, type FilledPanel, type Series } from './dashboard-page.ts'

const warmUpSeconds = 30
const rangeSeconds = 120
const waveSeconds = 30
const tickMs = 500
const inFlightMax = 12

/** Sends requests to the replicas by turns, in waves, so that the lines have a shape. */
async function sendWaves (emulator: Emulator, urls: readonly string[]): Promise<void> {
  const companyIds = [1234, 101]
  const inFlight = new Set<Promise<unknown>>()
  const failures: unknown[] = []
  const start = (work: Promise<unknown>) => {
    const ended = work.catch((error: unknown) => failures.push(error)).finally(() => inFlight.delete(ended))
    inFlight.add(ended)
  }
  const ticksPerWave = waveSeconds * 1000 / tickMs
  for (let tick = 1; tick * tickMs <= (warmUpSeconds + rangeSeconds) * 1000; tick++) {
    await sleep(tickMs)
    // Its outcome is unknown, so that an alert fires.
    if (tick === 200) emulator.faults.add({ kind: 'status', status: 500, method: 'POST', path: '/users' })
    if (tick % 40 === 0) emulator.faults.add({ kind: 'reset-after-body', method: 'POST', path: '/users' })
    if (tick % 6 === 0) emulator.faults.add({ kind: 'delay', delayMs: 300 })
    for (let index = 0; index < Math.round(1 - Math.cos(2 * Math.PI * tick / ticksPerWave)); index++) {
      const companyUrl = `${urls[index % urls.length]}/companies/${companyIds[(tick + index) % companyIds.length]}`
      if (inFlight.size >= inFlightMax) break
      start(sendEachKind(companyUrl, `person-${tick}-${index}@example.com`))
      if (tick % 50 === 30) start(sendImport(`${companyUrl}/users/import`, `${csvOf(30, tick * 30)},no address\n`))
    }
  }
  await Promise.all(inFlight)
  if (failures.length > 0) throw new AggregateError(failures, 'Requests have no response.')
}

/** Runs the queries of a panel. @throws if one has no value, as a picture with an empty panel shows nothing */
async function fillPanel (prometheus: Prometheus, panel: Panel, to: number): Promise<FilledPanel> {
  const series: Series[] = []
  for (const { expr, legendFormat } of panel.targets ?? []) {
    const matrix = await queryRange(prometheus, resolveVariables(expr, '15s'), to - rangeSeconds, to)
    const found = matrix.map(({ metric, values }) => ({
      name: legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? ''),
      points: values.map(([time, text]) => [time, Number(text)] as const).filter(([, value]) => Number.isFinite(value)),
    })).filter(({ points }) => points.length > 0)
    if (found.length === 0) throw new Error(`${panel.title}, ${legendFormat}: Prometheus has no value`)
    series.push(...found)
  }
  return { panel, series }
}

await using resources = new AsyncDisposableStack()
const directory = await mkdtemp(join(tmpdir(), 'dashboard-'))
resources.defer(() => rm(directory, { recursive: true }))
await mkdir(join(directory, 'prometheus'))
const redis = new TestRedis(await freePort(), directory, [], undefined)
resources.defer(() => redis.kill())
resources.defer(() => redis.client.disconnect())
await redis.start()
const emulator = await startEmulator({ expiresInSeconds: 40, rateLimit: 11, rateWindowSeconds: 2 })
resources.defer(() => emulator.close())
const environment = { ...serviceEnvironment(emulator), REDIS_URL: redis.url, RATE_LIMIT_MAX_WAIT_MS: '10000' }
const urls: string[] = []
for (let count = 0; count < 2; count++) {
  const { child, url } = await startProgram('src/main.js', environment)
  resources.defer(() => { child.kill() })
  urls.push(url)
}
const hosts = urls.map(url => new URL(url).host)
const prometheus = await spawnPrometheus(join(directory, 'prometheus'), hosts, { scrapeInterval: '1s' })
resources.defer(prometheus.stop)

await sendWaves(emulator, urls)
const to = Math.floor(Date.now() / 1000)
const panels: FilledPanel[] = []
for (const panel of dashboard.panels) panels.push(await fillPanel(prometheus, panel, to))
const caption = `Two replicas, ${rangeSeconds} seconds under a small load. The emulated Procore loses a few ` +
  'responses and fails one create. Drawn by a script from the queries of the dashboard, not by Grafana.'
const browser = await launchBrowser()
resources.defer(() => browser.close())
for (const [colorScheme, file] of [['light', 'dashboard.png'], ['dark', 'dashboard-dark.png']] as const) {
  const page = await browser.newPage({ viewport: { width: 1240, height: 900 }, colorScheme })
  await page.setContent(renderDashboard(dashboard.title, caption, panels))
  // A palette makes the file less than half as large.
  await sharp(await page.screenshot({ fullPage: true })).png({ palette: true }).toFile(join(root, 'docs/operate', file))
}
