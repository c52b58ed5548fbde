// Procore's official JavaScript SDK works after its host is changed, because our routes are also Procore's own.
import { client } from '@procore/js-sdk'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { assertSchema } from '../helpers/assert-schema.ts'
import { startService } from '../helpers/service.ts'

const ResponseSchema = Type.Object({
  response: Type.Object({ status: Type.Integer() }),
  body: Type.Object({}),
})
const endpoint = { base: '/companies/{company_id}/users', params: { company_id: 101 } }

t.test('the SDK creates a user, and its own credentials do not reach Procore', async t => {
  const { url, emulator } = await startService(t)
  const authorizer = {
    authorize: async (send: (header: [string, string]) => unknown) => send(['Authorization', 'Bearer of-the-sdk']),
  }
  const procore = client(authorizer, {}, { apiHostname: url, defaultVersion: 'v1.3', defaultCompanyId: 101 })
  const created: unknown = await procore.post({ ...endpoint, qs: { run_configurable_validations: true } }, {
    user: { last_name: 'Doe', email_address: 'jane@example.com', job_title: 'QA Manager' },
  })
  const { response, body } = assertSchema(ResponseSchema, created)
  t.equal(response.status, 201)
  t.match(body, { id: Number, email_address: 'jane@example.com' })
  t.match(emulator.apiRequests[0], {
    path: '/rest/v1.3/companies/101/users?run_configurable_validations=true',
    headers: { 'procore-company-id': '101' },
  })
  t.notMatch(JSON.stringify(emulator.apiRequests[0]?.rawHeaders), /of-the-sdk/)

  const error: unknown = await procore.post(endpoint, { user: { last_name: 'Doe' } }).catch((error: unknown) => error)
  t.match(error, { body: { code: 'validation_failed', errors: [{ pointer: '/user/email_address' }] } })
})
