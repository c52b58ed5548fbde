/**
 * The client of this service for browsers and for Node: no dependency, no build step, and every name checked against the OpenAPI document.
 * An endpoint is one line: its method, its path, and what of its arguments goes where.
 */
import { createSend, type ApiResponse, type CallOptions, type ClientOptions, type UploadOptions } from './call.ts'
import { createIdempotencyKey } from './idempotency-key.ts'
import type { NewUser, Query, User, UserChanges, UserForm, UserQuery } from './operation.ts'
import { paginate } from './pages.ts'

export type { ApiResponse, CallOptions, ClientOptions, Send, SendOptions, UploadOptions } from './call.ts'
export { isFailure, NetworkError, ProblemError, type Failure } from './errors.ts'
export type { FieldName, FieldError, NewUser, Outcome, ProblemCode, User, UserChanges, UserForm, UserQuery } from './operation.ts'
export type { Retry } from './retry.ts'
export type { Progress } from './transport.ts'
export { createIdempotencyKey } from './idempotency-key.ts'

export interface UserOptions extends UploadOptions {
  /** Whether Procore enforces the fields that the company itself requires. */
  runConfigurableValidations?: boolean | undefined
}

export interface CreateOptions extends UserOptions {
  /** A new one for each call unless one is given: the same for a form that is submitted again makes it one user. */
  idempotencyKey?: string | undefined
}

export interface InviteOptions extends CallOptions {
  /** A new one for each call unless one is given: the same for a button that is pressed again sends one e-mail. */
  idempotencyKey?: string | undefined
}

export interface UserFormOptions extends CallOptions {
  /** The answer that is there already: while it holds, its data is given again and not sent again (304). */
  ifNoneMatch?: ApiResponse<UserForm> | undefined
}

export type Client = ReturnType<typeof createClient>

export function createClient (options: ClientOptions) {
  const send = createSend(options)

  /** One page of the active users; `page` and `per_page` say which. Its headers tell the `total`; `userPages` walks through all. */
  async function listUsers (companyId: number, query: UserQuery = {}, call?: CallOptions): Promise<ApiResponse<User[]>> {
    const response = await send('get', '/companies/{company_id}/users', { path: companyPath(companyId), query }, call)
    return { ...response, data: response.data.filter(user => typeof user !== 'number') }
  }

  return {
    /** Any operation of the document, by method and path. */
    send,
    /** Creates a user, and asks again under the same key where that is how to find out what became of it. */
    createUser: (companyId: number, user: NewUser, { runConfigurableValidations, idempotencyKey = createIdempotencyKey(), ...upload }: CreateOptions = {}) =>
      send('post', '/companies/{company_id}/users', { path: companyPath(companyId), query: { run_configurable_validations: runConfigurableValidations }, body: { user } }, { ...upload, idempotencyKey }),
    /** Judges a user as `createUser` would; nothing is sent to Procore. */
    validateUser: (companyId: number, user: NewUser, { runConfigurableValidations, ...upload }: UserOptions = {}) =>
      send('post', '/companies/{company_id}/users/validate', { path: companyPath(companyId), query: { run_configurable_validations: runConfigurableValidations }, body: { user } }, { ...upload, isIdempotent: true }),
    /** All that the form of a new user needs. */
    userForm: (companyId: number, form?: UserFormOptions) => send('get', '/companies/{company_id}/users/form', { path: companyPath(companyId) }, form),
    listUsers,
    /** The pages of `listUsers` one after the other, each asked for when the one before was taken. */
    userPages: (companyId: number, query: UserQuery = {}, call?: CallOptions) => paginate(query.page ?? 1, page => listUsers(companyId, { ...query, page }, call)),
    showUser: (companyId: number, userId: number, call?: CallOptions) => send('get', '/companies/{company_id}/users/{id}', { path: userPath(companyId, userId) }, call),
    /** Changes what is named and nothing else; an avatar takes the place of the one that is there. It is sent again after a loss, since twice is no more than once. */
    updateUser: (companyId: number, userId: number, user: UserChanges, { runConfigurableValidations, ...upload }: UserOptions = {}) =>
      send('patch', '/companies/{company_id}/users/{id}', { path: userPath(companyId, userId), query: { run_configurable_validations: runConfigurableValidations }, body: { user } }, { ...upload, isIdempotent: true }),
    /** Has Procore send the invitation, once for each key. */
    inviteUser: (companyId: number, userId: number, { idempotencyKey = createIdempotencyKey(), ...call }: InviteOptions = {}) =>
      send('patch', '/companies/{company_id}/users/{id}/invite', { path: userPath(companyId, userId) }, { ...call, idempotencyKey }),
    permissionTemplates: (companyId: number, query?: Query<'get', '/companies/{company_id}/permission_templates'>, call?: CallOptions) => send('get', '/companies/{company_id}/permission_templates', { path: companyPath(companyId), query }, call),
    vendors: (companyId: number, query?: Query<'get', '/companies/{company_id}/vendors'>, call?: CallOptions) => send('get', '/companies/{company_id}/vendors', { path: companyPath(companyId), query }, call),
    workClassifications: (companyId: number, query?: Query<'get', '/companies/{company_id}/work_classifications'>, call?: CallOptions) => send('get', '/companies/{company_id}/work_classifications', { path: companyPath(companyId), query }, call),
    trades: (companyId: number, query?: Query<'get', '/companies/{company_id}/trades'>, call?: CallOptions) => send('get', '/companies/{company_id}/trades', { path: companyPath(companyId), query }, call),
    configurableFieldSets: (companyId: number, query?: Query<'get', '/companies/{company_id}/configurable_field_sets'>, call?: CallOptions) => send('get', '/companies/{company_id}/configurable_field_sets', { path: companyPath(companyId), query }, call),
  }
}

const companyPath = (companyId: number) => ({ company_id: companyId })
const userPath = (companyId: number, userId: number) => ({ company_id: companyId, id: userId })
