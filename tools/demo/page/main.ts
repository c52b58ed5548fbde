/** The page: one form, one create at a time, and what became of it. */
import { createClient, ProblemError, type Fault, type NewUser, type Progress, type Repeat } from '../../../client/client.ts'
import { showAnswer, showProblem, showWaiting } from './response-view.ts'
import { avatarFaults, chosenAvatar, clearAvatar, limitAvatar, watchAvatar } from './avatar.ts'
import { loadChoices } from './choices.ts'
import { find, size } from './dom.ts'
import { clearFaults, judgeField, prepareFaults, showFaults } from './field-errors.ts'
import { Judge } from './live-validation.ts'
import { forgetSubmission, keepSubmission, latestSubmission, submissionOf } from './submission.ts'
import { show, showWork, tellAnswer, tellCancel, tellFailure, type Sent } from './outcome.ts'
import { forgetDraft, keepDraft, restoreDraft, userOf } from './form-values.ts'
import { showReceived } from './received-requests.ts'
import { prepare, prepared, watchScenario } from './scenario.ts'
import { fillSelects } from './selects.ts'

const companyId = 1234
const client = createClient({ baseUrl: '' })
const form = find('form', HTMLFormElement)
const create = find('create', HTMLButtonElement)
const cancel = find('cancel', HTMLButtonElement)
const again = find('again', HTMLButtonElement)
const upload = find('upload', HTMLElement)
const scenario = find('scenario', HTMLSelectElement)
const enforced = find('run_validations', HTMLInputElement)

/** Of the create that is under way. */
let leaving: AbortController | undefined
let sent: Sent

async function submit (): Promise<void> {
  // A second click finds the first one at work; even if it did not, the key would be the same.
  if (leaving !== undefined) return
  leaving = new AbortController()
  const avatar = chosenAvatar()
  const user = userOf(form)
  const submission = submissionOf(user, avatar, companyId, enforced.checked)
  keepSubmission(submission)
  judge.stop()
  clearFaults()
  begin(avatar)
  await prepared()
  const tell = await outcomeOf(submission.key, user, avatar, leaving.signal)
  keepSubmission({ ...submission, isUnderWay: false })
  end()
  tell()
  // What goes wrong was for this create.
  prepare('nothing')
  await showReceived()
}

/** What is to be shown once it is over; nothing is thrown. */
async function outcomeOf (idempotencyKey: string, user: NewUser, avatar: File | undefined, signal: AbortSignal): Promise<() => void> {
  if (!signal.aborted) sent = { part: avatar === undefined ? 'all' : 'some', percent: 0 }
  try {
    const answer = await client.createUser(companyId, user, { avatar, onProgress, onRepeat, signal, idempotencyKey, ...rules() })
    return () => {
      show(tellAnswer(answer))
      showAnswer(answer)
      again.hidden = false
    }
  } catch (error) {
    return signal.aborted ? giveUp : () => fail(error)
  }
}

const rules = () => ({ runConfigurableValidations: enforced.checked ? true : undefined })

function begin (avatar: File | undefined): void {
  sent = { part: 'nothing', percent: 0 }
  create.setAttribute('aria-disabled', 'true')
  cancel.hidden = false
  scenario.disabled = true
  again.hidden = true
  find('interrupted', HTMLElement).hidden = true
  upload.hidden = avatar === undefined
  if (avatar !== undefined) showProgress(0, avatar.size)
  showWaiting()
  showWork(avatar === undefined ? 'Creating the user…' : `Creating the user with an avatar of ${size(avatar.size)}…`)
}

function end (): void {
  leaving = undefined
  create.removeAttribute('aria-disabled')
  // Whoever pressed it must not lose the place.
  if (document.activeElement === cancel) create.focus()
  cancel.hidden = true
  scenario.disabled = false
  upload.hidden = true
}

function giveUp (): void {
  show(tellCancel(sent))
  showProblem(undefined)
}

function fail (error: unknown): void {
  show(tellFailure(error))
  showProblem(error)
  if (!(error instanceof ProblemError)) return
  // Nobody was created, and under its key the refusal would be all that is ever told.
  if (error.outcome === 'rejected') forgetSubmission()
  const faults = [...error.errors, ...(error.errors.length === 0 ? error.errorsOf('avatar') : [])]
  if (faults.length > 0) showFaults(faults)
}

function onProgress ({ loaded, total }: Progress): void {
  const percent = Math.floor(100 * loaded / total)
  sent = { part: percent === 100 || sent.part === 'all' ? 'all' : 'some', percent }
  showProgress(percent, total)
}

function showProgress (percent: number, total: number): void {
  find('progress', HTMLProgressElement).value = percent
  find('progress-text', HTMLOutputElement).textContent = percent < 100 ? `${percent} % of ${size(total)}` : 'All sent; waiting for Procore'
}

function onRepeat ({ attempt, pauseMs, failure }: Repeat): void {
  // What may have been served stays so, however little of the next attempt leaves.
  const wasWhole = failure instanceof ProblemError ? failure.outcome === 'unknown' : sent.part === 'all'
  if (!upload.hidden) sent = { part: wasWhole ? 'all' : 'some', percent: 0 }
  const outcome = failure.outcome === undefined ? '' : ` (${failure.outcome})`
  showWork(`${failure.message}${outcome} Attempt ${attempt} under the same key in ${Math.max(1, Math.round(pauseMs / 1000))} s…`)
}

/** The form can be sent without its lists; only there is less to choose from then. */
async function loadForm (): Promise<void> {
  try {
    const choices = await loadChoices(client, companyId)
    fillSelects(choices)
    limitAvatar(choices.avatar)
    find('run_validations-hint', HTMLElement).textContent = choices.required.length === 0 ? 'As far as is known there are none.' : `Here: ${choices.required.map(name => name.replaceAll('_', ' ')).join(', ')}.`
    if (choices.missing.length > 0) showWork(`Could not be had: ${choices.missing.join(' ')}`)
  } catch (error) {
    showWork(`The lists of this form could not be had: ${error instanceof Error ? error.message : ''}`)
  }
}

/** What the service would say of the form as it is, the avatar left aside. */
async function faultsOf (signal: AbortSignal): Promise<readonly Fault[]> {
  try {
    await client.validateUser(companyId, userOf(form), { signal, ...rules() })
    return []
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'validation_failed') return error.errors
    throw error
  }
}

function startAnew (): void {
  form.reset()
  clearAvatar()
  clearFaults()
  judge.forget()
  forgetDraft()
  forgetSubmission()
  again.hidden = true
  showPerson()
  showWork('Nothing sent yet.')
  find('first_name', HTMLInputElement).focus()
}

/** How the person will look in the directory. */
function showPerson (): void {
  const value = (id: string) => find(id, HTMLInputElement).value.trim()
  const names = [value('first_name'), value('last_name')].filter(name => name !== '')
  find('name-shown', HTMLElement).textContent = names.join(' ') || 'New user'
  find('title-shown', HTMLElement).textContent = value('job_title') || 'No job title yet'
  find('initials-shown', HTMLElement).textContent = value('initials') || names.map(name => name.charAt(0).toUpperCase()).join('') || '?'
}

function changed (): void {
  keepDraft(form)
  showPerson()
}

/** A page that was left in the middle can't know what became of the create; under its key, asking again can. */
function tellInterrupted (): void {
  const latest = latestSubmission()
  if (latest?.isUnderWay !== true) return
  const note = find('interrupted', HTMLElement)
  note.textContent = `This page was left while a user was being created. ${latest.avatarName === undefined ? '' : `Choose ${latest.avatarName} again, then `}${latest.avatarName === undefined ? 'C' : 'c'}reate the user again to find out: it goes under the same key and never makes a second one.`
  note.hidden = false
}

form.addEventListener('submit', event => {
  event.preventDefault()
  submit()
})
form.addEventListener('input', changed)
form.addEventListener('change', ({ target }) => {
  changed()
  if (target instanceof HTMLInputElement && target.id === 'avatar') judgeField('avatar', avatarFaults())
})
cancel.addEventListener('click', () => leaving?.abort())
again.addEventListener('click', startAnew)
find('refresh', HTMLButtonElement).addEventListener('click', showReceived)
watchAvatar()
prepareFaults()
const judge = new Judge(form, faultsOf)
restoreDraft(form)
showPerson()
tellInterrupted()
watchScenario()
await loadForm()
await Promise.all([showReceived(), prepared()])
document.documentElement.dataset['ready'] = 'true'
