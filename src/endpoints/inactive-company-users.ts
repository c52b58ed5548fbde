/** Describes the endpoints for the inactive users in a company's directory, as Procore documents them. */
import { Type } from '@sinclair/typebox'
import { loginRestriction, userGuard, userSchema, usersRoute } from './company-users.ts'
import type { Endpoint } from './endpoint.ts'
import { companyParams, id, oneOf, pageParams, type EndpointOptions } from './fields.ts'

const inactiveUsersRoute = {
  path: `${usersRoute.path}/inactive`,
  procorePath: '/rest/v1.0/companies/:company_id/users/inactive',
}

const inactiveUserParams = Type.Object({
  ...companyParams.properties,
  id: id({ description: 'The id of the inactive user.', examples: [381005] }),
})

/** Procore's List Inactive Company Users, v1.0. */
export const listInactiveCompanyUsers: Endpoint = {
  ...inactiveUsersRoute,
  name: 'list-inactive-company-users',
  method: 'GET',
  effect: 'safe',
  readsPeople: true,
  summary: 'List inactive company users',
  description: 'Lists the inactive users in the directory of a company.',
  params: companyParams,
  query: Type.Object({
    ...pageParams,
    sort: Type.Optional(oneOf(['name'], { description: 'The sort order of the list.' })),
  }),
  success: {
    status: 200,
    description: 'One page of inactive users.',
    schema: Type.Array(userSchema),
    isPage: true,
  },
}

/**
 * Procore's Reactivate Company User, v1.0. It changes who can sign in, as a change of `is_active` does, so it needs the
 * same scope and the same check of the user's permission templates. Procore documents only a list that has inactive
 * users, so a user that Procore does not show is looked for in that list.
 */
export function reactivateCompanyUser (options: EndpointOptions): Endpoint {
  return {
    path: `${inactiveUsersRoute.path}/:id`,
    procorePath: `${inactiveUsersRoute.procorePath}/:id`,
    params: inactiveUserParams,
    name: 'reactivate-company-user',
    additionalOperations: [loginRestriction.operation],
    method: 'PATCH',
    effect: 'idempotent',
    summary: 'Reactivate a company user',
    description: 'Makes an inactive user active again. The request has no body. Where scopes are on, it needs the ' +
      `scope \`${loginRestriction.operation}\` as well. Where permission templates are restricted, a user with ` +
      'another template cannot be reactivated.',
    query: Type.Object({}),
    guard: { ...userGuard(options), listPath: inactiveUsersRoute.procorePath },
    success: { status: 200, description: 'The user is active.', schema: userSchema },
  }
}
