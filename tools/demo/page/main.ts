/** The page: one form, one create at a time, and what became of it. */
import { createClient, ProblemError, type FieldError, type NewUser, type Progress, type Retry } from '../../../client/client.ts'
import { showResponse, showProblem, showWaiting } from './response-view.ts'
import { validateAvatarSize, getAvatarFile, clearAvatar, setAvatarLimits, initAvatar } from './avatar.ts'
import { loadFormChoices } from './choices.ts'
import { getElement, formatBytes } from './dom.ts'
import { clearErrors, showFieldErrors, initFieldErrors, showErrorSummary } from './field-errors.ts'
import { LiveValidator } from './live-validation.ts'
import { clearSubmission, saveSubmission, loadSubmission, buildSubmission } from './submission.ts'
import { showOutcome, showStatus, describeSuccess, describeCancellation, describeFailure, type SendProgress } from './outcome.ts'
import { clearDraft, saveDraft, restoreDraft, readUser } from './form-values.ts'
import { showReceivedRequests } from './received-requests.ts'
import { chooseScenario, scenarioReady, initScenario } from './scenario.ts'
import { fillSelects } from './selects.ts'

const companyId = 1234
const client = createClient({ baseUrl: '' })
const form = getElement('form', HTMLFormElement)
const createButton = getElement('create', HTMLButtonElement)
const cancelButton = getElement('cancel', HTMLButtonElement)
const againButton = getElement('again', HTMLButtonElement)
const uploadProgress = getElement('upload', HTMLElement)
const scenarioSelect = getElement('scenario', HTMLSelectElement)
const enforcedCheckbox = getElement('run_validations', HTMLInputElement)

/** Of the create that is under way. */
let inFlightCreate: AbortController | undefined
let sendProgress: SendProgress

async function submitForm (): Promise<void> {
  // A second click finds the first one at work; even if it did not, the key would be the same.
  if (inFlightCreate !== undefined) return
  inFlightCreate = new AbortController()
  const avatar = getAvatarFile()
  const user = readUser(form)
  const submission = buildSubmission(user, avatar, companyId, enforcedCheckbox.checked)
  saveSubmission(submission)
  liveValidator.stop()
  clearErrors()
  beginCreate(avatar)
  await scenarioReady()
  const showResult = await sendCreate(submission.idempotencyKey, user, avatar, inFlightCreate.signal)
  saveSubmission({ ...submission, isInFlight: false })
  endCreate()
  showResult()
  // What goes wrong was for this create.
  chooseScenario('nothing')
  await showReceivedRequests()
}

/** What is to be shown once it is over; nothing is thrown. */
async function sendCreate (idempotencyKey: string, user: NewUser, avatar: File | undefined, signal: AbortSignal): Promise<() => void> {
  if (!signal.aborted) sendProgress = { extent: avatar === undefined ? 'all' : 'some', percent: 0 }
  try {
    const response = await client.createUser(companyId, user, { avatar, onProgress, onRetry, signal, idempotencyKey, ...validationOptions() })
    return () => {
      showOutcome(describeSuccess(response))
      showResponse(response)
      againButton.hidden = false
    }
  } catch (error) {
    return signal.aborted ? showCancellation : () => showFailure(error)
  }
}

const validationOptions = () => ({ runConfigurableValidations: enforcedCheckbox.checked ? true : undefined })

function beginCreate (avatar: File | undefined): void {
  sendProgress = { extent: 'nothing', percent: 0 }
  createButton.setAttribute('aria-disabled', 'true')
  cancelButton.hidden = false
  scenarioSelect.disabled = true
  againButton.hidden = true
  getElement('interrupted', HTMLElement).hidden = true
  uploadProgress.hidden = avatar === undefined
  if (avatar !== undefined) showProgress(0, avatar.size)
  showWaiting()
  showStatus(avatar === undefined ? 'Creating the user…' : `Creating the user with an avatar of ${formatBytes(avatar.size)}…`)
}

function endCreate (): void {
  inFlightCreate = undefined
  createButton.removeAttribute('aria-disabled')
  // Whoever pressed it must not lose the place.
  if (document.activeElement === cancelButton) createButton.focus()
  cancelButton.hidden = true
  scenarioSelect.disabled = false
  uploadProgress.hidden = true
}

function showCancellation (): void {
  showOutcome(describeCancellation(sendProgress))
  showProblem(undefined)
}

function showFailure (error: unknown): void {
  showOutcome(describeFailure(error))
  showProblem(error)
  if (!(error instanceof ProblemError)) return
  // Nobody was created, and under its key the refusal would be all that is ever told.
  if (error.outcome === 'rejected') clearSubmission()
  const fieldErrors = [...error.errors, ...(error.errors.length === 0 ? error.errorsFor('avatar') : [])]
  if (fieldErrors.length > 0) showErrorSummary(fieldErrors)
}

function onProgress ({ loaded, total }: Progress): void {
  const percent = Math.floor(100 * loaded / total)
  sendProgress = { extent: percent === 100 || sendProgress.extent === 'all' ? 'all' : 'some', percent }
  showProgress(percent, total)
}

function showProgress (percent: number, total: number): void {
  getElement('progress', HTMLProgressElement).value = percent
  getElement('progress-text', HTMLOutputElement).textContent = percent < 100 ? `${percent} % of ${formatBytes(total)}` : 'All sent; waiting for Procore'
}

function onRetry ({ attempt, delayMs, failure }: Retry): void {
  // What may have been served stays so, however little of the next attempt leaves.
  const wasFullySent = failure instanceof ProblemError ? failure.outcome === 'unknown' : sendProgress.extent === 'all'
  if (!uploadProgress.hidden) sendProgress = { extent: wasFullySent ? 'all' : 'some', percent: 0 }
  const outcome = failure.outcome === undefined ? '' : ` (${failure.outcome})`
  showStatus(`${failure.message}${outcome} Attempt ${attempt} under the same key in ${Math.max(1, Math.round(delayMs / 1000))} s…`)
}

/** The form can be sent without its lists; only there is less to choose from then. */
async function loadForm (): Promise<void> {
  try {
    const choices = await loadFormChoices(client, companyId)
    fillSelects(choices)
    setAvatarLimits(choices.avatar)
    getElement('run_validations-hint', HTMLElement).textContent = choices.requiredFields.length === 0 ? 'As far as is known there are none.' : `Here: ${choices.requiredFields.map(name => name.replaceAll('_', ' ')).join(', ')}.`
    if (choices.loadErrors.length > 0) showStatus(`Could not be had: ${choices.loadErrors.join(' ')}`)
  } catch (error) {
    showStatus(`The lists of this form could not be had: ${error instanceof Error ? error.message : ''}`)
  }
}

/** What the service would say of the form as it is, the avatar left aside. */
async function validateForm (signal: AbortSignal): Promise<readonly FieldError[]> {
  try {
    await client.validateUser(companyId, readUser(form), { signal, ...validationOptions() })
    return []
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'validation_failed') return error.errors
    throw error
  }
}

function startOver (): void {
  form.reset()
  clearAvatar()
  clearErrors()
  liveValidator.reset()
  clearDraft()
  clearSubmission()
  againButton.hidden = true
  showPreview()
  showStatus('Nothing sent yet.')
  getElement('first_name', HTMLInputElement).focus()
}

/** How the person will look in the directory. */
function showPreview (): void {
  const value = (id: string) => getElement(id, HTMLInputElement).value.trim()
  const names = [value('first_name'), value('last_name')].filter(name => name !== '')
  getElement('name-shown', HTMLElement).textContent = names.join(' ') || 'New user'
  getElement('title-shown', HTMLElement).textContent = value('job_title') || 'No job title yet'
  getElement('initials-shown', HTMLElement).textContent = value('initials') || names.map(name => name.charAt(0).toUpperCase()).join('') || '?'
}

function onFormChange (): void {
  saveDraft(form)
  showPreview()
}

/** A page that was left in the middle can't know what became of the create; under its key, asking again can. */
function showInterrupted (): void {
  const submission = loadSubmission()
  if (submission?.isInFlight !== true) return
  const notice = getElement('interrupted', HTMLElement)
  notice.textContent = `This page was left while a user was being created. ${submission.avatarName === undefined ? '' : `Choose ${submission.avatarName} again, then `}${submission.avatarName === undefined ? 'C' : 'c'}reate the user again to find out: it goes under the same key and never makes a second one.`
  notice.hidden = false
}

form.addEventListener('submit', event => {
  event.preventDefault()
  submitForm()
})
form.addEventListener('input', onFormChange)
form.addEventListener('change', ({ target }) => {
  onFormChange()
  if (target instanceof HTMLInputElement && target.id === 'avatar') showFieldErrors('avatar', validateAvatarSize())
})
cancelButton.addEventListener('click', () => inFlightCreate?.abort())
againButton.addEventListener('click', startOver)
getElement('refresh', HTMLButtonElement).addEventListener('click', showReceivedRequests)
initAvatar()
initFieldErrors()
const liveValidator = new LiveValidator(form, validateForm)
restoreDraft(form)
showPreview()
showInterrupted()
initScenario()
await loadForm()
await Promise.all([showReceivedRequests(), scenarioReady()])
document.documentElement.dataset['ready'] = 'true'
