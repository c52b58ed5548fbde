/** The OpenAPI document as types of calls: which paths have which method, what an operation takes and what it gives. */
import type { components, paths } from './openapi.ts'

export type Method = 'get' | 'post' | 'patch'

/** What frontends call: our own paths, not Procore's nor those for operation. */
type CompanyPath = Extract<keyof paths, `/companies/${string}`>

/** Every path that has the method. */
export type PathWithMethod<M extends Method> = { [P in CompanyPath]: [NonNullable<paths[P][M]>] extends [never] ? never : P }[CompanyPath]

type Operation<M extends Method, P> = P extends keyof paths ? NonNullable<paths[P][M]> : never

export type QueryValue = string | number | boolean | readonly (string | number)[] | undefined

/** Fields that may be left out may be `undefined` too: the client leaves those out. */
type AllowUndefined<T> = T extends object ? { [K in keyof T]: Partial<Pick<T, K>> extends Pick<T, K> ? AllowUndefined<T[K]> | undefined : AllowUndefined<T[K]> } : T

type Get<T, K extends string> = K extends keyof T ? T[K] : never

export type PathParameters<M extends Method, P> = Get<Operation<M, P>['parameters'], 'path'>

export type Query<M extends Method, P> = AllowUndefined<NonNullable<Get<Operation<M, P>['parameters'], 'query'>>>

type RequestBody<M extends Method, P> = NonNullable<Get<Operation<M, P>, 'requestBody'>>

/** The JSON body, which the client writes as a form where a file goes with it. */
export type JsonBody<M extends Method, P> = [RequestBody<M, P>] extends [never] ? never : RequestBody<M, P> extends { content: { 'application/json': infer T } } ? AllowUndefined<T> : never

type SuccessStatus = 200 | 201 | 202

/** What a success holds. */
export type ResponseData<M extends Method, P> = { [S in SuccessStatus]: Operation<M, P>['responses'] extends Record<S, { content: { 'application/json': infer T } }> ? T : never }[SuccessStatus]

/** What a call takes beside its options. */
export type CallInput<M extends Method, P extends PathWithMethod<M>> = {
  path: PathParameters<M, P>
  query?: Query<M, P> | undefined
} & ([JsonBody<M, P>] extends [never] ? unknown : { body: JsonBody<M, P> })

export type NewUser = JsonBody<'post', '/companies/{company_id}/users'>['user']
export type User = ResponseData<'post', '/companies/{company_id}/users'>
export type UserChanges = JsonBody<'patch', '/companies/{company_id}/users/{id}'>['user']
export type UserForm = ResponseData<'get', '/companies/{company_id}/users/form'>
/** What `userPages` and `listUsers` ask for; ids alone are had by `send`. */
export type UserQuery = Omit<Query<'get', '/companies/{company_id}/users'>, 'view'> & { view?: Exclude<Query<'get', '/companies/{company_id}/users'>['view'], 'ids_only'> | undefined }
/** The inputs that faults are looked up by. */
export type FieldName = keyof NewUser | keyof UserChanges | 'avatar'

export type Problem = components['schemas']['Problem']
export type ProblemCode = Problem['code']
export type Outcome = NonNullable<Problem['outcome']>
export type FieldError = NonNullable<Problem['errors']>[number]
