/**
 * The client of this service for browsers and for Node: no dependency, no build step, and every name checked against the OpenAPI document.
 * An endpoint is one line: its method, its path, and what of its arguments goes where.
 */
import { createSend, type CallOptions, type ClientOptions, type UploadOptions } from './call.ts'
import { randomKey } from './key.ts'
import type { NewUser, Query } from './operation.ts'

export type { Answer, CallOptions, ClientOptions, Send, UploadOptions } from './call.ts'
export { isFailure, NetworkError, ProblemError, type Failure } from './errors.ts'
export type { FieldName, Fault, NewUser, Outcome, ProblemCode, User } from './operation.ts'
export type { Repeat } from './repeats.ts'
export type { Progress } from './transport.ts'
export { randomKey } from './key.ts'

export interface UserOptions extends UploadOptions {
  /** Whether Procore enforces the fields that the company itself requires. */
  runConfigurableValidations?: boolean | undefined
}

export interface CreateOptions extends UserOptions {
  /** A new one for each call unless one is given: the same for a form that is submitted again makes it one user. */
  idempotencyKey?: string | undefined
}

export type Client = ReturnType<typeof createClient>

export function createClient (options: ClientOptions) {
  const send = createSend(options)
  return {
    /** Any operation of the document, by method and path. */
    send,
    /** Creates a user, and asks again under the same key where that is how to find out what became of it. */
    createUser: (companyId: number, user: NewUser, { runConfigurableValidations, idempotencyKey = randomKey(), ...upload }: CreateOptions = {}) =>
      send('post', '/companies/{company_id}/users', { path: of(companyId), query: { run_configurable_validations: runConfigurableValidations }, body: { user } }, { ...upload, idempotencyKey }),
    /** Judges a user as `createUser` would; nothing is sent to Procore. */
    validateUser: (companyId: number, user: NewUser, { runConfigurableValidations, ...upload }: UserOptions = {}) =>
      send('post', '/companies/{company_id}/users/validate', { path: of(companyId), query: { run_configurable_validations: runConfigurableValidations }, body: { user } }, { ...upload, isSafe: true }),
    /** All that the form of a new user needs. */
    userForm: (companyId: number, call?: CallOptions) => send('get', '/companies/{company_id}/users/form', { path: of(companyId) }, call),
    permissionTemplates: (companyId: number, query?: Query<'get', '/companies/{company_id}/permission_templates'>, call?: CallOptions) => send('get', '/companies/{company_id}/permission_templates', { path: of(companyId), query }, call),
    vendors: (companyId: number, query?: Query<'get', '/companies/{company_id}/vendors'>, call?: CallOptions) => send('get', '/companies/{company_id}/vendors', { path: of(companyId), query }, call),
    workClassifications: (companyId: number, query?: Query<'get', '/companies/{company_id}/work_classifications'>, call?: CallOptions) => send('get', '/companies/{company_id}/work_classifications', { path: of(companyId), query }, call),
    trades: (companyId: number, query?: Query<'get', '/companies/{company_id}/trades'>, call?: CallOptions) => send('get', '/companies/{company_id}/trades', { path: of(companyId), query }, call),
  }
}

const of = (companyId: number) => ({ company_id: companyId })
