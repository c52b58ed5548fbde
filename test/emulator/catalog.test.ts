// Checks that the emulator lists, shows, creates and changes the records of a company other than its users.
import t, { type Test } from 'tap'
import { startEmulator } from '../../tools/emulator/emulator.ts'
import { boundary, multipartBody, send } from '../helpers/requests.ts'

const credentials = { grant_type: 'client_credentials', client_id: 'demo-client', client_secret: 'demo-secret' }
type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

/** Starts an emulator, and returns a function that sends a request about the work classifications of a company. */
async function start (t: Test) {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const { json } = await send(`${emulator.url}/oauth/token`, {
    headers: { 'content-type': 'application/json' }, body: JSON.stringify(credentials),
  })
  return (method: Method, path = '', body: unknown = undefined, companyId = 101) => {
    const url = `${emulator.url}/rest/v1.0/companies/${companyId}/work_classifications${path}`
    const headers = {
      authorization: `Bearer ${String(json['access_token'])}`,
      'procore-company-id': String(companyId),
      'user-agent': 'test',
      'content-type': Buffer.isBuffer(body) ? `multipart/form-data; boundary=${boundary}` : 'application/json',
    }
    return send(url, { method, headers, body: Buffer.isBuffer(body) ? body : JSON.stringify(body) ?? '' })
  }
}

const mason = { name: 'Mason', abbreviation: 'M' }

t.test('a record that is created has an id, and is shown and listed for its company only', async t => {
  const call = await start(t)
  const created = await call('POST', '', { work_classification: mason })
  t.match(created, { status: 201, json: { id: 900_001, ...mason } })
  t.strictSame((await call('GET', '/900001')).json, created.json)
  t.match(await call('GET', ''), { headers: { total: '4' } })
  t.match(await call('GET', '', undefined, 102), { headers: { total: '3' } })
  t.match(await call('GET', '/900001', undefined, 102), { status: 404 })
})

t.test('a record that is created by a form has its fields as texts', async t => {
  const call = await start(t)
  const form = multipartBody([{ name: 'work_classification[name]', data: 'Mason' }])
  t.match(await call('POST', '', form), { status: 201, json: { id: Number, name: 'Mason' } })
})

t.test('a change sets the given fields and leaves the others', async t => {
  const call = await start(t)
  const changed = { id: 13, name: 'Senior journeyman', abbreviation: 'J' }
  const change = { work_classification: { id: 7, name: changed.name } }
  t.match(await call('PATCH', '/13', change), { status: 200, json: changed })
  t.strictSame((await call('GET', '/13')).json, changed)
  t.match(await call('GET', '/13', undefined, 102), { json: { name: 'Journeyman' } })
  t.match(await call('PATCH', '/13', change), { status: 200 }, 'it may keep its name')
})

t.test('a body without the record is refused with 400', async t => {
  const call = await start(t)
  const json = { message: 'param is missing or the value is empty: work_classification' }
  t.match(await call('POST', '', { name: 'Mason' }), { status: 400, json })
  t.match(await call('PATCH', '/13', {}), { status: 400, json })
})

t.test('a name that is blank or taken is refused with 422', async t => {
  const call = await start(t)
  const refusals = [
    { record: { abbreviation: 'M' }, error: "can't be blank" },
    { record: { name: ' ' }, error: "can't be blank" },
    { record: { name: 'Foreman' }, error: 'has already been taken' },
  ]
  for (const { record, error } of refusals) {
    const refused = { status: 422, json: { errors: { name: [error] } } }
    t.match(await call('POST', '', { work_classification: record }), refused)
  }
  t.match(await call('PATCH', '/13', { work_classification: { name: 'Foreman' } }), { status: 422 })
  t.match(await call('GET', ''), { headers: { total: '3' } })
})

t.test('a request about a record or by a method that the emulator does not have is answered with 404', async t => {
  const call = await start(t)
  const body = { work_classification: mason }
  t.equal((await call('PATCH', '/99', body)).status, 404)
  t.equal((await call('POST', '/13', body)).status, 404)
  t.equal((await call('PATCH', '', body)).status, 404)
  t.equal((await call('DELETE', '/13')).status, 404)
})
