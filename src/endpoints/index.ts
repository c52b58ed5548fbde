/** Lists the endpoints: those that are proxied to Procore, and those that this service answers itself. */
import {
  createCompanyUser, inviteCompanyUser, listCompanyUsers, showCompanyUser, showCompanyUserAvatar,
  showCurrentCompanyUser, updateCompanyUser, validateCompanyUser,
} from './company-users.ts'
import { listCompanies } from './companies.ts'
import { listInactiveCompanyUsers, reactivateCompanyUser } from './inactive-company-users.ts'
import { importCompanyUsers } from './company-user-import.ts'
import { companyUserForm } from './company-user-form.ts'
import type { Endpoint } from './endpoint.ts'
import type { EndpointOptions } from './fields.ts'
import {
  listConfigurableFieldSets, listPermissionTemplates, listTrades, listVendors, listWorkClassifications,
} from './pick-lists.ts'
import {
  addCompanyUsersToProjects, removeCompanyUsersFromProjects, showCompanyUsersBulkStatus,
} from './project-users.ts'
import { syncCompanyUsers } from './sync-company-users.ts'

/** Creates all endpoints, in the order of the OpenAPI document. */
export function createEndpoints (options: EndpointOptions): readonly Endpoint[] {
  return [
    createCompanyUser(options),
    validateCompanyUser(options),
    companyUserForm(options),
    listCompanyUsers,
    showCompanyUser,
    showCompanyUserAvatar,
    updateCompanyUser(options),
    inviteCompanyUser(options),
    syncCompanyUsers(options),
    importCompanyUsers(options),
    listInactiveCompanyUsers,
    reactivateCompanyUser(options),
    addCompanyUsersToProjects(options),
    removeCompanyUsersFromProjects,
    showCompanyUsersBulkStatus,
    showCurrentCompanyUser,
    listCompanies,
    listPermissionTemplates,
    listVendors,
    listWorkClassifications,
    listTrades,
    listConfigurableFieldSets,
  ]
}
