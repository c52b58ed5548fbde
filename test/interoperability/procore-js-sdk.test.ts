// Procore's official JavaScript SDK works by changing its host: our routes are Procore's own.
import { client } from '@procore/js-sdk'
import t from 'tap'
import { startService } from '../helpers/service.ts'

t.test('a user is created through the SDK, whose own credentials go nowhere', async t => {
  const { url, emulator } = await startService(t)
  const authorizer = { authorize: (request: (header: [string, string]) => unknown) => Promise.resolve(request(['Authorization', 'Bearer of-the-sdk'])) }
  const procore = client(authorizer, {}, { apiHostname: url, defaultVersion: 'v1.3', defaultCompanyId: 101 })
  const { response, body } = await procore.post({ base: '/companies/{company_id}/users', params: { company_id: 101 }, qs: { run_configurable_validations: true } }, {
    user: { last_name: 'Doe', email_address: 'jane@example.com', job_title: 'QA Manager' },
  })
  t.equal(response.status, 201)
  t.match(body, { id: Number, email_address: 'jane@example.com' })
  t.match(emulator.apiRequests[0], { path: '/rest/v1.3/companies/101/users?run_configurable_validations=true', headers: { 'procore-company-id': '101' } })
  t.notMatch(JSON.stringify(emulator.apiRequests[0]?.rawHeaders), /of-the-sdk/)
  const refused = await procore.post({ base: '/companies/{company_id}/users', params: { company_id: 101 } }, { user: { last_name: 'Doe' } }).catch((error: unknown) => error)
  t.match(refused, { body: { code: 'validation_failed', errors: [{ pointer: '/user/email_address' }] } })
})
