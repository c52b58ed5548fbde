/** The endpoints of Procore's that this service mirrors: one line for each. */
import { createCompanyUser } from './company-users.ts'
import type { Endpoint } from './endpoint.ts'
import type { DescriptionOptions } from './fields.ts'

export function describeEndpoints (options: DescriptionOptions): readonly Endpoint[] {
  return [
    createCompanyUser(options),
  ]
}
