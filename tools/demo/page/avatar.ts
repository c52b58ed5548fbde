/** Converts the chosen avatar if necessary, and previews it; without one, the page shows the initials. */
import type { FieldError } from '../../../client/client.ts'
import { ConversionError, isAcceptedImage, toJpeg } from '../../../client/to-jpeg.ts'
import { formatBytes, getElement } from './dom.ts'

export interface Avatar {
  /** The file that the user chose. */
  chosen: File
  /** The file that is sent: the chosen one, or a JPEG of it. */
  file: File
  /** Why the browser could not convert it. The service then names its type. */
  conversionError: string | undefined
}

/** Types that browsers can convert. A phone converts HEIC itself if it is not among the types. */
const convertibleTypes = ['image/webp', 'image/avif']

const input = getElement('avatar', HTMLInputElement)
const image = getElement('preview', HTMLImageElement)
const initials = getElement('initials-shown', HTMLElement)
const removeButton = getElement('avatar-remove', HTMLButtonElement)
const hint = getElement('avatar-hint', HTMLElement)
let defaultHint = hint.textContent
let avatarMaxBytes = Infinity
let avatar: Avatar | undefined
/** Resolves when the chosen file is ready to be sent. */
let preparation: Promise<void> = Promise.resolve()

const getChosenFile = () => input.files?.[0]

export async function getAvatar (): Promise<Avatar | undefined> {
  await preparation
  return avatar
}

/** Checks the type and the size when the file is chosen. An avatar with an error is not sent. */
export async function validateAvatar (): Promise<FieldError[]> {
  const { file, conversionError } = await getAvatar() ?? {}
  const error = { in: 'body', pointer: '/user/avatar', field: 'user[avatar]' } as const
  if (conversionError !== undefined) return [{ ...error, rule: 'type', message: conversionError }]
  if (file === undefined || file.size <= avatarMaxBytes) return []
  return [{ ...error, rule: 'size', message: `is larger than ${formatBytes(avatarMaxBytes)}` }]
}

export function setAvatarLimits ({ types, maxBytes }: { types: readonly string[], maxBytes: number }): void {
  avatarMaxBytes = maxBytes
  input.accept = [...types, ...convertibleTypes].join(',')
  defaultHint = `${defaultHint} At most ${formatBytes(maxBytes)}. The service removes metadata such as the location.`
  showAvatar()
}

export function initAvatar (): void {
  input.addEventListener('change', onChoice)
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
  onChoice()
}

function onChoice (): void {
  const chosen = getChosenFile()
  avatar = undefined
  showAvatar()
  if (chosen !== undefined) preparation = prepare(chosen)
}

async function prepare (chosen: File): Promise<void> {
  const prepared = await convertIfNecessary(chosen)
  if (chosen !== getChosenFile()) return
  avatar = prepared
  showAvatar()
}

async function convertIfNecessary (chosen: File): Promise<Avatar> {
  try {
    const file = await isAcceptedImage(chosen) ? chosen : await toJpeg(chosen)
    return { chosen, file, conversionError: undefined }
  } catch (error) {
    const message = error instanceof ConversionError ? error.message : 'The file cannot be read. Choose it again.'
    return { chosen, file: chosen, conversionError: message }
  }
}

function showAvatar (): void {
  URL.revokeObjectURL(image.src)
  if (avatar === undefined) image.removeAttribute('src')
  else image.src = URL.createObjectURL(avatar.file)
  setImageVisible(avatar !== undefined)
  const chosen = getChosenFile()
  removeButton.hidden = chosen === undefined
  hint.textContent = chosen === undefined ? defaultHint : describeFile(chosen, avatar?.file ?? chosen)
}

const describeFile = (chosen: File, file: File) => file === chosen
  ? `${chosen.name}, ${formatBytes(chosen.size)}`
  : `${chosen.name}, converted to JPEG: ${formatBytes(file.size)}`

function setImageVisible (isVisible: boolean): void {
  image.hidden = !isVisible
  initials.hidden = isVisible
}
