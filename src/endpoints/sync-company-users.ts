/** Describes the endpoint that creates and updates users of a company in a batch. */
import { Type } from '@sinclair/typebox'
import {
  clearedByNull, createCompanyUser, loginRestriction, templateRestriction, updateCompanyUser, userDependencies,
  userFields, userSchema, usersRoute,
} from './company-users.ts'
import type { OperationRestriction, ProxiedEndpoint, RecordListBody, UserSync } from './endpoint.ts'
import { companyParams, id, type EndpointOptions } from './fields.ts'
import { stringEnum } from './string-enum.ts'

/** Most rows in one request to Procore. */
const syncMaxRows = 1_000

/** Returns the scope that a row needs because of a field that every row has. */
const scopeOfRow = (operation: string, field: string): OperationRestriction =>
  ({ kind: 'operation', fields: [field], operation })

/** A list of rows, of which those with an id are described separately. */
type SyncBody = RecordListBody & Required<Pick<RecordListBody, 'existing'>>

/** Returns the rows of a sync. A row with an id changes that user, and needs no other field. */
function syncBody (options: EndpointOptions): SyncBody {
  const { stateCodes, permissionTemplateIds } = options
  const { bid_contact: _, ...fields } = userFields(stateCodes).properties
  const dependencies = userDependencies(stateCodes)
  const templates = templateRestriction(permissionTemplateIds)
  return {
    rootKey: 'updates',
    maxItems: syncMaxRows,
    record: {
      fields: Type.Object(fields),
      dependencies,
      restrictions: [templates, scopeOfRow(createCompanyUser(options).name, 'last_name')],
    },
    existing: {
      idField: 'id',
      record: {
        fields: Type.Object({
          id: id({ description: 'The id of the user.', examples: [381006] }),
          ...Type.Partial(Type.Object(fields)).properties,
        }),
        nullMeaning: clearedByNull,
        dependencies,
        restrictions: [templates, loginRestriction, scopeOfRow(updateCompanyUser(options).name, 'id')],
      },
    },
  }
}

const rowErrorSchema = Type.Object({
  in: Type.Literal('body'),
  pointer: Type.String({ description: 'JSON Pointer (RFC 6901) to the input.' }),
  field: Type.String({ description: 'The steps of the pointer as the name of a form field.' }),
  rule: Type.Literal('procore'),
  message: Type.String({ description: 'Message of Procore for people.' }),
})

const rowSchema = Type.Object({
  row: Type.Integer({ minimum: 1, description: 'The number of the row in the request, starting at 1.' }),
  status: stringEnum(['created', 'updated', 'rejected', 'unknown'], {
    description: 'What became of the row. `unknown`: the response of Procore does not mention it, or not with ' +
      'certainty, so look before you repeat it.',
  }),
  id: Type.Optional(Type.Integer({ description: 'The id of the user. Only of rows that were created or updated.' })),
  errors: Type.Optional(Type.Array(rowErrorSchema, {
    description: 'The errors that Procore found. Only of rows that were rejected, and absent in a stored response ' +
      'that would become too large.',
  })),
})

const syncResultSchema = Type.Object({
  entities: Type.Optional(Type.Array(userSchema, {
    description: 'The users that were created or updated, as Procore returns them. Absent in a stored response.',
  })),
  errors: Type.Optional(Type.Array(Type.Object({}, { additionalProperties: true }), {
    description: 'The attributes of each rejected row, with its errors, as Procore returns them. Absent in a stored ' +
      'response.',
  })),
  rows: Type.Array(rowSchema, { description: 'The result of each row, in the order of the request.' }),
}, {
  title: 'SyncResult',
  additionalProperties: true,
  examples: [{
    entities: [{ id: 381006, last_name: 'Doe', email_address: 'jane.doe@example.com' }],
    errors: [],
    rows: [{ row: 1, status: 'created', id: 381006 }],
  }],
})

/** Procore's Sync Company Users, v1.3. Its response is always 200 and does not number the rows. */
export function syncCompanyUsers (options: EndpointOptions): ProxiedEndpoint & { body: SyncBody, sync: UserSync } {
  return {
    path: `${usersRoute.path}/sync`,
    procorePath: `${usersRoute.procorePath}/sync`,
    name: 'sync-company-users',
    method: 'PATCH',
    effect: 'once',
    acceptsIdempotencyKey: true,
    summary: 'Create and update company users',
    description: 'Creates and updates up to 1,000 users. A row with an `id` changes ' +
      'that user; another row may change the user that has its `origin_id` or e-mail address. All rows are refused ' +
      'if one is not valid. Where scopes are on, rows without an `id` need the scope `create-company-user`, rows ' +
      'that change an existing user `update-company-user`, and those that change its `email_address` or `is_active` ' +
      '`update-company-user-login`. Where permission templates are restricted, no row may concern a user with ' +
      'another template. The response of Procore is passed on with one more member, `rows`: what became of each ' +
      'row. A response that is stored for an idempotency key has only that member.',
    params: companyParams,
    query: Type.Object({}),
    body: syncBody(options),
    sync: {
      restriction: templateRestriction(options.permissionTemplateIds),
      loginRestriction,
      updateOperation: updateCompanyUser(options).name,
    },
    success: { status: 200, description: 'Procore processed the rows.', schema: syncResultSchema },
  }
}
