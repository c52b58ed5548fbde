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
interface UserCreator {
  createUser: (companyId: number, user: NewUser, options: CreateOptions) => Promise<ApiResponse<User>>
}

interface FilledInForm {
  user: NewUser
  avatar: Blob | undefined
  runConfigurableValidations: boolean | undefined
}

interface SentForm {
  form: FilledInForm
  idempotencyKey: string
  /**
   * `open`: the form is sent again with the same key. `rejected`: it needs a new key, because the service returns the
   * stored rejection for this one. `not_found`: the outcome is unknown, and a lookup found no user.
   */
  state: 'open' | 'rejected' | 'not_found'
}

/** The sending of one form, from the first attempt until the user exists. Create one when the form is shown. */
export class Submission {
  readonly #client: UserCreator
  readonly #companyId: number
  #sent: SentForm | undefined

  constructor (client: UserCreator, companyId: number) {
    this.#client = client
    this.#companyId = companyId
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
    const isRepeat = sent !== undefined && sent.state !== 'rejected' && isSameForm(sent.form, form)
    return this.#send(form, isRepeat ? sent.idempotencyKey : createIdempotencyKey(), resendOptions)
  }

  /** Whether the outcome of the last attempt is unknown, and the service looked for the user and found none. */
  get canCreateAnyway (): boolean {
    return this.#sent?.state === 'not_found'
  }

  /**
   * Sends the form that was last submitted with a new idempotency key. Offer it to the person if `canCreateAnyway`.
   * Procore may still be carrying out the first create. It then rejects the second one, because of its address.
   * @throws as `createUser` does
   */
  async createAnyway (options: ResendOptions = {}): Promise<ApiResponse<User>> {
    if (this.#sent?.state !== 'not_found') {
      throw new Error('The outcome is not unknown, or the user was not looked up: call submit instead.')
    }
    return this.#send(this.#sent.form, createIdempotencyKey(), options)
  }

  async #send (form: FilledInForm, idempotencyKey: string, options: ResendOptions): Promise<ApiResponse<User>> {
    const sent: SentForm = { form, idempotencyKey, state: 'open' }
    this.#sent = sent
    const { user, ...formOptions } = form
    try {
      return await this.#client.createUser(this.#companyId, user, { ...options, ...formOptions, idempotencyKey })
    } catch (error) {
      sent.state = getState(error)
      throw error
    }
  }
}

function getState (error: unknown): SentForm['state'] {
  if (!(error instanceof ProblemError)) return 'open'
  if (error.outcome === 'rejected' || error.code === 'idempotency_key_reused') return 'rejected'
  return error.outcome === 'unknown' && error.lookup === 'not_found' ? 'not_found' : 'open'
}

function isSameForm (first: FilledInForm, second: FilledInForm): boolean {
  return serializeFields(first) === serializeFields(second) && isSameAvatar(first.avatar, second.avatar)
}

/** Undefined fields are not sent, and the order of fields has no meaning. */
function serializeFields ({ user, runConfigurableValidations }: FilledInForm): string {
  const fields = Object.entries(user).filter(([, value]) => value !== undefined)
  return JSON.stringify([fields.sort(([first], [second]) => first < second ? -1 : 1), runConfigurableValidations])
}

/** A person who chooses the same file again gets another File. Its bytes are not compared: they may be many. */
function isSameAvatar (first: Blob | undefined, second: Blob | undefined): boolean {
  if (first === second) return true
  if (!(first instanceof File && second instanceof File)) return false
  return first.name === second.name && first.size === second.size && first.lastModified === second.lastModified
}
