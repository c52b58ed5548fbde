/** The avatar before it is sent: shown, or in its place the initials. */
import type { FieldError } from '../../../client/client.ts'
import { getElement, formatBytes as inWords } from './dom.ts'

const input = getElement('avatar', HTMLInputElement)
const image = getElement('preview', HTMLImageElement)
const initials = getElement('initials-shown', HTMLElement)
const removeButton = getElement('avatar-remove', HTMLButtonElement)
const hint = getElement('avatar-hint', HTMLElement)
let defaultHint = hint.textContent
let avatarMaxBytes = Infinity

export const getAvatarFile = (): File | undefined => input.files?.[0]

/** Nobody has to wait for an upload to hear that it is too large; all else the service judges. */
export function validateAvatarSize (): FieldError[] {
  const bytes = getAvatarFile()?.size ?? 0
  return bytes > avatarMaxBytes ? [{ in: 'body', pointer: '/user/avatar', field: 'user[avatar]', rule: 'size', message: `is larger than ${inWords(avatarMaxBytes)}` }] : []
}

/** Says what the service takes. */
export function setAvatarLimits ({ types, maxBytes }: { types: readonly string[], maxBytes: number }): void {
  avatarMaxBytes = maxBytes
  input.accept = types.join(',')
  defaultHint = `${defaultHint} At most ${inWords(maxBytes)}.`
  updatePreview()
}

export function initAvatar (): void {
  input.addEventListener('change', updatePreview)
  removeButton.addEventListener('click', () => {
    input.value = ''
    input.dispatchEvent(new Event('change', { bubbles: true }))
    input.focus()
  })
  // Browsers don't draw every kind that Procore takes.
  image.addEventListener('error', () => setImageVisible(false))
}

export function clearAvatar (): void {
  input.value = ''
  updatePreview()
}

function updatePreview (): void {
  const file = getAvatarFile()
  URL.revokeObjectURL(image.src)
  if (file === undefined) image.removeAttribute('src')
  else image.src = URL.createObjectURL(file)
  setImageVisible(file !== undefined)
  removeButton.hidden = file === undefined
  hint.textContent = file === undefined ? defaultHint : `${file.name}, ${inWords(file.size)}`
}

function setImageVisible (isVisible: boolean): void {
  image.hidden = !isVisible
  initials.hidden = isVisible
}
