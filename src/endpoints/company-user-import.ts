/** Describes the import of people into a company's directory from a file. */
import { Type } from '@sinclair/typebox'
import { createCompanyUser, usersRoute } from './company-users.ts'
import { syncCompanyUsers } from './sync-company-users.ts'
import type { Endpoint } from './endpoint.ts'
import { boolean, companyParams, oneOf, type EndpointOptions } from './fields.ts'

/**
 * Creates people from the rows of a file, in batches of Procore's sync. Each row has the fields of a sync. With
 * `mode=upsert`, people that exist are updated.
 */
export function importCompanyUsers (options: EndpointOptions): Endpoint {
  const create = createCompanyUser(options)
  return {
    path: `${usersRoute.path}/import`,
    name: 'import-company-users',
    additionalOperations: [create.name],
    method: 'POST',
    effect: 'once',
    acceptsIdempotencyKey: true,
    summary: 'Import company users',
    description: 'Creates users from the rows of a CSV or NDJSON file. A row that is not valid does not keep the ' +
      'others from being created. The response has a line for each row, in order, and a last line with the totals. ' +
      'With an Idempotency-Key, an import that was interrupted is resumed by sending the file again.',
    params: companyParams,
    query: Type.Object({
      mode: Type.Optional(oneOf(['create', 'upsert'], {
        description: '`create`, the default: a user who is in the directory already is rejected. `upsert`: such a ' +
          'user is updated, which needs the scope `update-company-user` as well.',
      })),
      dry_run: Type.Optional(boolean({ description: 'Whether rows are only validated, without calling Procore.' })),
    }),
    import: { batch: syncCompanyUsers(options), lookup: create.lookup },
    success: { status: 200, description: 'The file was read. Each line is the result of a row.' },
  }
}
