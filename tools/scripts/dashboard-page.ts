/** Draws panels of the Grafana dashboard as one HTML page with inline SVG, for the picture of the documentation. */
import type { Panel, Unit } from '../../test/helpers/dashboard.ts'

/** One line of a panel: pairs of seconds and value, without missing values. */
export interface Series { name: string, points: ReadonlyArray<readonly [number, number]> }
/** A panel with the series of its queries. */
export interface FilledPanel { panel: Panel, series: readonly Series[] }

const rowHeight = 26
const width = 400
const axisWidth = 54
const rightMargin = 16
const linesInLegend = 4
const lineColors = ['#3274d9', '#e0752d', '#37872d', '#c4162a', '#8f3bb8', '#b58900', '#0e8a8a', '#d6569c']

const style = `
body{margin:0;padding:16px;font:13px system-ui,sans-serif;--back:#f4f5f5;--panel:#fff;--text:#24292e;--soft:#6a737d;
  --line:#d8dce0;background:var(--back);color:var(--text)}
@media(prefers-color-scheme:dark){body{--back:#111217;--panel:#181b1f;--text:#d8d9da;--soft:#9a9da3;--line:#2c3036}}
h1{font-size:18px;margin:0}p{margin:4px 0 12px;color:var(--soft)}
main{display:grid;grid-template-columns:repeat(24,1fr);grid-auto-rows:${rowHeight}px;gap:0 8px}
h2{font-size:14px;margin:0;align-self:center}
section{box-sizing:border-box;margin-bottom:8px;padding:6px 8px;border:1px solid var(--line);border-radius:3px;
  background:var(--panel);overflow:hidden;position:relative;display:flex;flex-direction:column}
h3{font-size:13px;font-weight:500;margin:0;white-space:nowrap}
svg{display:block;width:100%;flex:1;min-height:0}
svg text{font-size:11px;fill:var(--soft)}polyline{fill:none;stroke-width:1.5;stroke-linejoin:round}
.grid{stroke:var(--line)}ul{list-style:none;margin:2px 0 0;padding:0;display:flex;flex-wrap:wrap;gap:0 12px}
li{font-size:11px;line-height:15px;white-space:nowrap}i{display:inline-block;width:12px;height:3px;margin:0 5px 3px 0}
.stat{color:#fff;border:0}.stat h3{white-space:normal}
.stat ul{gap:18px;flex:1;align-content:center}.stat li{font-size:12px;line-height:1.3}
b{display:block;font-size:26px;font-weight:600}.red{background:#b3261e}.orange{background:#a65300}
.green{background:#1f7a3f}.stat svg{position:absolute;left:0;bottom:0;height:30px;opacity:.45}
.stat polyline{stroke:#fff}`

/** @param caption says where the values come from */
export function renderDashboard (title: string, caption: string, panels: readonly FilledPanel[]): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escape(title)}</title><style>${style}</style>
<h1>${escape(title)}</h1><p>${escape(caption)}</p><main>${panels.map(renderPanel).join('\n')}</main></html>`
}

function renderPanel ({ panel, series }: FilledPanel): string {
  const { x, y, w, h } = panel.gridPos
  const place = `style="grid-area:${y + 1}/${x + 1}/span ${h}/span ${w}"`
  const title = escape(panel.title)
  switch (panel.type) {
    case 'row': return `<h2 ${place}>${title}</h2>`
    case 'stat': {
      const values = series.map(one => renderStat(panel, one, series.length > 1))
      return `<section class="stat ${statColor(panel, series)}" ${place}><h3>${title}</h3>` +
        `<ul>${values.join('')}</ul>${renderSparkline(series)}</section>`
    }
    case 'timeseries': {
      const sorted = series.toSorted((a, b) => maxOf([b]) - maxOf([a]))
      return `<section ${place}><h3>${title}</h3>${renderLines(panel.fieldConfig.defaults.unit, sorted)}` +
        `${renderLegend(sorted)}</section>`
    }
  }
}

type StatPanel = Panel & { type: 'stat' }

const lastOf = ({ points }: Series) => points.at(-1)?.[1] ?? NaN
const valuesOf = (series: readonly Series[]) => series.flatMap(({ points }) => points.map(([, value]) => value))
const maxOf = (series: readonly Series[]) => Math.max(...valuesOf(series))

/** Returns the color of the worst value, as one background has to do for all. */
function statColor ({ fieldConfig }: StatPanel, series: readonly Series[]): string {
  const steps = fieldConfig.defaults.thresholds?.steps ?? []
  const colors = series.map(one => steps.findLast(({ value }) => value === null || lastOf(one) >= value)?.color)
  return ['red', 'orange', 'green'].find(color => colors.some(found => found === color)) ?? ''
}

function renderStat ({ fieldConfig }: StatPanel, series: Series, isNamed: boolean): string {
  const { unit, decimals } = fieldConfig.defaults
  return `<li><b>${formats[unit](lastOf(series), decimals)}</b>${isNamed ? escape(series.name) : ''}</li>`
}

function renderSparkline ([first]: readonly Series[]): string {
  if (first === undefined) return ''
  const bottom = Math.min(0, ...valuesOf([first]))
  const top = Math.max(maxOf([first]), bottom + 1e-9)
  const [from, to] = timesOf([first])
  const points = first.points.map(([time, value]) =>
    `${toFixed(100 * (time - from) / (to - from))},${toFixed(29 - 28 * (value - bottom) / (top - bottom))}`)
  return `<svg viewBox="0 0 100 30" preserveAspectRatio="none"><polyline points="${points.join(' ')}"/></svg>`
}

function renderLines (unit: Unit, series: readonly Series[]): string {
  const height = 150
  const base = height - 18
  const top = roundUp(unit, maxOf(series))
  const [from, to] = timesOf(series)
  const toX = (time: number) => toFixed(axisWidth + (width - axisWidth - rightMargin) * (time - from) / (to - from))
  const toY = (value: number) => toFixed(base - (base - 8) * value / top)
  const values = [0, top / 2, top].map(value =>
    `<path class="grid" d="M${axisWidth} ${toY(value)}H${width - rightMargin}"/>` +
    `<text x="${axisWidth - 6}" y="${toY(value) + 4}" text-anchor="end">${formats[unit](value)}</text>`)
  const times = Array.from({ length: Math.floor((to - from) / 30) + 1 }, (_, index) =>
    `<text x="${toX(from + index * 30)}" y="${height - 3}" text-anchor="middle">${index * 30} s</text>`)
  const lines = series.map(({ points }, index) =>
    `<polyline stroke="${colorOf(index)}" points="${points.map(([time, v]) => `${toX(time)},${toY(v)}`).join(' ')}"/>`)
  // The first of the legend is drawn last, above the others.
  return `<svg viewBox="0 0 ${width} ${height}">${[...values, ...times, ...lines.reverse()].join('')}</svg>`
}

/** Names the highest series, since a legend of all could be higher than its panel. */
function renderLegend (series: readonly Series[]): string {
  const items = series.slice(0, linesInLegend).map(({ name }, index) =>
    `<li><i style="background:${colorOf(index)}"></i>${escape(name)}</li>`)
  const rest = series.length - items.length
  return `<ul>${items.join('')}${rest > 0 ? `<li>and ${rest} more</li>` : ''}</ul>`
}

const colorOf = (index: number) => lineColors[index % lineColors.length]
const toFixed = (value: number) => Number(value.toFixed(1))

function timesOf (series: readonly Series[]): [number, number] {
  const times = series.flatMap(({ points }) => points.map(([time]) => time))
  const from = Math.min(...times)
  return [from, Math.max(...times, from + 1)]
}

/** Returns the next of 1, 2 and 5 times a power of ten, in the prefixed unit for bytes. */
function roundUp (unit: Unit, value: number): number {
  if (value <= 0) return 1
  const prefix = unit === 'bytes' ? 1024 ** Math.floor(Math.log(value) / Math.log(1024)) : 1
  const power = 10 ** Math.floor(Math.log10(value / prefix))
  return (([1, 2, 5].find(factor => factor * power * prefix >= value)) ?? 10) * power * prefix
}

const formats: Record<Unit, (value: number, decimals?: number) => string> = {
  none: formatNumber,
  short: formatNumber,
  percentunit: (value, decimals) => `${formatNumber(value * 100, decimals)} %`,
  s: value => value > 0 && value < 1 ? `${formatNumber(value * 1000)} ms` : `${formatNumber(value)} s`,
  reqps: value => `${formatNumber(value)} req/s`,
  ops: value => `${formatNumber(value)} ops/s`,
  Bps: value => value < 1000 ? `${formatNumber(value)} B/s` : `${formatNumber(value / 1000)} kB/s`,
  bytes: value => `${formatNumber(value / 1024 ** 2)} MiB`,
}

function formatNumber (value: number, decimals = Math.abs(value) < 10 ? 2 : 0): string {
  return value.toLocaleString('en', { maximumFractionDigits: decimals })
}

const escape = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
