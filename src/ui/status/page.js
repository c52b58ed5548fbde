// Shows each event of the service in place. Everything is set as text, never as markup, and only what changed is touched: a reader of
// the screen is not told the same again, and what is selected or in focus stays so.

/** How long to wait until a connection is asked for again that the browser has given up, in milliseconds. */
const reconnectMs = 3000

const element = id => document.getElementById(id)

/** Makes what is shown like what is wanted. */
function patch (shown, wanted) {
  if (shown.isEqualNode(wanted)) return
  if (shown.nodeType !== Node.ELEMENT_NODE || shown.nodeName !== wanted.nodeName) return shown.replaceWith(wanted)
  for (const { name, value } of wanted.attributes) if (shown.getAttribute(name) !== value) shown.setAttribute(name, value)
  patchChildren(shown, [...wanted.childNodes])
}

function patchChildren (parent, wanted) {
  const shown = [...parent.childNodes]
  for (const node of shown.splice(wanted.length)) node.remove()
  wanted.forEach((node, index) => shown[index] === undefined ? parent.append(node) : patch(shown[index], node))
}

function say (id, text, className) {
  const shown = element(id)
  if (shown.textContent !== text) shown.textContent = text
  if (className !== undefined && shown.className !== className) shown.className = className
}

function ago (ms) {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return `${Math.round(seconds / 3600)} h`
}

const size = bytes => bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`

function hide (shown, isHidden) {
  if (shown.hidden !== isHidden) shown.hidden = isHidden
}

/** A cell is a text, a node, or some of both; the first one names the row. */
function row (cells) {
  const tr = document.createElement('tr')
  for (const [index, cell] of cells.entries()) {
    const td = document.createElement(index === 0 ? 'th' : 'td')
    if (index === 0) td.scope = 'row'
    td.append(...[cell].flat().filter(part => part !== undefined).map(part => part instanceof Node ? part : String(part)))
    tr.append(td)
  }
  return tr
}

function fill (id, rows) {
  const body = element(id)
  patchChildren(body, rows)
  const table = body.closest('table')
  hide(table, rows.length === 0)
  const empty = table.parentElement.querySelector('.empty')
  if (empty !== null) hide(empty, rows.length > 0)
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
  patchChildren(element('now'), entries.flatMap(([name, value]) => {
    const [dt, dd] = [document.createElement('dt'), document.createElement('dd')]
    dt.textContent = name
    dd.textContent = value
    return [dt, dd]
  }))
}

function show (status) {
  const { nowMs, phase, dependencies, token, connections, forms } = status
  say('phase', phase, phase === 'ready' ? 'up' : 'down')
  say('about', `version ${status.version}, up for ${ago(status.upSeconds * 1000)}`)
  const names = { login: 'Procore login', api: 'Procore API', identity: 'keys of callers', redis: 'Redis' }
  fill('dependencies', Object.entries(dependencies).map(([name, { isUp, sinceMs }]) => row([names[name] ?? name, state(isUp), ago(nowMs - sinceMs)])))
  list([
    ['token', `${token.isValid ? `valid, ${ago(token.ageMs)} old` : 'none that is valid'}; ${token.renewed} had, ${token.failed} attempts failed, ${token.refused} refused`],
    ['breaker', dependencies.api.isUp ? 'closed: requests go to Procore' : 'open: requests are refused at once'],
    ['requests under way', status.requests],
    ['waiting for allowance', status.waiting],
    ['forms', `${forms.buffered} buffered, ${forms.streamed} streamed`],
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

let shownAt

/** What is shown is no longer what is: that is said, and when it was. */
function lose () {
  say('phase', 'no connection', 'down')
  if (shownAt === undefined) return
  say('stale', `What stands below was so at ${shownAt.toLocaleTimeString()}, and may have changed.`)
  setStale(true)
}

function setStale (isStale) {
  if (element('parts').classList.contains('stale') !== isStale) element('parts').classList.toggle('stale')
  hide(element('stale'), !isStale)
}

function connect () {
  const events = new EventSource('/status/events')
  events.addEventListener('message', ({ data }) => {
    shownAt = new Date()
    setStale(false)
    show(JSON.parse(data))
  })
  events.addEventListener('error', () => {
    lose()
    // After an answer that is no stream, such as a 503, the browser does not try again.
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, reconnectMs)
  })
}

connect()
