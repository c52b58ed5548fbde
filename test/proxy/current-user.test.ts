// The current user is the service account, read from Procore at both paths with its own scope and audit line.
import t from 'tap'
import { createClient } from '../../client/client.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { get } from '../helpers/request-builders.ts'
import { summarizeErrors } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const serviceAccount = { id: 1, name: 'Service', email_address: 'service@example.com' }

t.test('the current user is read under both paths, with an audit line each', async t => {
  const service = await startService(t)
  for (const path of ['/companies/101/me', '/rest/v1.3/companies/101/me']) {
    await t.test(path, async t => {
      t.match(await get(service.url + path), { status: 200, json: serviceAccount })
      t.match(service.emulator.apiRequests.at(-1), { method: 'GET', path: '/rest/v1.3/companies/101/me' })
      t.match(service.lines.filter(({ name }) => name === 'audit').at(-1), {
        msg: 'read', operation: 'show-current-company-user', companyId: 101, status: 200,
      })
    })
  }
  t.strictSame(summarizeErrors(await get(`${service.url}/companies/101/me?view=x`)), ['query /view unknown'])
  t.match(await createClient({ baseUrl: service.url }).currentUser(101), { status: 200, data: serviceAccount })
  const { text } = await get(`${service.url}/metrics`)
  t.match(text, /route="\/companies\/:company_id\/me"/)
})

t.test('where scopes are on, the current user has a scope of its own', async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, { env: { ...issuer.env, JWT_SCOPE_PREFIX: 'p:' } })
  const read = async (scope: string) =>
    get(`${service.url}/companies/101/me`, bearerHeader(await issuer.sign({ scope })))
  const refused = await read('p:show-company-user')
  t.match(refused, { status: 403, json: { code: 'operation_not_allowed' } })
  t.match(refused.headers['www-authenticate'], 'scope="p:show-current-company-user"')
  t.strictSame(service.emulator.apiRequests, [])
  t.equal((await read('p:show-current-company-user')).status, 200)
})
