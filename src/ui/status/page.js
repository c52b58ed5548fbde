/**
 * Shows the events of the service. Values are set as text, never as markup. Only changed nodes are touched, so that
 * screen readers do not repeat unchanged text, and selection and focus survive.
 */

/** How long to wait before a reconnection if the browser does not reconnect by itself. */
const reconnectMs = 3000

const getElement = id => document.getElementById(id)

/** Makes `current` equal to `wanted` with as few changes as possible. */
function patch (current, wanted) {
  if (current.isEqualNode(wanted)) return
  if (current.nodeType !== Node.ELEMENT_NODE || current.nodeName !== wanted.nodeName) {
    return current.replaceWith(wanted)
  }
  for (const { name, value } of wanted.attributes) {
    if (current.getAttribute(name) !== value) current.setAttribute(name, value)
  }
  patchChildren(current, [...wanted.childNodes])
}

function patchChildren (parent, wanted) {
  const current = [...parent.childNodes]
  for (const node of current.splice(wanted.length)) node.remove()
  wanted.forEach((node, index) => current[index] === undefined ? parent.append(node) : patch(current[index], node))
}

function setText (id, text, className) {
  const element = getElement(id)
  if (element.textContent !== text) element.textContent = text
  if (className !== undefined && element.className !== className) element.className = className
}

function setHidden (element, isHidden) {
  if (element.hidden !== isHidden) element.hidden = isHidden
}

function formatDuration (ms) {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return `${Math.round(seconds / 3600)} h`
}

const formatBytes = bytes => bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`

/** @param cells each a text, a node, or a list of both; the first cell is the header of the row */
function createRow (cells) {
  const tr = document.createElement('tr')
  for (const [index, cell] of cells.entries()) {
    const td = document.createElement(index === 0 ? 'th' : 'td')
    if (index === 0) td.scope = 'row'
    const contents = [cell].flat().filter(content => content !== undefined)
    td.append(...contents.map(content => content instanceof Node ? content : String(content)))
    tr.append(td)
  }
  return tr
}

/** Shows the rows in a table body, or the table's "empty" text if there are none. */
function showRows (id, rows) {
  const body = getElement(id)
  const table = body.closest('table')
  const labels = [...table.tHead.rows[0].cells].map(({ textContent }) => textContent)
  for (const { cells } of rows) {
    // On a narrow screen, the style sheet shows the name of the column in each cell.
    for (const [index, cell] of [...cells].entries()) cell.dataset.label = labels[index]
  }
  patchChildren(body, rows)
  setHidden(table, rows.length === 0)
  const emptyText = table.parentElement.querySelector('.empty')
  if (emptyText !== null) setHidden(emptyText, rows.length > 0)
}

function createState (isUp) {
  const state = document.createElement('span')
  state.className = isUp ? 'up' : 'down'
  state.textContent = isUp ? '● up' : '○ down'
  return state
}

function createCode (text) {
  const code = document.createElement('code')
  code.textContent = text
  return code
}

function createProgress (value, max, label) {
  const progress = document.createElement('progress')
  progress.setAttribute('aria-label', label)
  progress.max = Math.max(1, max)
  progress.value = value
  return progress
}

function showValues (values) {
  patchChildren(getElement('now'), values.flatMap(([name, value]) => {
    const [dt, dd] = [document.createElement('dt'), document.createElement('dd')]
    dt.textContent = name
    dd.textContent = value
    return [dt, dd]
  }))
}

const dependencyNames = { login: 'Procore login', api: 'Procore API', identity: 'JWT issuer (JWKS)', redis: 'Redis' }

function createDependencyRow (nowMs, [name, { isUp, sinceMs, warning }]) {
  const title = [dependencyNames[name] ?? name, createWarning(warning)]
  return createRow([title, createState(isUp), formatDuration(nowMs - sinceMs)])
}

function createWarning (text) {
  if (text === undefined) return undefined
  const warning = document.createElement('p')
  warning.className = 'warning'
  warning.textContent = text
  return warning
}

function createRateLimitRow ({ companyId, remaining, limit, resetMs }) {
  const company = companyId ?? 'all'
  const progress = createProgress(remaining, limit ?? remaining, `remaining requests of company ${company}`)
  const text = limit === undefined ? ` ${remaining}` : ` ${remaining} of ${limit}`
  return createRow([company, [progress, text], formatDuration(resetMs)])
}

function createUploadRow ({ requestId, companyId, bodyMode, bytes, declaredBytes, ageMs }) {
  const received = declaredBytes === undefined
    ? formatBytes(bytes)
    : [
        createProgress(bytes, declaredBytes, `received bytes of request ${requestId}`),
        ` ${formatBytes(bytes)} of ${formatBytes(declaredBytes)}`,
      ]
  return createRow([createCode(requestId), companyId, bodyMode, received, formatDuration(ageMs)])
}

function createProblemRow (nowMs, { code, count, atMs, route, requestId }) {
  const lastSeen = `${formatDuration(nowMs - atMs)} ago`
  return createRow([createCode(code), count, lastSeen, createCode(route ?? 'none'), createCode(requestId ?? 'none')])
}

function formatAccessToken ({ isValid, ageMs, renewed, failed, refused }) {
  const state = isValid ? `valid, ${formatDuration(ageMs)} old` : 'not valid'
  return `${state}; ${renewed} renewed, ${failed} attempts failed, ${refused} rejected`
}

function showStatus (status) {
  const { nowMs, phase, dependencies, connections, forms } = status
  setText('phase', phase, phase === 'ready' ? 'up' : 'down')
  setText('about', `version ${status.version}, up for ${formatDuration(status.upSeconds * 1000)}`)
  showRows('dependencies', Object.entries(dependencies).map(entry => createDependencyRow(nowMs, entry)))
  showValues([
    ['access token', formatAccessToken(status.accessToken)],
    ['circuit breaker', dependencies.api.isUp ? 'closed: requests go to Procore' : 'open: requests fail at once'],
    ['requests in flight', status.requests],
    ['requests waiting for the rate limit', status.waiting],
    ['multipart bodies', `${forms.buffered} buffered, ${forms.streamed} streamed`],
    ['connections to Procore', `${connections.busy} busy, ${connections.free} free, ${connections.queued} queued`],
  ])
  showRows('rate-limits', status.rateLimits.map(createRateLimitRow))
  showRows('uploads', status.uploads.map(createUploadRow))
  showRows('problems', status.problems.map(problem => createProblemRow(nowMs, problem)))
}

let updatedAt

/** Shows that the connection is lost, and from when the data on the page is. */
function showDisconnected () {
  setText('phase', 'no connection', 'down')
  if (updatedAt === undefined) return
  setText('stale', `This page shows the status at ${updatedAt.toLocaleTimeString()}. It may have changed.`)
  setStale(true)
}

function setStale (isStale) {
  const { classList } = getElement('sections')
  if (classList.contains('stale') !== isStale) classList.toggle('stale')
  setHidden(getElement('stale'), !isStale)
}

function connect () {
  const events = new EventSource('/status/events')
  events.addEventListener('message', ({ data }) => {
    updatedAt = new Date()
    setStale(false)
    showStatus(JSON.parse(data))
  })
  events.addEventListener('error', () => {
    showDisconnected()
    // The browser does not reconnect after a response that is not an event stream, such as a 503.
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, reconnectMs)
  })
}

connect()
