/** The options of the calls about users. */
import type { ApiResponse, CallOptions, UploadOptions } from './call.ts'
import type { UserForm } from './operation.ts'

export interface UserOptions extends UploadOptions {
  /** Whether Procore enforces the fields that the company itself requires. */
  runConfigurableValidations?: boolean | undefined
}

export interface CreateOptions extends UserOptions {
  /** Default: a new key for each call. Pass the same key when a form is submitted again, to create one user only. */
  idempotencyKey?: string | undefined
}

export interface InviteOptions extends CallOptions {
  /** Default: a new key for each call. Pass the same key when a button is pressed again, to send one e-mail only. */
  idempotencyKey?: string | undefined
}

export interface BulkOptions extends CallOptions {
  /** Default: a new key for each call. Pass the same key when a button is pressed again, to send the request once. */
  idempotencyKey?: string | undefined
}

export interface UserFormOptions extends CallOptions {
  /** An earlier response. If it is still valid (304), its `data` is returned and not downloaded again. */
  ifNoneMatch?: ApiResponse<UserForm> | undefined
}

export interface UserAvatarOptions extends CallOptions {
  /** An earlier response. If it is still valid (304), its `data` is returned and not downloaded again. */
  ifNoneMatch?: ApiResponse<Blob> | undefined
}
