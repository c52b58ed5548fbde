/** Previews the chosen avatar; without one, the page shows the initials. */
import type { FieldError } from '../../../client/client.ts'
import { formatBytes, getElement } from './dom.ts'

const input = getElement('avatar', HTMLInputElement)
const image = getElement('preview', HTMLImageElement)
const initials = getElement('initials-shown', HTMLElement)
const removeButton = getElement('avatar-remove', HTMLButtonElement)
const hint = getElement('avatar-hint', HTMLElement)
let defaultHint = hint.textContent
let avatarMaxBytes = Infinity

export const getAvatarFile = (): File | undefined => input.files?.[0]

/** Checks the size before the upload; the service validates everything else. */
export function validateAvatarSize (): FieldError[] {
  const bytes = getAvatarFile()?.size ?? 0
  if (bytes <= avatarMaxBytes) return []
  const message = `is larger than ${formatBytes(avatarMaxBytes)}`
  return [{ in: 'body', pointer: '/user/avatar', field: 'user[avatar]', rule: 'size', message }]
}

export function setAvatarLimits ({ types, maxBytes }: { types: readonly string[], maxBytes: number }): void {
  avatarMaxBytes = maxBytes
  input.accept = types.join(',')
  defaultHint = `${defaultHint} At most ${formatBytes(maxBytes)}.`
  updatePreview()
}

export function initAvatar (): void {
  input.addEventListener('change', updatePreview)
  removeButton.addEventListener('click', () => {
    input.value = ''
    input.dispatchEvent(new Event('change', { bubbles: true }))
    input.focus()
  })
  // Browsers cannot render every image type that Procore accepts.
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
  hint.textContent = file === undefined ? defaultHint : `${file.name}, ${formatBytes(file.size)}`
}

function setImageVisible (isVisible: boolean): void {
  image.hidden = !isVisible
  initials.hidden = isVisible
}
