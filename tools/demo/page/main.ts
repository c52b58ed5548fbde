/** Runs the page: one form that sends one create at a time and shows its outcome. */
import {
  createClient, ProblemError, type FieldError, type NewUser, type Progress, type Retry,
} from '../../../client/client.ts'
import { showResponse, showProblem, showWaiting } from './response-view.ts'
import { validateAvatar, getAvatar, clearAvatar, setAvatarLimits, initAvatar } from './avatar.ts'
import { loadFormChoices } from './choices.ts'
import { getElement, formatBytes } from './dom.ts'
import { clearErrors, showFieldErrors, initFieldErrors, showErrorSummary } from './field-errors.ts'
import { LiveValidator } from './live-validation.ts'
import { clearSubmission, saveSubmission, loadSubmission, buildSubmission } from './submission.ts'
import {
  describeCancellation, describeFailure, describeSuccess, showOutcome, showStatus, type SendProgress,
} from './outcome.ts'
import { clearDraft, saveDraft, restoreDraft, readUser } from './form-values.ts'
import { showReceivedRequests } from './received-requests.ts'
import { chooseScenario, scenarioReady, initScenario } from './scenario.ts'
import { fillSelects } from './selects.ts'
import { initExistingPerson, offerExistingPerson } from './existing-person.ts'
import { hidePerson, initPerson, showPerson } from './person.ts'

const companyId = 1234
const client = createClient({ baseUrl: '' })
const form = getElement('form', HTMLFormElement)
const createButton = getElement('create', HTMLButtonElement)
const cancelButton = getElement('cancel', HTMLButtonElement)
const againButton = getElement('again', HTMLButtonElement)
const uploadProgress = getElement('upload', HTMLElement)
const scenarioSelect = getElement('scenario', HTMLSelectElement)
const enforcedCheckbox = getElement('run_validations', HTMLInputElement)

/** Aborts the create in flight. */
let inFlightCreate: AbortController | undefined
let sendProgress: SendProgress

async function submitForm (): Promise<void> {
  // Ignores a second click. Without this check, the idempotency key would still prevent a second user.
  if (inFlightCreate !== undefined) return
  inFlightCreate = new AbortController()
  const avatar = await getAvatar()
  const user = readUser(form)
  const submission = buildSubmission(user, avatar?.chosen, companyId, enforcedCheckbox.checked)
  saveSubmission(submission)
  liveValidator.stop()
  clearErrors()
  beginCreate(avatar?.file)
  await scenarioReady()
  const { show, createdId } = await sendCreate(submission.idempotencyKey, user, avatar?.file, inFlightCreate.signal)
  saveSubmission({ ...submission, isInFlight: false })
  endCreate()
  show()
  // The scenario applied to this create only.
  chooseScenario('nothing')
  await showReceivedRequests()
  const isActive = user.is_active !== false
  if (createdId !== undefined) await showPerson(client, companyId, { id: createdId, is_active: isActive })
}

interface CreateResult {
  show: () => void
  createdId: number | undefined
}

/** Returns a function that shows the result, and never rejects. */
async function sendCreate (
  idempotencyKey: string, user: NewUser, avatar: File | undefined, signal: AbortSignal
): Promise<CreateResult> {
  if (!signal.aborted) sendProgress = { extent: avatar === undefined ? 'all' : 'some', percent: 0 }
  try {
    const options = { avatar, onProgress, onRetry, signal, idempotencyKey, ...validationOptions() }
    const response = await client.createUser(companyId, user, options)
    const show = () => {
      showOutcome(describeSuccess(response))
      showResponse(response)
      againButton.hidden = false
    }
    return { show, createdId: response.data.id }
  } catch (error) {
    return { show: signal.aborted ? showCancellation : () => showFailure(error), createdId: undefined }
  }
}

const validationOptions = () => ({ runConfigurableValidations: enforcedCheckbox.checked ? true : undefined })

function beginCreate (avatar: File | undefined): void {
  sendProgress = { extent: 'nothing', percent: 0 }
  createButton.setAttribute('aria-disabled', 'true')
  cancelButton.hidden = false
  scenarioSelect.disabled = true
  againButton.hidden = true
  offerExistingPerson(undefined)
  hidePerson()
  getElement('interrupted', HTMLElement).hidden = true
  uploadProgress.hidden = avatar === undefined
  if (avatar !== undefined) showProgress(0, avatar.size)
  showWaiting()
  const avatarText = avatar === undefined ? '' : ` with an avatar of ${formatBytes(avatar.size)}`
  showStatus(`Creating the user${avatarText}…`)
}

function endCreate (): void {
  inFlightCreate = undefined
  createButton.removeAttribute('aria-disabled')
  // Hiding the focused button would lose the keyboard focus.
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
  // No user was created, and the same key would only replay the refusal: the next attempt needs a new key.
  if (error.outcome === 'rejected') clearSubmission()
  offerExistingPerson(error.existing)
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
  const text = percent < 100 ? `${percent} % of ${formatBytes(total)}` : 'Sent; waiting for Procore'
  getElement('progress-text', HTMLOutputElement).textContent = text
}

function onRetry ({ attempt, delayMs, failure }: Retry): void {
  // If an earlier attempt was fully sent, the user may exist, however little of the next attempt is sent.
  const wasFullySent = failure instanceof ProblemError ? failure.outcome === 'unknown' : sendProgress.extent === 'all'
  if (!uploadProgress.hidden) sendProgress = { extent: wasFullySent ? 'all' : 'some', percent: 0 }
  const outcome = failure.outcome === undefined ? '' : ` (${failure.outcome})`
  const delaySeconds = Math.max(1, Math.round(delayMs / 1000))
  showStatus(`${failure.message}${outcome} Attempt ${attempt} with the same key in ${delaySeconds} s…`)
}

/** Loads the options of the form. Without them the form can still be sent, with fewer choices. */
async function loadForm (): Promise<void> {
  try {
    const choices = await loadFormChoices(client, companyId)
    fillSelects(choices)
    setAvatarLimits(choices.avatar)
    const requiredNames = choices.requiredFields.map(name => name.replaceAll('_', ' ')).join(', ')
    const hint = requiredNames === '' ? 'No such fields are known.' : `Here: ${requiredNames}.`
    getElement('run_validations-hint', HTMLElement).textContent = hint
    if (choices.loadErrors.length > 0) showStatus(`Could not load: ${choices.loadErrors.join(' ')}`)
  } catch (error) {
    showStatus(`Could not load the options of this form: ${error instanceof Error ? error.message : ''}`)
  }
}

/** Returns the field errors of the form, without the avatar. */
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
  offerExistingPerson(undefined)
  hidePerson()
  showPreview()
  showStatus('Nothing sent yet.')
  getElement('first_name', HTMLInputElement).focus()
}

/** Shows the name, job title and initials as in the directory. */
function showPreview (): void {
  const value = (id: string) => getElement(id, HTMLInputElement).value.trim()
  const names = [value('first_name'), value('last_name')].filter(name => name !== '')
  getElement('name-shown', HTMLElement).textContent = names.join(' ') || 'New user'
  getElement('title-shown', HTMLElement).textContent = value('job_title') || 'No job title yet'
  const initials = names.map(name => name.charAt(0).toUpperCase()).join('')
  getElement('initials-shown', HTMLElement).textContent = value('initials') || initials || '?'
}

function onFormChange (): void {
  saveDraft(form)
  showPreview()
}

/** After a reload the outcome of a create in flight is unknown. Sending it again with its key finds out. */
function showInterrupted (): void {
  const submission = loadSubmission()
  if (submission?.isInFlight !== true) return
  const notice = getElement('interrupted', HTMLElement)
  const { avatarName } = submission
  const instruction = avatarName === undefined
    ? 'Create the user again'
    : `Choose ${avatarName} again, then create the user again`
  notice.textContent = 'This page was left while a user was being created. ' +
    `${instruction} to see the outcome: the idempotency key is the same, so it never creates a second user.`
  notice.hidden = false
}

form.addEventListener('submit', event => {
  event.preventDefault()
  submitForm()
})
form.addEventListener('input', onFormChange)
form.addEventListener('change', async ({ target }) => {
  onFormChange()
  if (target instanceof HTMLInputElement && target.id === 'avatar') showFieldErrors('avatar', await validateAvatar())
})
cancelButton.addEventListener('click', () => inFlightCreate?.abort())
againButton.addEventListener('click', startOver)
getElement('refresh', HTMLButtonElement).addEventListener('click', showReceivedRequests)
initAvatar()
initExistingPerson(client, companyId)
initPerson()
initFieldErrors()
const liveValidator = new LiveValidator(form, validateForm)
restoreDraft(form)
showPreview()
showInterrupted()
initScenario()
await loadForm()
await Promise.all([showReceivedRequests(), scenarioReady()])
document.documentElement.dataset['ready'] = 'true'
