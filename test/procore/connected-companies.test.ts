// The service says which of its companies have not installed the app.
import t from 'tap'
import { parseSamples } from '../helpers/prometheus-samples.ts'
import { get } from '../helpers/request-builders.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startService, startTestEmulator, type Service } from '../helpers/service.ts'
import { serviceEnvironment, spawnProgram } from '../helpers/spawn-program.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const env = { PROCORE_COMPANY_IDS: '101,102,103', LOG_LEVEL: 'info' }
const companiesPath = '/rest/v1.0/companies?per_page=1000'

const findLine = ({ lines }: Service, msg: string) => lines.find(line => line.msg === msg)

const countChecks = ({ emulator }: Service) => emulator.apiRequests.filter(({ path }) => path === companiesPath).length

t.test('companies that Procore does not list are reported, and the service stays ready', async t => {
  const service = await startService(t, { env: { ...env, STATUS_PAGE: 'true' } })
  service.app.procore.accessTokens.start()
  service.app.procore.connectedCompanies.start()
  await waitUntil(() => findLine(service, 'the app is not connected') !== undefined)
  t.match(findLine(service, 'the app is not connected'), { level: 'error', companyIds: [103] })
  const warning = 'Procore does not list these companies for the app: 103. Install the app in them.'
  const ready = await get(`${service.url}/readyz`)
  t.match(ready, { status: 200, json: { status: 'ready', dependencies: { api: { state: 'up', warning } } } })
  const samples = parseSamples((await get(`${service.url}/metrics`)).text)
  t.equal(samples.find(({ name }) => name === 'procore_bff_companies_not_connected')?.value, 1)
})

t.test('after a check that shows all companies the warning is gone', async t => {
  const service = await startService(t, { env })
  const { connectedCompanies } = service.app.procore
  connectedCompanies.start()
  await waitUntil(() => connectedCompanies.missing.length === 1)
  service.emulator.api.settings.listedCompanyIds = [101, 102, 103]
  connectedCompanies.stop()
  connectedCompanies.start()
  await waitUntil(() => findLine(service, 'the app is connected to all companies') !== undefined)
  t.strictSame(connectedCompanies.missing, [])
  t.notMatch((await get(`${service.url}/readyz`)).text, /warning/)
})

const doubtRows = [
  { name: 'has further pages', status: 200, body: '[{"id":101}]', headers: { total: '2000' } },
  { name: 'is not a list', status: 200, body: '{}', headers: {} },
  { name: 'is refused', status: 403, body: '[]', headers: {} },
  { name: 'cannot be read', status: 500, body: '[]', headers: {} },
]
for (const { name, ...fault } of doubtRows) {
  t.test(`a list that ${name} shows nothing about a company`, async t => {
    const service = await startService(t, { env })
    const headers = { 'content-type': 'application/json', ...fault.headers }
    service.emulator.faults.add({ kind: 'status', ...fault, headers, path: '/v1.0/companies?' })
    const { connectedCompanies } = service.app.procore
    connectedCompanies.start()
    await waitUntil(() => countChecks(service) === 1)
    await sendJson(service.usersUrl, { user: jane })
    t.strictSame(connectedCompanies.missing, [])
    t.equal(findLine(service, 'the app is not connected'), undefined)
  })
}

t.test('without PROCORE_COMPANY_IDS no list of companies is requested', async t => {
  const service = await startService(t)
  service.app.procore.connectedCompanies.start()
  await sendJson(service.usersUrl, { user: jane })
  t.equal(countChecks(service), 0)
})

t.test('a request for a company without the app names the remedy', async t => {
  const service = await startService(t, { emulator: { forbiddenCompanyIds: [101] } })
  const { json } = await sendJson(service.usersUrl, { user: jane })
  t.match(json, { status: 403, code: 'procore_rejected', outcome: 'rejected' })
  t.match(json['detail'], /not connected to this company\. An administrator of the company has to install the app/)
})

t.test('a process checks its companies when it starts', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.js', { ...serviceEnvironment(emulator), PROCORE_COMPANY_IDS: '101,7' })
  const url = await service.listening
  await waitUntil(async () => /companies for the app: 7\. /.test((await get(`${url}/readyz`)).text))
  t.match(await get(`${url}/readyz`), { status: 200, json: { status: 'ready' } })
})
