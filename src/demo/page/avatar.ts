/** The avatar before it is sent: shown, or in its place the initials. */
import { find, size } from './dom.ts'

const input = find('avatar', HTMLInputElement)
const image = find('preview', HTMLImageElement)
const initials = find('initials-shown', HTMLElement)
const remove = find('avatar-remove', HTMLButtonElement)
const hint = find('avatar-hint', HTMLElement)
let usualHint = hint.textContent

export const chosenAvatar = (): File | undefined => input.files?.[0]

/** Says what the service takes; it is the one to judge it. */
export function limitAvatar ({ types, maxBytes }: { types: readonly string[], maxBytes: number }): void {
  input.accept = types.join(',')
  usualHint = `${usualHint} At most ${size(maxBytes)}.`
  show()
}

export function watchAvatar (changed: () => void): void {
  input.addEventListener('change', () => { show(); changed() })
  remove.addEventListener('click', () => {
    clearAvatar()
    input.focus()
    changed()
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
  hint.textContent = file === undefined ? usualHint : `${file.name}, ${size(file.size)}`
}

function showImage (isShown: boolean): void {
  image.hidden = !isShown
  initials.hidden = isShown
}
