/**
 * Chooses the idempotency key of a form that a person fills in, so that one form creates one user, however often it is
 * sent: after a double click, a lost response or an aborted upload.
 */
import type { ApiResponse, UploadOptions } from './call.ts'
import { ProblemError } from './errors.ts'
import { createIdempotencyKey } from './idempotency-key.ts'
import type { NewUser, User } from './operation.ts'
import type { CreateOptions, UserOptions } from './options.ts'

/** The options that may differ each time the same form is sent. */
export type ResendOptions = Omit<UploadOptions, 'avatar'>

/** The method of the client that a submission calls. */
export interface UserCreator {
  createUser: (companyId: number, user: NewUser, options: CreateOptions) => Promise<ApiResponse<User>>
}

interface FilledInForm {
  user: NewUser
  avatar: Blob | undefined
  runConfigurableValidations: boolean | undefined
}

interface SentForm {
  /** Undefined after a reload of the page: a file cannot be stored. */
  form: FilledInForm | undefined
  fingerprint: string
  avatarName?: string | undefined
  idempotencyKey: string
  state: State
}

const states = ['in_flight', 'open', 'rejected', 'not_found'] as const

/**
 * `in_flight`: there is no response yet. `open`: the form is sent again with the same key. `rejected`: it needs a new
 * key, because the service returns the stored rejection for this one. `not_found`: the outcome is unknown, and a lookup
 * found no user.
 */
type State = typeof states[number]

export interface SubmissionOptions {
  /**
   * Keeps the idempotency key when the page is reloaded: `sessionStorage`. The fields of the form, but not the avatar,
   * are stored with it until `reset` is called or the tab is closed. Default: the key is kept in memory.
   */
  storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined
}

/** A create that was in flight when its page was left. */
export interface InterruptedCreate {
  /** The name of the file that the person has to choose again. */
  avatarName: string | undefined
}

/** The sending of one form, from the first attempt until the user exists. Create one when the form is shown. */
export class Submission {
  readonly #client: UserCreator
  readonly #companyId: number
  readonly #storage: SubmissionOptions['storage']
  #sent: SentForm | undefined

  constructor (client: UserCreator, companyId: number, { storage }: SubmissionOptions = {}) {
    this.#client = client
    this.#companyId = companyId
    this.#storage = storage
    this.#sent = load(storage)
  }

  /**
   * The create of an earlier page of this tab, whose response never arrived. If the same form is submitted again, it
   * has the same key, and the service reports what became of it.
   */
  get interrupted (): InterruptedCreate | undefined {
    if (this.#sent === undefined || this.#sent.form !== undefined || this.#sent.state !== 'in_flight') return undefined
    return { avatarName: this.#sent.avatarName }
  }

  /**
   * Sends the form. The idempotency key is new if a field, the avatar or `runConfigurableValidations` changed since the
   * form was last sent, or if the create was rejected.
   * @throws as `createUser` does
   */
  submit (user: NewUser, options: UserOptions = {}): Promise<ApiResponse<User>> {
    const { avatar, runConfigurableValidations, ...resendOptions } = options
    const form = { user: { ...user }, avatar, runConfigurableValidations }
    const sent = this.#sent
    const isRepeat = sent !== undefined && sent.state !== 'rejected' && this.#isSame(sent, form)
    return this.#send(form, isRepeat ? sent.idempotencyKey : createIdempotencyKey(), resendOptions)
  }

  /** Forgets the form that was sent. The next one has a new key, also if its fields are the same. */
  reset (): void {
    this.#sent = undefined
    this.#storage?.removeItem(storageKey)
  }

  /**
   * Whether the outcome of the last attempt is unknown, and the service looked for the user and found none. After a
   * reload of the page, the form has to be submitted again first.
   */
  get canCreateAnyway (): boolean {
    return this.#sent?.state === 'not_found' && this.#sent.form !== undefined
  }

  /**
   * Sends the form that was last submitted with a new idempotency key. Offer it to the person if `canCreateAnyway`.
   * Procore may still be carrying out the first create. It then rejects the second one, because of its address.
   * @throws as `createUser` does
   */
  async createAnyway (options: ResendOptions = {}): Promise<ApiResponse<User>> {
    if (this.#sent?.state !== 'not_found' || this.#sent.form === undefined) {
      throw new Error('The outcome is not unknown, or the user was not looked up: call submit instead.')
    }
    return this.#send(this.#sent.form, createIdempotencyKey(), options)
  }

  async #send (form: FilledInForm, idempotencyKey: string, options: ResendOptions): Promise<ApiResponse<User>> {
    const { user, ...formOptions } = form
    const avatarName = form.avatar instanceof File ? form.avatar.name : undefined
    const fingerprint = serialize(this.#companyId, form)
    const sent: SentForm = { form, fingerprint, avatarName, idempotencyKey, state: 'in_flight' }
    this.#sent = sent
    this.#save()
    try {
      const response = await this.#client.createUser(this.#companyId, user, {
        ...options, ...formOptions, idempotencyKey,
      })
      sent.state = 'open'
      return response
    } catch (error) {
      sent.state = getState(error)
      throw error
    } finally {
      this.#save()
    }
  }

  #isSame (sent: SentForm, form: FilledInForm): boolean {
    const isOtherBlob = isPlainBlob(form.avatar) && form.avatar !== sent.form?.avatar
    return !isOtherBlob && sent.fingerprint === serialize(this.#companyId, form)
  }

  #save (): void {
    if (this.#sent === undefined) return
    const { form, ...stored } = this.#sent
    try {
      this.#storage?.setItem(storageKey, JSON.stringify(stored))
    } catch {
      // The storage is full or blocked. The key is then kept in memory only.
    }
  }
}

const storageKey = 'procore-bff-submission'

function load (storage: SubmissionOptions['storage']): SentForm | undefined {
  try {
    const stored: unknown = JSON.parse(storage?.getItem(storageKey) ?? 'null')
    return isStored(stored) ? { ...stored, form: undefined } : undefined
  } catch {
    // The storage is blocked, or something else was stored under this name.
    return undefined
  }
}

function isStored (value: unknown): value is Omit<SentForm, 'form'> {
  return typeof value === 'object' && value !== null &&
    'fingerprint' in value && typeof value.fingerprint === 'string' &&
    'idempotencyKey' in value && typeof value.idempotencyKey === 'string' &&
    'state' in value && states.some(state => state === value.state) &&
    (!('avatarName' in value) || typeof value.avatarName === 'string')
}

function getState (error: unknown): State {
  if (!(error instanceof ProblemError)) return 'open'
  if (error.outcome === 'rejected' || error.code === 'idempotency_key_reused') return 'rejected'
  return error.outcome === 'unknown' && error.lookup === 'not_found' ? 'not_found' : 'open'
}

/**
 * Two forms with the same text create the same user. Undefined fields are not sent, and the order of fields has no
 * meaning. A person who chooses the same file again gets another File; its bytes are not compared: they may be many.
 */
function serialize (companyId: number, { user, avatar, runConfigurableValidations }: FilledInForm): string {
  const fields = Object.entries(user).filter(([, value]) => value !== undefined)
  const file = avatar instanceof File ? [avatar.name, avatar.size, avatar.lastModified] : avatar?.size
  const sortedFields = fields.sort(([first], [second]) => first < second ? -1 : 1)
  return JSON.stringify([companyId, sortedFields, file, runConfigurableValidations])
}

/** A Blob without a name is compared by identity. */
const isPlainBlob = (avatar: Blob | undefined) => avatar !== undefined && !(avatar instanceof File)
