/**
 * The client of this service for browsers and Node. It has no dependencies, and its types follow the OpenAPI document.
 * Each endpoint is one call of `send`: its method, its path, and where each argument goes.
 */
import { createSend, type ApiResponse, type CallOptions, type ClientOptions } from './call.ts'
import { ProblemError } from './errors.ts'
import { createIdempotencyKey } from './idempotency-key.ts'
import { UserImport, type ImportFile, type ImportOptions } from './import.ts'
import type {
  NewUser, ProjectUser, Query, RemovedProjectUser, SyncRows, User, UserChanges, UserIdQuery, UserQuery,
} from './operation.ts'
import type {
  BulkOptions, CreateOptions, InviteOptions, UserAvatarOptions, UserFormOptions, UserOptions,
} from './options.ts'
import { paginate } from './pages.ts'

export type { ApiResponse, CallOptions, ClientOptions, Effect, Send, SendOptions, UploadOptions } from './call.ts'
export { isFailure, NetworkError, ProblemError } from './errors.ts'
export type { ErrorsByField, Failure, NetworkReason } from './errors.ts'
export { createIdempotencyKey } from './idempotency-key.ts'
export {
  UserImport,
  type ImportedRow,
  type ImportEnd,
  type ImportFile,
  type ImportFileType,
  type ImportOptions,
  type ImportProgress,
  type ImportTotals,
  type RefusedRow,
} from './import.ts'
export { defaultMessages, describeFailure, type MessageKey, type Messages } from './messages.ts'
export type {
  FieldError,
  FieldName,
  LookupOutcome,
  NewUser,
  Outcome,
  ProblemCode,
  ProjectUser,
  RemovedProjectUser,
  SyncRows,
  User,
  UserChanges,
  UserForm,
  UserIdQuery,
  UserQuery,
} from './operation.ts'
export type {
  BulkOptions, CreateOptions, InviteOptions, UserAvatarOptions, UserFormOptions, UserOptions,
} from './options.ts'
export type { Retry } from './retry.ts'
export { Submission, type InterruptedCreate, type ResendOptions, type SubmissionOptions } from './submission.ts'
export type { Progress } from './transport.ts'

type CompanyQuery = Query<'get', '/companies'>
type InactiveUserQuery = Query<'get', '/companies/{company_id}/users/inactive'>
type PickListQuery<Name extends string> = Query<'get', `/companies/{company_id}/${Name}`>

export type Client = ReturnType<typeof createClient>

export function createClient (options: ClientOptions) {
  const send = createSend(options)

  /** Returns the page of the active users that `page` and `per_page` name. The `total` is in its headers. */
  async function listUsers (
    companyId: number,
    query: UserQuery = {},
    call?: CallOptions
  ): Promise<ApiResponse<User[]>> {
    const response = await send('get', '/companies/{company_id}/users', { path: companyPath(companyId), query }, call)
    return { ...response, data: response.data.filter(user => typeof user !== 'number') }
  }

  /** Returns the ids of the page of the active users that `page` and `per_page` name. */
  async function listUserIds (
    companyId: number,
    query: UserIdQuery = {},
    call?: CallOptions
  ): Promise<ApiResponse<number[]>> {
    const input = { path: companyPath(companyId), query: { ...query, view: 'ids_only' as const } }
    const response = await send('get', '/companies/{company_id}/users', input, call)
    return { ...response, data: response.data.map(user => typeof user === 'number' ? user : user.id) }
  }

  const listInactiveUsers = (companyId: number, query: InactiveUserQuery = {}, call?: CallOptions) =>
    send('get', '/companies/{company_id}/users/inactive', { path: companyPath(companyId), query }, call)

  /** Returns the companies that the caller may access, of the page that `page` and `per_page` name. */
  const listCompanies = (query: CompanyQuery = {}, call?: CallOptions) =>
    send('get', '/companies', { query }, call)

  return {
    /** Calls any operation of the OpenAPI document by its method and path. */
    send,

    /** Creates a user. Sends it again with the same key if that is the way to find the outcome. */
    createUser: (companyId: number, user: NewUser, options: CreateOptions = {}) => {
      const { runConfigurableValidations, idempotencyKey = createIdempotencyKey(), ...upload } = options
      const query = toValidationQuery(runConfigurableValidations)
      const input = { path: companyPath(companyId), query, body: { user } }
      return send('post', '/companies/{company_id}/users', input, { ...upload, idempotencyKey })
    },

    /** Validates a user as `createUser` does. Nothing is sent to Procore. */
    validateUser: (companyId: number, user: NewUser, options: UserOptions = {}) => {
      const { runConfigurableValidations, ...upload } = options
      const query = toValidationQuery(runConfigurableValidations)
      const input = { path: companyPath(companyId), query, body: { user } }
      return send('post', '/companies/{company_id}/users/validate', input, { ...upload, effect: 'safe' })
    },

    /** Returns the metadata of the create-user form. */
    userForm: (companyId: number, form?: UserFormOptions) =>
      send('get', '/companies/{company_id}/users/form', { path: companyPath(companyId) }, form),

    listUsers,

    /** Iterates over the pages of `listUsers`. Requests each page only when the loop reaches it. */
    userPages: (companyId: number, query: UserQuery = {}, call?: CallOptions) =>
      paginate(query.page ?? 1, page => listUsers(companyId, { ...query, page }, call)),

    listUserIds,

    /** Iterates over the pages of `listUserIds`. Requests each page only when the loop reaches it. */
    userIdPages: (companyId: number, query: UserIdQuery = {}, call?: CallOptions) =>
      paginate(query.page ?? 1, page => listUserIds(companyId, { ...query, page }, call)),

    showUser: (companyId: number, userId: number, call?: CallOptions) =>
      send('get', '/companies/{company_id}/users/{id}', { path: userPath(companyId, userId) }, call),

    /**
     * Returns the picture of a user as a Blob, or undefined if the user has none. `ifNoneMatch` is an earlier response:
     * if its picture is still valid (304), it is not downloaded again.
     */
    userAvatar: async (
      companyId: number,
      userId: number,
      options?: UserAvatarOptions
    ): Promise<ApiResponse<Blob> | undefined> => {
      try {
        const input = { path: userPath(companyId, userId) }
        return await send('get', '/companies/{company_id}/users/{id}/avatar', input, options)
      } catch (error) {
        if (error instanceof ProblemError && error.code === 'not_found') return undefined
        throw error
      }
    },

    /**
     * Changes only the given fields; an avatar replaces the present one. The update is idempotent, and is therefore
     * sent again if its response is lost.
     */
    updateUser: (companyId: number, userId: number, user: UserChanges, options: UserOptions = {}) => {
      const { runConfigurableValidations, ...upload } = options
      const query = toValidationQuery(runConfigurableValidations)
      const input = { path: userPath(companyId, userId), query, body: { user } }
      return send('patch', '/companies/{company_id}/users/{id}', input, { ...upload, effect: 'idempotent' })
    },

    /** Makes Procore send the invitation, once for each key. */
    inviteUser: (companyId: number, userId: number, options: InviteOptions = {}) => {
      const { idempotencyKey = createIdempotencyKey(), ...call } = options
      const input = { path: userPath(companyId, userId) }
      return send('patch', '/companies/{company_id}/users/{id}/invite', input, { ...call, idempotencyKey })
    },

    /**
     * Creates and updates up to 1,000 users by one request, once for each key. All rows are refused if one is not
     * valid. The `rows` of the response say what became of each.
     */
    syncUsers: (companyId: number, updates: SyncRows, options: InviteOptions = {}) => {
      const { idempotencyKey = createIdempotencyKey(), ...call } = options
      const input = { path: { company_id: companyId }, body: { updates } }
      return send('patch', '/companies/{company_id}/users/sync', input, { ...call, idempotencyKey })
    },

    /**
     * Imports users from a CSV or NDJSON file. The loop over the result sends the file and gets a row as soon as its
     * status is known. Leaving the loop ends the import; the same key and file resume it.
     */
    importUsers: (companyId: number, file: ImportFile, importOptions: ImportOptions = {}) =>
      new UserImport(options, companyId, file, importOptions),

    listInactiveUsers,

    /** Iterates over the pages of `listInactiveUsers`. Requests each page only when the loop reaches it. */
    inactiveUserPages: (companyId: number, query: InactiveUserQuery = {}, call?: CallOptions) =>
      paginate(query.page ?? 1, page => listInactiveUsers(companyId, { ...query, page }, call)),

    /** Makes an inactive user active again. It is idempotent, and is therefore sent again if its response is lost. */
    reactivateUser: (companyId: number, userId: number, call?: CallOptions) => {
      const input = { path: userPath(companyId, userId) }
      return send('patch', '/companies/{company_id}/users/inactive/{id}', input, { ...call, effect: 'idempotent' })
    },

    /** Adds users to projects, once for each key. If the status is 202, `getBulkStatus` shows the progress. */
    addUsersToProjects: (companyId: number, users: readonly ProjectUser[], options: BulkOptions = {}) => {
      const { idempotencyKey = createIdempotencyKey(), ...call } = options
      const input = { path: companyPath(companyId), body: { users: [...users] } }
      return send('post', '/companies/{company_id}/users/bulk_add', input, { ...call, idempotencyKey })
    },

    /** Removes users from projects, once for each key. If the status is 202, `getBulkStatus` shows the progress. */
    removeUsersFromProjects: (companyId: number, users: readonly RemovedProjectUser[], options: BulkOptions = {}) => {
      const { idempotencyKey = createIdempotencyKey(), ...call } = options
      const input = { path: companyPath(companyId), body: { users: [...users] } }
      return send('post', '/companies/{company_id}/users/bulk_remove', input, { ...call, idempotencyKey })
    },

    /** Returns how much of a queued bulk operation is done. */
    getBulkStatus: (companyId: number, batchId: string, call?: CallOptions) => {
      const path = { ...companyPath(companyId), batch_id: batchId }
      return send('get', '/companies/{company_id}/users/bulk/status/{batch_id}', { path }, call)
    },

    listCompanies,

    /** Iterates over the pages of `listCompanies`. Requests each page only when the loop reaches it. */
    companyPages: (query: CompanyQuery = {}, call?: CallOptions) =>
      paginate(query.page ?? 1, page => listCompanies({ ...query, page }, call)),

    /** Returns the user that requests to Procore are made as: the service account. */
    currentUser: (companyId: number, call?: CallOptions) =>
      send('get', '/companies/{company_id}/me', { path: companyPath(companyId) }, call),

    permissionTemplates: (companyId: number, query?: PickListQuery<'permission_templates'>, call?: CallOptions) =>
      send('get', '/companies/{company_id}/permission_templates', { path: companyPath(companyId), query }, call),

    vendors: (companyId: number, query?: PickListQuery<'vendors'>, call?: CallOptions) =>
      send('get', '/companies/{company_id}/vendors', { path: companyPath(companyId), query }, call),

    workClassifications: (companyId: number, query?: PickListQuery<'work_classifications'>, call?: CallOptions) =>
      send('get', '/companies/{company_id}/work_classifications', { path: companyPath(companyId), query }, call),

    trades: (companyId: number, query?: PickListQuery<'trades'>, call?: CallOptions) =>
      send('get', '/companies/{company_id}/trades', { path: companyPath(companyId), query }, call),

    configurableFieldSets: (companyId: number, query?: PickListQuery<'configurable_field_sets'>, call?: CallOptions) =>
      send('get', '/companies/{company_id}/configurable_field_sets', { path: companyPath(companyId), query }, call),
  }
}

const companyPath = (companyId: number) => ({ company_id: companyId })
const userPath = (companyId: number, userId: number) => ({ company_id: companyId, id: userId })
const toValidationQuery = (runConfigurableValidations: boolean | undefined) =>
  ({ run_configurable_validations: runConfigurableValidations })
