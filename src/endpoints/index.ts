/** The endpoints of Procore's that this service mirrors: one line for each. */
import { createCompanyUser } from './company-users.ts'
import type { Endpoint } from './endpoint.ts'
import type { StateCodes } from './fields.ts'

export function describeEndpoints (options: { stateCodes: StateCodes }): readonly Endpoint[] {
  return [
    createCompanyUser(options),
  ]
}
