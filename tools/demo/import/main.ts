/** Runs the import page: one file, whose columns are mapped, and one import of it at a time. */
import { createClient, ProblemError, type ImportedRow } from '../../../client/client.ts'
import { formatSeconds, startCountdown, stopCountdown } from '../page/countdown.ts'
import { createElement, formatBytes, getElement } from '../page/dom.ts'
import { showOutcome, showStatus } from '../page/outcome.ts'
import { chooseScenario, initScenario, resetEmulator, scenarioReady } from '../page/scenario.ts'
import { mapFile, toBlob, toFailedRowsFile, type ImportContent } from './content.ts'
import {
  describeCancelledCheck, describeCheck, describeEnd, describeImportFailure, describePause, isRefused, needsResume,
} from './import-outcome.ts'
import { getMapping, hideMapping, initMapping, setMappingDisabled, showMapping, showMappingState } from './mapping.ts'
import { addResult, beginResults, count, endResults, initResults, listFailed } from './results.ts'
import { FileError, readTableFile, type TableFile } from './table-file.ts'
import { findUnfinished, forgetAllImports, forgetImport, listUnfinished, rememberImport } from './unfinished.ts'

const companyId = 1234
const client = createClient({ baseUrl: '' })
const fileInput = getElement('file', HTMLInputElement)
const modeSelect = getElement('mode', HTMLSelectElement)
const importButton = getElement('import', HTMLButtonElement)
const checkButton = getElement('check', HTMLButtonElement)
const pauseButton = getElement('pause', HTMLButtonElement)
const dropZone = getElement('drop', HTMLElement)
const progress = getElement('progress', HTMLProgressElement)
const interrupted = getElement('interrupted', HTMLElement)
const fileHint = getElement('file-hint', HTMLElement)
const defaultFileHint = fileHint.textContent
/** Must not be used during an import. */
const idleControls = [
  fileInput, modeSelect, getElement('scenario', HTMLSelectElement),
  ...['sample', 'broken-sample', 'reset'].map(id => getElement(id, HTMLButtonElement)),
]

let file: TableFile | undefined
/** What is sent of the file; undefined while its columns cannot be imported. */
let content: ImportContent | undefined
/** Aborts the import in flight. */
let inFlight: AbortController | undefined
/** Counts the files that were chosen, so that a file that is read slowly does not replace a later one. */
let choiceCount = 0

const getMode = () => modeSelect.value === 'upsert' ? 'upsert' : 'create'
const getIdentity = ({ digest }: TableFile) => ({ companyId, mode: getMode(), mapping: getMapping(), digest } as const)

async function onFile (): Promise<void> {
  const chosen = fileInput.files?.[0]
  if (chosen === undefined || inFlight !== undefined) return
  const choice = ++choiceCount
  forgetFile()
  showStatus(`Reading ${chosen.name}…`)
  try {
    const read = await readTableFile(chosen)
    if (choice === choiceCount) showFile(read)
  } catch (error) {
    if (choice !== choiceCount) return
    const detail = error instanceof FileError ? error.message : String(error)
    showOutcome({ badge: 'unreadable', tone: 'bad', title: `${chosen.name} cannot be imported.`, detail })
  }
}

function showFile (read: TableFile): void {
  file = read
  const { name, bytes, rows, digest } = read
  const rowsText = rows.length === 1 ? '1 row' : `${rows.length.toLocaleString('en')} rows`
  fileHint.textContent = `${name}: ${rowsText}, ${formatBytes(bytes)}.`
  const earlier = listUnfinished().find(entry => entry.digest === digest)
  if (earlier !== undefined) modeSelect.value = earlier.mode
  showMapping(read, earlier?.mapping)
  onMapping()
}

function forgetFile (): void {
  file = undefined
  fileHint.textContent = defaultFileHint
  hideMapping()
  onMapping()
}

/** Prepares what is sent. The results before belong to other content. */
function onMapping (): void {
  stopCountdown()
  beginResults(undefined, false)
  content = file !== undefined && showMappingState() ? mapFile(file, getMapping()) : undefined
  updateButtons()
  if (content === undefined) return showStatus(file === undefined ? 'Choose a file.' : 'Map the columns first.')
  const isUnfinished = findUnfinished(getIdentity(content.file)) !== undefined
  showStatus(isUnfinished
    ? 'An import of this file has not finished. Resume it: nobody is created twice.'
    : 'Check the rows, or import them. Nothing has been sent yet.')
}

function updateButtons (): void {
  const isBusy = inFlight !== undefined
  const isUnfinished = content !== undefined && findUnfinished(getIdentity(content.file)) !== undefined
  importButton.textContent = isUnfinished ? 'Resume' : 'Import'
  for (const button of [importButton, checkButton]) button.disabled = isBusy || content === undefined
  for (const control of idleControls) control.disabled = isBusy
  setMappingDisabled(isBusy)
  pauseButton.hidden = !isBusy
  showInterrupted()
}

/** After a reload the person has to choose the file again, because pages cannot keep files. */
function showInterrupted (): void {
  const [latest] = listUnfinished()
  interrupted.hidden = file !== undefined || latest === undefined
  if (latest === undefined) return
  interrupted.textContent =
    `The import of ${latest.fileName} has not finished. Choose the same file again to resume it.`
}

async function run (isCheck: boolean): Promise<void> {
  if (inFlight !== undefined || content === undefined) return
  const { signal } = inFlight = new AbortController()
  const running = content
  const identity = getIdentity(running.file)
  const idempotencyKey = isCheck ? undefined : rememberImport(identity, running.file.name)
  begin(running, isCheck)
  await scenarioReady()
  try {
    const end = await client.importUsers(companyId, toBlob(running), {
      type: running.file.type,
      mode: identity.mode,
      dryRun: isCheck,
      idempotencyKey,
      signal,
      onRow,
      onProgress: ({ finished }) => showProgress(finished),
      onRetry: ({ failure, delayMs }) => {
        showStatus(`${failure.message} The file is sent again with the same key.`)
        countDown(delayMs, 'It is sent again')
      },
    }).finish()
    showOutcome(isCheck && end.problem === undefined ? describeCheck(end.totals) : describeEnd(end))
    if (end.problem === undefined && !needsResume(end.totals)) forgetImport(identity)
    stopCountdown()
    if (end.problem?.retryAfterMs !== undefined) countDown(end.problem.retryAfterMs, 'Resume')
  } catch (error) {
    stopCountdown()
    if (isRefused(error)) forgetImport(identity)
    if (!signal.aborted) showFailure(error)
    else showOutcome(isCheck ? describeCancelledCheck() : describePause(count('all'), running.rows.length))
  }
  end()
}

function showFailure (error: unknown): void {
  showOutcome(describeImportFailure(error))
  if (error instanceof ProblemError && error.retryAfterMs !== undefined) countDown(error.retryAfterMs, 'Resume')
}

const countDown = (delayMs: number, action: string) => startCountdown(delayMs, seconds => {
  return seconds === 0 ? `${action} now.` : `${action} in ${formatSeconds(seconds)}.`
})

function begin (running: ImportContent, isCheck: boolean): void {
  beginResults(running, isCheck)
  updateButtons()
  pauseButton.textContent = isCheck ? 'Cancel' : 'Pause'
  stopCountdown()
  getElement('upload', HTMLElement).hidden = false
  progress.max = running.rows.length
  progress.value = 0
  showProgress(0)
  showStatus(isCheck ? 'Checking the rows…' : 'Importing the rows…')
  pauseButton.focus()
}

function end (): void {
  const hadFocus = document.activeElement === pauseButton
  inFlight = undefined
  endResults()
  getElement('upload', HTMLElement).hidden = true
  updateButtons()
  // The hidden button loses the keyboard focus.
  if (hadFocus) importButton.focus()
  // The scenario applied to this import only.
  chooseScenario('nothing')
}

function onRow (row: ImportedRow): void {
  addResult(row)
  showProgress(count('all'))
}

/** The service finishes rows out of order, and reports them in order. */
function showProgress (finished: number): void {
  progress.value = Math.max(progress.value, finished)
  const text = `${progress.value.toLocaleString('en')} of ${progress.max.toLocaleString('en')} rows`
  getElement('progress-text', HTMLOutputElement).textContent = text
}

/** The file input shows the name of every file, however it was chosen. */
function chooseFile (files: FileList): void {
  fileInput.files = files
  fileInput.dispatchEvent(new Event('change', { bubbles: true }))
}

async function useSample (name: string): Promise<void> {
  const response = await fetch(`/demo/${name}`).catch(() => undefined)
  if (response?.ok !== true) return showStatus('The service does not respond.')
  const transfer = new DataTransfer()
  transfer.items.add(new File([await response.blob()], name, { type: 'text/csv' }))
  chooseFile(transfer.files)
}

function downloadFailed (): void {
  if (content === undefined) return
  const failed = toFailedRowsFile(content, listFailed())
  const href = URL.createObjectURL(failed)
  createElement('a', { href, download: failed.name }).click()
  URL.revokeObjectURL(href)
}

function initDropZone (): void {
  const setDropping = (isDropping: boolean) => dropZone.classList.toggle('dropping', isDropping)
  // A file that misses the zone would replace the page.
  document.addEventListener('dragover', event => event.preventDefault())
  document.addEventListener('drop', event => {
    event.preventDefault()
    setDropping(false)
    if (inFlight === undefined && event.dataTransfer !== null && event.dataTransfer.files.length > 0) {
      chooseFile(event.dataTransfer.files)
    }
  })
  dropZone.addEventListener('dragover', () => setDropping(true))
  dropZone.addEventListener('dragleave', () => setDropping(false))
}

/** Empties the emulated Procore, so that the keys of earlier imports mean nothing. */
async function resetDemo (): Promise<void> {
  forgetAllImports()
  fileInput.value = ''
  choiceCount++
  forgetFile()
  await resetEmulator()
}

fileInput.addEventListener('change', onFile)
// Browsers report no change if a file that was corrected is chosen again.
fileInput.addEventListener('click', () => { fileInput.value = '' })
modeSelect.addEventListener('change', onMapping)
initMapping(onMapping)
importButton.addEventListener('click', () => run(false))
checkButton.addEventListener('click', () => run(true))
pauseButton.addEventListener('click', () => inFlight?.abort())
getElement('sample', HTMLButtonElement).addEventListener('click', () => useSample('sample.csv'))
getElement('broken-sample', HTMLButtonElement).addEventListener('click', () => useSample('sample-with-mistakes.csv'))
getElement('download', HTMLButtonElement).addEventListener('click', downloadFailed)
getElement('reset', HTMLButtonElement).addEventListener('click', resetDemo)
initDropZone()
initResults()
initScenario()
updateButtons()
await scenarioReady()
document.documentElement.dataset['ready'] = 'true'
