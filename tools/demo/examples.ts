/** Adds the records whose ids are in the examples of the API reference and of the Postman collection. */
import type { Emulator } from '../emulator/emulator.ts'

const companyId = 1234

export function addExamples ({ api: { directory, projectUsers } }: Emulator): void {
  const id = 381_005
  const now = new Date().toISOString()
  const values = { last_name: 'Doe', email_address: 'inactive.user@example.com', is_active: false }
  const times = { createdAt: now, updatedAt: now }
  directory.users.set(id, { id, companyId, values, avatar: undefined, invitations: 0, ...times })
  const batchId = 'batch-123abc456def'
  projectUsers.batches.set(batchId, {
    id: batchId, operation: 'bulk_add', companyId, total: 120, pending: [], failures: 0,
  })
}
