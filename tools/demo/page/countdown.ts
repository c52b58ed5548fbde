/** Counts down a wait that the service or Procore asked for. Screen readers do not announce each second. */
import { getElement } from './dom.ts'

const element = getElement('countdown', HTMLElement)
let timer: ReturnType<typeof setInterval> | undefined

/** @param describe returns the text while `seconds` are left, and at 0 the last text */
export function startCountdown (delayMs: number, describe: (seconds: number) => string): void {
  stopCountdown()
  const endMs = performance.now() + delayMs
  const update = () => {
    const seconds = Math.max(0, Math.ceil((endMs - performance.now()) / 1000))
    element.textContent = describe(seconds)
    if (seconds === 0) clearInterval(timer)
  }
  timer = setInterval(update, 1000)
  element.hidden = false
  update()
}

export function stopCountdown (): void {
  clearInterval(timer)
  element.hidden = true
}

export function formatSeconds (seconds: number): string {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
