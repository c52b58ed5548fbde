/** The endpoints of Procore's that this service mirrors: one line for each. */
import { createCompanyUser, inviteCompanyUser, listCompanyUsers, showCompanyUser, updateCompanyUser } from './company-users.ts'
import type { Endpoint } from './endpoint.ts'
import type { DescriptionOptions } from './fields.ts'
import { listConfigurableFieldSets, listPermissionTemplates, listTrades, listVendors, listWorkClassifications } from './pick-lists.ts'

export function describeEndpoints (options: DescriptionOptions): readonly Endpoint[] {
  return [
    createCompanyUser(options),
    listCompanyUsers,
    showCompanyUser,
    updateCompanyUser(options),
    inviteCompanyUser,
    listPermissionTemplates,
    listVendors,
    listWorkClassifications,
    listTrades,
    listConfigurableFieldSets,
  ]
}
