/** The types of calls, derived from the OpenAPI document: which paths have which methods, inputs and responses. */
import type { components, paths } from './openapi.ts'

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'

/** The paths for frontends: without Procore's own paths and without those for operators. */
type FrontendPath = Extract<keyof paths, '/companies' | `/companies/${string}`>

/** Every path that has the method. */
export type PathWithMethod<M extends Method> = {
  [P in FrontendPath]: [NonNullable<paths[P][M]>] extends [never] ? never : P
}[FrontendPath]

type Operation<M extends Method, P> = P extends keyof paths ? NonNullable<paths[P][M]> : never

/** Allows `undefined` for optional fields. The client omits such fields. */
type AllowUndefined<T> = T extends object
  ? { [K in keyof T]: Partial<Pick<T, K>> extends Pick<T, K> ? AllowUndefined<T[K]> | undefined : AllowUndefined<T[K]> }
  : T

type Get<T, K extends string> = K extends keyof T ? T[K] : never

export type PathParameters<M extends Method, P> = Get<Operation<M, P>['parameters'], 'path'>

export type Query<M extends Method, P> = AllowUndefined<NonNullable<Get<Operation<M, P>['parameters'], 'query'>>>

type RequestBody<M extends Method, P> = NonNullable<Get<Operation<M, P>, 'requestBody'>>

type JsonContent<T> = { content: { 'application/json': T } }

/** The JSON body. With a file the client sends the same fields as multipart/form-data. */
export type JsonBody<M extends Method, P> = [RequestBody<M, P>] extends [never]
  ? never
  : RequestBody<M, P> extends JsonContent<infer T> ? AllowUndefined<T> : never

type SuccessStatus = 200 | 201 | 202 | 207

/** The JSON of a successful response, or its image. */
export type ResponseData<M extends Method, P> = {
  [S in SuccessStatus]: Operation<M, P>['responses'] extends Record<S, infer Response> ? Data<Response> : never
}[SuccessStatus]

type Data<Response> = Response extends JsonContent<infer T>
  ? T
  : Response extends { content: infer Content } ? ImageContent<Content> : never

/** The document lists the types that an image may have. */
type ImageContent<Content> = keyof Content extends `image/${string}` ? Blob : never

/** The input of a call, without its options. */
export type CallInput<M extends Method, P extends PathWithMethod<M>> = {
  query?: Query<M, P> | undefined
} & ([PathParameters<M, P>] extends [undefined] ? { path?: undefined } : { path: PathParameters<M, P> })
  & ([JsonBody<M, P>] extends [never] ? unknown : { body: JsonBody<M, P> })

type ListUsersQuery = Query<'get', '/companies/{company_id}/users'>

export type NewUser = JsonBody<'post', '/companies/{company_id}/users'>['user']
export type User = ResponseData<'post', '/companies/{company_id}/users'>
/** A row of `addUsersToProjects`. */
export type ProjectUser = JsonBody<'post', '/companies/{company_id}/users/bulk_add'>['users'][number]
/** A row of `removeUsersFromProjects`. */
export type RemovedProjectUser = JsonBody<'post', '/companies/{company_id}/users/bulk_remove'>['users'][number]
export type UserChanges = JsonBody<'patch', '/companies/{company_id}/users/{id}'>['user']
/** The rows of `syncUsers`: a row with an `id` changes that user. */
export type SyncRows = JsonBody<'patch', '/companies/{company_id}/users/sync'>['updates']
export type UserForm = ResponseData<'get', '/companies/{company_id}/users/form'>
/** The query of `listUserIds` and `userIdPages`. */
export type UserIdQuery = Omit<ListUsersQuery, 'view'>
/** The query of `listUsers` and `userPages`. */
export type UserQuery = UserIdQuery & {
  view?: Exclude<ListUsersQuery['view'], 'ids_only'> | undefined
}
/** The inputs that can have field errors. */
export type FieldName = keyof NewUser | keyof UserChanges | 'avatar'

export type Problem = components['schemas']['Problem']
export type ProblemCode = Problem['code']
export type Outcome = NonNullable<Problem['outcome']>
/** What the service found when it looked for the user of a create whose outcome is `unknown`. */
export type LookupOutcome = NonNullable<Problem['lookup']>
export type FieldError = NonNullable<Problem['errors']>[number]
