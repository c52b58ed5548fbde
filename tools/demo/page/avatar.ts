/** The avatar before it is sent: shown, or in its place the initials. */
import type { Fault } from '../../../client/client.ts'
import { find, size as inWords } from './dom.ts'

const input = find('avatar', HTMLInputElement)
const image = find('preview', HTMLImageElement)
const initials = find('initials-shown', HTMLElement)
const remove = find('avatar-remove', HTMLButtonElement)
const hint = find('avatar-hint', HTMLElement)
let usualHint = hint.textContent
let mostBytes = Infinity

export const chosenAvatar = (): File | undefined => input.files?.[0]

/** Nobody has to wait for an upload to hear that it is too large; all else the service judges. */
export function avatarFaults (): Fault[] {
  const size = chosenAvatar()?.size ?? 0
  return size > mostBytes ? [{ in: 'body', pointer: '/user/avatar', field: 'user[avatar]', rule: 'size', message: `is larger than ${inWords(mostBytes)}` }] : []
}

/** Says what the service takes. */
export function limitAvatar ({ types, maxBytes }: { types: readonly string[], maxBytes: number }): void {
  mostBytes = maxBytes
  input.accept = types.join(',')
  usualHint = `${usualHint} At most ${inWords(maxBytes)}.`
  show()
}

export function watchAvatar (): void {
  input.addEventListener('change', show)
  remove.addEventListener('click', () => {
    input.value = ''
    input.dispatchEvent(new Event('change', { bubbles: true }))
    input.focus()
  })
  // Browsers don't draw every kind that Procore takes.
  image.addEventListener('error', () => showImage(false))
}

export function clearAvatar (): void {
  input.value = ''
  show()
}

function show (): void {
  const file = chosenAvatar()
  URL.revokeObjectURL(image.src)
  if (file === undefined) image.removeAttribute('src')
  else image.src = URL.createObjectURL(file)
  showImage(file !== undefined)
  remove.hidden = file === undefined
  hint.textContent = file === undefined ? usualHint : `${file.name}, ${inWords(file.size)}`
}

function showImage (isShown: boolean): void {
  image.hidden = !isShown
  initials.hidden = isShown
}
