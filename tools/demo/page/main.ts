/** Runs the page: one form that sends one create at a time and shows its outcome. */
import {
  createClient, ProblemError, Submission,
  type ApiResponse, type ErrorsByField, type ResendOptions, type User,
} from '../../../client/client.ts'
import { clearResponse, showResponse, showProblem, showWaiting } from './response-view.ts'
import { validateAvatar, getAvatar, clearAvatar, setAvatarLimits, initAvatar } from './avatar.ts'
import { loadFormChoices } from './choices.ts'
import { writeSample, type SampleInput } from './code-sample.ts'
import { initCopyButton, showCode } from './code-view.ts'
import { formatSeconds, startCountdown, stopCountdown } from './countdown.ts'
import { beginProgress, getSendProgress, hideUpload, onProgress, onRetry, showUpload } from './create-progress.ts'
import { getElement, formatBytes } from './dom.ts'
import { clearErrors, showFieldErrors, initFieldErrors, showErrorSummary } from './field-errors.ts'
import { LiveValidator } from './live-validation.ts'
import {
  describeCancellation, describeError, describeInvalidAvatar, describeSuccess, showOutcome, showStatus,
} from './outcome.ts'
import { clearDraft, saveDraft, restoreDraft, readUser } from './form-values.ts'
import { showReceivedRequests } from './received-requests.ts'
import { fillWithSampleData } from './sample-data.ts'
import { chooseScenario, resetEmulator, scenarioReady, initScenario } from './scenario.ts'
import { foldSections, showSectionValues } from './sections.ts'
import { fillSelects } from './selects.ts'
import { initExistingPerson, offerExistingPerson } from './existing-person.ts'
import { hidePerson, initPerson, showPerson } from './person.ts'

const companyId = 1234
const client = createClient({ baseUrl: '' })
// The key stays the same after a double click, a lost response or a reload of the page.
const submission = new Submission(client, companyId, { storage: sessionStorage })
const form = getElement('form', HTMLFormElement)
const createButton = getElement('create', HTMLButtonElement)
const createAnywayButton = getElement('create-anyway', HTMLButtonElement)
const cancelButton = getElement('cancel', HTMLButtonElement)
const againButton = getElement('again', HTMLButtonElement)
const scenarioSelect = getElement('scenario', HTMLSelectElement)
const enforcedCheckbox = getElement('run_validations', HTMLInputElement)
const code = getElement('code', HTMLPreElement)
/** Must not be used during a create. */
const idleControls = [scenarioSelect, getElement('fill', HTMLButtonElement), getElement('reset', HTMLButtonElement)]

/** Aborts the create in flight. */
let inFlightCreate: AbortController | undefined

async function submitForm (method: SampleInput['method']): Promise<void> {
  // Ignores a second click. Without this check, the idempotency key would still prevent a second user.
  if (inFlightCreate !== undefined) return
  const { signal } = inFlightCreate = new AbortController()
  liveValidator.stop()
  const avatar = (await getAvatar())?.file
  const user = readUser(form)
  if (method === 'submit' && await rejectInvalidAvatar(signal)) return
  clearErrors()
  beginCreate(avatar)
  showSample(method)
  await scenarioReady()
  const send = (options: ResendOptions) => method === 'createAnyway'
    ? submission.createAnyway(options)
    : submission.submit(user, { ...options, avatar, ...validationOptions() })
  const { show, createdId } = await sendCreate(send, avatar, signal)
  endCreate()
  show()
  // The scenario applied to this create only.
  chooseScenario('nothing')
  await showReceivedRequests()
  const isActive = user.is_active !== false
  if (createdId !== undefined) await showPerson(client, companyId, { id: createdId, is_active: isActive })
}

/** Shows the errors of the form if the avatar has one, and returns whether it has. */
async function rejectInvalidAvatar (signal: AbortSignal): Promise<boolean> {
  const avatar = await validateAvatar()
  if (avatar.length === 0) return false
  const otherErrors = await validateForm(signal).catch(() => ({}))
  inFlightCreate = undefined
  stopCountdown()
  offerExistingPerson(undefined)
  clearResponse()
  showOutcome(describeInvalidAvatar())
  showErrorSummary({ avatar, ...otherErrors })
  return true
}

interface CreateResult {
  show: () => void
  createdId: number | undefined
}

/** Returns a function that shows the result, and never rejects. */
async function sendCreate (
  send: (options: ResendOptions) => Promise<ApiResponse<User>>, avatar: File | undefined, signal: AbortSignal
): Promise<CreateResult> {
  if (!signal.aborted) beginProgress(avatar)
  try {
    const response = await send({ onProgress, onRetry, signal })
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
  createButton.setAttribute('aria-disabled', 'true')
  cancelButton.hidden = false
  for (const control of idleControls) control.disabled = true
  hideButton(createAnywayButton)
  againButton.hidden = true
  offerExistingPerson(undefined)
  hidePerson()
  getElement('interrupted', HTMLElement).hidden = true
  showUpload(avatar)
  stopCountdown()
  showWaiting()
  const avatarText = avatar === undefined ? '' : ` with an avatar of ${formatBytes(avatar.size)}`
  showStatus(`Creating the user${avatarText}…`)
}

function endCreate (): void {
  inFlightCreate = undefined
  createButton.removeAttribute('aria-disabled')
  hideButton(cancelButton)
  for (const control of idleControls) control.disabled = false
  hideUpload()
  stopCountdown()
}

/** Hiding the focused button would lose the keyboard focus. */
function hideButton (button: HTMLButtonElement): void {
  if (document.activeElement === button) createButton.focus()
  button.hidden = true
}

function showCancellation (): void {
  showOutcome(describeCancellation(getSendProgress()))
  showProblem(undefined)
}

function showFailure (error: unknown): void {
  showOutcome(describeError(error, submission.canCreateAnyway))
  showProblem(error)
  createAnywayButton.hidden = !submission.canCreateAnyway
  if (!(error instanceof ProblemError)) return
  offerExistingPerson(error.existing)
  if (error.retryAfterMs !== undefined) startCountdown(error.retryAfterMs, describeWait)
  const { errorsByField, otherErrors } = error
  if (Object.keys(errorsByField).length + otherErrors.length > 0) showErrorSummary(errorsByField, otherErrors)
}

const describeWait = (seconds: number) => seconds === 0
  ? 'The wait is over: try again.'
  : `Try again in ${formatSeconds(seconds)}.`

/** Loads the options of the form. Without them the form can still be sent, with fewer choices. */
async function loadForm (): Promise<void> {
  try {
    const choices = await loadFormChoices(client, companyId)
    fillSelects(choices)
    showSectionValues()
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
async function validateForm (signal: AbortSignal): Promise<ErrorsByField> {
  try {
    await client.validateUser(companyId, readUser(form), { signal, ...validationOptions() })
    return {}
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'validation_failed') return error.errorsByField
    throw error
  }
}

function startOver (): void {
  form.reset()
  foldSections()
  clearAvatar()
  clearErrors()
  liveValidator.reset()
  clearDraft()
  submission.reset()
  stopCountdown()
  createAnywayButton.hidden = true
  againButton.hidden = true
  getElement('interrupted', HTMLElement).hidden = true
  offerExistingPerson(undefined)
  hidePerson()
  clearResponse()
  showForm()
  showStatus('Nothing sent yet.')
  getElement('first_name', HTMLInputElement).focus()
}

/** Empties the form and the emulated Procore. */
async function resetDemo (): Promise<void> {
  startOver()
  await resetEmulator()
  await showReceivedRequests()
}

function showSample (method: SampleInput['method']): void {
  showCode(code, writeSample({
    baseUrl: location.origin,
    companyId,
    user: readUser(form),
    hasAvatar: (getElement('avatar', HTMLInputElement).files?.length ?? 0) > 0,
    runConfigurableValidations: enforcedCheckbox.checked,
    method,
  }))
}

/** Shows the form's values in the preview, beside the folded sections and in the code. */
function showForm (): void {
  showPreview()
  showSectionValues()
  showSample('submit')
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
  showForm()
  // It would send the form that was submitted, not the changed one.
  createAnywayButton.hidden = true
}

/** After a reload the outcome of a create in flight is unknown. Sending it again with its key finds out. */
function showInterrupted (): void {
  if (submission.interrupted === undefined) return
  const notice = getElement('interrupted', HTMLElement)
  const { avatarName } = submission.interrupted
  const instruction = avatarName === undefined
    ? 'Create the user again'
    : `Choose ${avatarName} again, then create the user again`
  notice.textContent = 'This page was left while a user was being created. ' +
    `${instruction} to see the outcome: the idempotency key is the same, so it never creates a second user.`
  notice.hidden = false
}

form.addEventListener('submit', event => {
  event.preventDefault()
  submitForm('submit')
})
form.addEventListener('input', onFormChange)
form.addEventListener('change', async ({ target }) => {
  onFormChange()
  if (target instanceof HTMLInputElement && target.id === 'avatar') showFieldErrors('avatar', await validateAvatar())
})
cancelButton.addEventListener('click', () => inFlightCreate?.abort())
createAnywayButton.addEventListener('click', () => submitForm('createAnyway'))
againButton.addEventListener('click', startOver)
getElement('fill', HTMLButtonElement).addEventListener('click', fillWithSampleData)
getElement('reset', HTMLButtonElement).addEventListener('click', resetDemo)
initCopyButton(getElement('copy', HTMLButtonElement), code)
getElement('refresh', HTMLButtonElement).addEventListener('click', showReceivedRequests)
initAvatar()
initExistingPerson(client, companyId)
initPerson()
initFieldErrors()
const liveValidator = new LiveValidator(form, validateForm)
restoreDraft(form)
showForm()
showInterrupted()
initScenario()
await loadForm()
await Promise.all([showReceivedRequests(), scenarioReady()])
document.documentElement.dataset['ready'] = 'true'
