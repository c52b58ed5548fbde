// Shows each event of the service in place. Everything is set as text, never as markup.

const element = id => document.getElementById(id)

function ago (ms) {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return `${Math.round(seconds / 3600)} h`
}

const size = bytes => bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`

/** A cell is a text, a node, or some of both. */
function row (cells, name = 'td') {
  const tr = document.createElement('tr')
  for (const cell of cells) {
    const td = document.createElement(name)
    td.append(...[cell].flat().filter(part => part !== undefined).map(part => part instanceof Node ? part : String(part)))
    tr.append(td)
  }
  return tr
}

function fill (id, rows) {
  const body = element(id)
  body.replaceChildren(...rows)
  const table = body.closest('table')
  table.hidden = rows.length === 0
  const empty = table.parentElement.querySelector('.empty')
  if (empty !== null) empty.hidden = rows.length > 0
}

function state (isUp) {
  const mark = document.createElement('span')
  mark.className = isUp ? 'up' : 'down'
  mark.textContent = isUp ? '● up' : '○ down'
  return mark
}

function bar (value, max, label) {
  const progress = document.createElement('progress')
  progress.setAttribute('aria-label', label)
  progress.max = Math.max(1, max)
  progress.value = value
  return progress
}

function list (entries) {
  element('now').replaceChildren(...entries.flatMap(([name, value]) => {
    const [dt, dd] = [document.createElement('dt'), document.createElement('dd')]
    dt.textContent = name
    dd.textContent = value
    return [dt, dd]
  }))
}

function show (status) {
  const { nowMs, phase, dependencies, token, connections, forms } = status
  element('phase').textContent = phase
  element('phase').className = phase === 'ready' ? 'up' : 'down'
  element('about').textContent = `version ${status.version}, up for ${ago(status.upSeconds * 1000)}`
  const names = { login: 'Procore login', api: 'Procore API', identity: 'keys of callers', redis: 'Redis' }
  fill('dependencies', Object.entries(dependencies).map(([name, { isUp, sinceMs }]) => row([names[name] ?? name, state(isUp), ago(nowMs - sinceMs)])))
  list([
    ['token', `${token.isValid ? `valid, ${ago(token.ageMs)} old` : 'none that is valid'}; ${token.renewed} had, ${token.failed} attempts failed, ${token.refused} refused`],
    ['breaker', dependencies.api.isUp ? 'closed: requests go to Procore' : 'open: requests are refused at once'],
    ['requests under way', status.requests],
    ['waiting for allowance', status.waiting],
    ['forms', `${forms.held} held, ${forms.streamed} streamed`],
    ['connections to Procore', `${connections.busy} busy, ${connections.free} free, ${connections.queued} waiting for one`],
  ])
  fill('allowances', status.allowances.map(({ companyId, remaining, limit, resetMs }) => row([
    companyId ?? 'all',
    [bar(remaining, limit ?? remaining, `remaining of company ${companyId ?? 'all'}`), ` ${remaining}${limit === undefined ? '' : ` of ${limit}`}`],
    ago(resetMs),
  ])))
  fill('uploads', status.uploads.map(({ requestId, companyId, way, bytes, declaredBytes, ageMs }) => row([
    requestId, companyId, way,
    declaredBytes === undefined ? size(bytes) : [bar(bytes, declaredBytes, `read of request ${requestId}`), ` ${size(bytes)} of ${size(declaredBytes)}`],
    ago(ageMs),
  ])))
  fill('problems', status.problems.map(({ code, count, atMs, route, requestId }) => row([code, count, `${ago(nowMs - atMs)} ago`, route ?? 'none', requestId])))
}

const events = new EventSource('/status/events')
events.addEventListener('message', ({ data }) => show(JSON.parse(data)))
events.addEventListener('error', () => {
  element('phase').textContent = 'no connection'
  element('phase').className = 'down'
})
