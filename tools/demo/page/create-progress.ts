/** Shows how much of a create was sent, and counts down to its next attempt. */
import { ProblemError, type Progress, type Retry } from '../../../client/client.ts'
import { formatSeconds, startCountdown } from './countdown.ts'
import { formatBytes, getElement } from './dom.ts'
import { showStatus, type SendProgress } from './outcome.ts'

const upload = getElement('upload', HTMLElement)
let sendProgress: SendProgress = { extent: 'nothing', percent: 0 }

export const getSendProgress = (): SendProgress => sendProgress

/** Must be called before the client is called, which reports the progress of a form with an avatar only. */
export function beginProgress (avatar: File | undefined): void {
  sendProgress = { extent: avatar === undefined ? 'all' : 'some', percent: 0 }
}

export function showUpload (avatar: File | undefined): void {
  sendProgress = { extent: 'nothing', percent: 0 }
  upload.hidden = avatar === undefined
  if (avatar !== undefined) showPercent(0, avatar.size)
}

export const hideUpload = (): void => { upload.hidden = true }

export function onProgress ({ loaded, total }: Progress): void {
  const percent = Math.floor(100 * loaded / total)
  sendProgress = { extent: percent === 100 || sendProgress.extent === 'all' ? 'all' : 'some', percent }
  showPercent(percent, total)
}

export function onRetry ({ attempt, delayMs, failure }: Retry): void {
  // If an earlier attempt was fully sent, the user may exist, however little of the next attempt is sent.
  const wasFullySent = failure instanceof ProblemError ? failure.outcome === 'unknown' : sendProgress.extent === 'all'
  if (!upload.hidden) sendProgress = { extent: wasFullySent ? 'all' : 'some', percent: 0 }
  const outcome = failure.outcome === undefined ? '' : ` (${failure.outcome})`
  showStatus(`${failure.message}${outcome} Attempt ${attempt} has the same key.`)
  startCountdown(delayMs, seconds => seconds === 0
    ? `Attempt ${attempt} is in flight.`
    : `Attempt ${attempt} starts in ${formatSeconds(seconds)}.`)
}

function showPercent (percent: number, total: number): void {
  getElement('progress', HTMLProgressElement).value = percent
  const text = percent < 100 ? `${percent} % of ${formatBytes(total)}` : 'Sent; waiting for Procore'
  getElement('progress-text', HTMLOutputElement).textContent = text
}
