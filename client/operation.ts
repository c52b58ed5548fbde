/** The OpenAPI document as types of calls: which paths have which method, what an operation takes and what it gives. */
import type { components, paths } from './openapi.ts'

export type Method = 'get' | 'post' | 'patch'

/** What frontends call: our own paths, not Procore's nor those for operation. */
type DescribedPath = Extract<keyof paths, `/companies/${string}`>

/** Every path that has the method. */
export type PathOf<M extends Method> = { [P in DescribedPath]: [NonNullable<paths[P][M]>] extends [never] ? never : P }[DescribedPath]

type Operation<M extends Method, P> = P extends keyof paths ? NonNullable<paths[P][M]> : never

export type QueryValue = string | number | boolean | readonly (string | number)[] | undefined

/** Fields that may be left out may be `undefined` too: the client leaves those out. */
type Lenient<T> = T extends object ? { [K in keyof T]: Partial<Pick<T, K>> extends Pick<T, K> ? Lenient<T[K]> | undefined : Lenient<T[K]> } : T

type Member<T, K extends string> = K extends keyof T ? T[K] : never

export type PathParameters<M extends Method, P> = Member<Operation<M, P>['parameters'], 'path'>

export type Query<M extends Method, P> = Lenient<NonNullable<Member<Operation<M, P>['parameters'], 'query'>>>

type RequestBody<M extends Method, P> = NonNullable<Member<Operation<M, P>, 'requestBody'>>

/** The JSON body, which the client writes as a form where a file goes with it. */
export type Body<M extends Method, P> = [RequestBody<M, P>] extends [never] ? never : RequestBody<M, P> extends { content: { 'application/json': infer T } } ? Lenient<T> : never

type Success = 200 | 201 | 202

/** What a success holds. */
export type Data<M extends Method, P> = { [S in Success]: Operation<M, P>['responses'] extends Record<S, { content: { 'application/json': infer T } }> ? T : never }[Success]

/** What a call takes beside its options. */
export type Input<M extends Method, P extends PathOf<M>> = {
  path: PathParameters<M, P>
  query?: Query<M, P> | undefined
} & ([Body<M, P>] extends [never] ? unknown : { body: Body<M, P> })

export type NewUser = Body<'post', '/companies/{company_id}/users'>['user']
export type User = Data<'post', '/companies/{company_id}/users'>
export type UserChanges = Body<'patch', '/companies/{company_id}/users/{id}'>['user']
export type UserForm = Data<'get', '/companies/{company_id}/users/form'>
/** What `userPages` and `listUsers` ask for; ids alone are had by `send`. */
export type UserQuery = Omit<Query<'get', '/companies/{company_id}/users'>, 'view'> & { view?: Exclude<Query<'get', '/companies/{company_id}/users'>['view'], 'ids_only'> | undefined }
/** The inputs that faults are looked up by. */
export type FieldName = keyof NewUser | keyof UserChanges | 'avatar'

export type Problem = components['schemas']['Problem']
export type ProblemCode = Problem['code']
export type Outcome = NonNullable<Problem['outcome']>
export type Fault = NonNullable<Problem['errors']>[number]
