/** Describes the bulk operations that add users of a company to projects and remove them, as Procore documents them. */
import { Type, type TSchema } from '@sinclair/typebox'
import type { Endpoint, MentionedRow, RowReport } from './endpoint.ts'
import { batchId, companyParams, idText, idTexts, type EndpointOptions } from './fields.ts'

const optional = Type.Optional

const bulkRoute = {
  path: '/companies/:company_id/users',
  procorePath: '/rest/v2.0/companies/:company_id/users',
}

/** Most users and projects in one request. Procore carries out 50 at once and queues the others. */
const bulkMaxItems = 1000

const rowFields = {
  user_id: idText({ description: 'The id of the user.', examples: ['381006'] }),
  project_id: idText({ description: 'The id of the project.', examples: ['3'] }),
}

const withData = (items: TSchema, members: Record<string, TSchema> = {}) =>
  Type.Object({ data: Type.Array(items), ...members }, { additionalProperties: true })

const accepted = {
  status: 202,
  description: 'Procore queued the request. Its progress is at `…/users/bulk/status/{batch_id}`.',
  schema: withData(Type.Object({
    status: optional(Type.String({ examples: ['accepted'] })),
    batch_id: Type.String({ examples: ['batch-123abc456def'] }),
  }, { additionalProperties: true })),
}

const addedSchema = withData(Type.Object({
  entities: optional(Type.Array(Type.Object({
    userId: optional(Type.Union([Type.String(), Type.Integer()])),
    projects: optional(Type.Array(Type.Unknown())),
  }, { additionalProperties: true }))),
}, { additionalProperties: true }), {
  errors: optional(Type.Array(Type.Unknown())),
})

/** Returns the objects of a list, or none if it is not a list. */
function objectsOf (list: unknown): Array<Record<string, unknown>> {
  const items: unknown[] = Array.isArray(list) ? list : []
  return items.filter((item): item is Record<string, unknown> => typeof item === 'object' && item !== null)
}

const rowFieldNames = Object.keys(rowFields)

/** The response has the projects of each user, first those of the additions, then those of the errors. */
const additionReport: RowReport = {
  fields: rowFieldNames,
  read: response => objectsOf([response]).flatMap(({ data, errors }) => [
    ...objectsOf(data).flatMap(({ entities }) => objectsOf(entities)).flatMap(({ userId, projects }) => {
      return objectsOf(projects).map(({ projectId }) => ({ values: [userId, projectId], isDone: true }))
    }),
    ...objectsOf(errors).flatMap(({ userId, errors: refusals }) => {
      return objectsOf(refusals).map(({ projectId }) => ({ values: [userId, projectId], isDone: false }))
    }),
  ]),
}

/** The response has the result for each project, by user. */
const removalReport: RowReport = {
  fields: rowFieldNames,
  read: response => objectsOf([response]).flatMap(({ data }) => objectsOf(data)).flatMap(resultsByUser => {
    return Object.entries(resultsByUser).flatMap(([userId, results]) => {
      return objectsOf([results]).flatMap(resultsByProject => Object.entries(resultsByProject))
        .map(([projectId, result]): MentionedRow => ({ values: [userId, projectId], isDone: result === 'success' }))
    })
  }),
}

/**
 * Procore's Bulk Add Users to Projects, v2.0. Procore might give a user without `permission_template_id` a template of
 * its own choice, so the field is required where templates are restricted.
 */
export function addCompanyUsersToProjects ({ permissionTemplateIds }: EndpointOptions): Endpoint {
  const template = idText({
    description: 'The id of the permission template in the project. Required where permission templates are ' +
      'restricted. A user who is in the project already keeps its template.',
    examples: ['27'],
  })
  return {
    name: 'add-company-users-to-projects',
    method: 'POST',
    effect: 'once',
    acceptsIdempotencyKey: true,
    path: `${bulkRoute.path}/bulk_add`,
    procorePath: `${bulkRoute.procorePath}/bulk_add`,
    summary: 'Add company users to projects',
    description: `Adds users to projects, each with a permission template. At most ${bulkMaxItems} at a time.`,
    params: companyParams,
    query: Type.Object({}),
    body: {
      rootKey: 'users',
      maxItems: bulkMaxItems,
      record: {
        fields: Type.Object({
          ...rowFields,
          permission_template_id: permissionTemplateIds.size === 0 ? optional(template) : template,
          project_role_ids: optional(idTexts({ description: 'The ids of project roles.', examples: [['12']] })),
        }),
        dependencies: [],
        restrictions: [{
          kind: 'values',
          fields: ['permission_template_id'],
          values: new Set([...permissionTemplateIds].map(String)),
          code: 'template_not_allowed',
          message: 'is not a permission template that callers may assign',
        }],
      },
    },
    rowReport: additionReport,
    success: {
      status: 200,
      description: 'All users were added.',
      schema: addedSchema,
      others: [
        accepted,
        { status: 207, description: 'Some users were added; `errors` has the others.', schema: addedSchema },
      ],
    },
  }
}

/** Procore's Bulk Remove Users from Projects, v2.0. */
export const removeCompanyUsersFromProjects: Endpoint = {
  name: 'remove-company-users-from-projects',
  method: 'POST',
  effect: 'once',
  acceptsIdempotencyKey: true,
  path: `${bulkRoute.path}/bulk_remove`,
  procorePath: `${bulkRoute.procorePath}/bulk_remove`,
  summary: 'Remove company users from projects',
  description: `Removes users from projects. At most ${bulkMaxItems} at a time.`,
  params: companyParams,
  query: Type.Object({}),
  body: {
    rootKey: 'users',
    maxItems: bulkMaxItems,
    record: { fields: Type.Object(rowFields), dependencies: [] },
  },
  rowReport: removalReport,
  success: {
    status: 200,
    description: 'The result for each user and project: `success`, or `skipped_managed`.',
    schema: withData(Type.Record(Type.String(), Type.Unknown())),
    others: [accepted],
  },
}

/** Procore's Bulk Status, v2.0. */
export const showCompanyUsersBulkStatus: Endpoint = {
  name: 'show-company-users-bulk-status',
  method: 'GET',
  effect: 'safe',
  path: `${bulkRoute.path}/bulk/status/:batch_id`,
  procorePath: `${bulkRoute.procorePath}/bulk/status/:batch_id`,
  summary: 'Show the status of a bulk operation',
  description: 'Returns how much of a queued bulk operation is done.',
  params: Type.Object({
    ...companyParams.properties,
    batch_id: batchId({
      description: 'The `batch_id` of the response with status 202.', examples: ['batch-123abc456def'],
    }),
  }),
  query: Type.Object({}),
  success: {
    status: 200,
    description: 'The status.',
    schema: Type.Object({
      data: Type.Object({
        is_complete: optional(Type.Boolean()),
        total: optional(Type.Integer()),
        pending: optional(Type.Integer()),
        failures: optional(Type.Unknown()),
      }, { additionalProperties: true }),
    }, { additionalProperties: true }),
  },
}
