/** The endpoints of Procore's that this service mirrors, and those that it answers itself: one line for each. */
import { createCompanyUser, inviteCompanyUser, listCompanyUsers, showCompanyUser, updateCompanyUser, validateCompanyUser } from './company-users.ts'
import { companyUserForm } from './company-user-form.ts'
import type { Endpoint } from './endpoint.ts'
import type { EndpointOptions } from './fields.ts'
import { listConfigurableFieldSets, listPermissionTemplates, listTrades, listVendors, listWorkClassifications } from './pick-lists.ts'

/** In the order of the OpenAPI document. */
export function createEndpoints (options: EndpointOptions): readonly Endpoint[] {
  return [
    createCompanyUser(options),
    validateCompanyUser(options),
    companyUserForm(options),
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
