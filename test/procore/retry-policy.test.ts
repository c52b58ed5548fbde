// Tests which requests are sent again after their response was lost.
import t from 'tap'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { jane, send, sendJson, type TestResponse } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

/** Ways to lose a response, or to get one that leaves open whether Procore acted. */
const losses: Array<{ name: string, fault: InjectedFault }> = [
  { name: 'a reset after the request', fault: { kind: 'reset-after-body' } },
  { name: 'a truncated response', fault: { kind: 'truncate' } },
  { name: 'a response that is not HTTP', fault: { kind: 'garbage' } },
  { name: 'a reset before the body was read', fault: { kind: 'reset-before-body' } },
  ...[500, 502, 503, 504].map(status => ({
    name: `status ${status}`, fault: { kind: 'status' as const, status, body: '' },
  })),
]

function updateUser (usersUrl: string, id: unknown): Promise<TestResponse> {
  return send(`${usersUrl}/${String(id)}`, {
    method: 'PATCH', body: '{"user":{"job_title":"QA"}}', headers: { 'content-type': 'application/json' },
  })
}

t.test('a GET and an update after a lost response', async t => {
  const { usersUrl, emulator } = await startService(t)
  const { json: { id } } = await sendJson(usersUrl, { user: jane })
  const list = () => send(usersUrl, { method: 'GET' })
  const update = () => updateUser(usersUrl, id)
  for (const [operation, sendRequest] of Object.entries({ GET: list, update })) {
    for (const { name, fault } of losses) {
      await t.test(`after ${name} a ${operation} is sent a second time`, async t => {
        const countBefore = emulator.apiRequests.length
        emulator.faults.add(fault)
        t.equal((await sendRequest()).status, 200)
        t.equal(emulator.apiRequests.length, countBefore + 2)
      })
    }
  }
  await t.test('an update that is lost twice has the outcome unknown', async t => {
    emulator.faults.add({ kind: 'reset-after-body', times: 2 })
    t.match((await update()).json, { code: 'procore_unreachable', outcome: 'unknown' })
  })
  await t.test('a GET that is lost twice has no outcome', async t => {
    emulator.faults.add({ kind: 'reset-after-body', times: 2 })
    const { json } = await list()
    t.match(json, { code: 'procore_unreachable' })
    t.notOk('outcome' in json)
  })
})

t.test('an update that Procore may have processed stays unknown although its retry gets a 429', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
  const { json: { id } } = await sendJson(usersUrl, { user: jane })
  emulator.faults.add({ kind: 'reset-after-body' })
  emulator.faults.add({ kind: 'status', status: 429, body: '{}', headers: { 'retry-after': '1' } })
  t.match((await updateUser(usersUrl, id)).json, { code: 'procore_unreachable', outcome: 'unknown' })
})

t.test('the retry of a lost request is rejected', async t => {
  const { usersUrl, emulator } = await startService(t)
  const { json: { id } } = await sendJson(usersUrl, { user: jane })
  const rows = [
    { outcome: 'rejected', reason: 'Procore rejects what both attempts contain', statuses: [400, 413, 415, 422] },
    { outcome: 'unknown', reason: 'the first attempt may have changed the user', statuses: [404, 409, 410, 412] },
    { outcome: 'unknown', reason: 'the account may have changed since', statuses: [402, 403, 423, 451] },
    { outcome: 'unknown', reason: 'another server refused the second attempt', statuses: [407, 408, 421, 431] },
  ]
  for (const { outcome, reason, statuses } of rows) {
    for (const status of statuses) {
      await t.test(`with ${status} an update is ${outcome}, because ${reason}`, async t => {
        emulator.faults.add({ kind: 'reset-after-body' })
        emulator.faults.add({ kind: 'status', status, body: '{}' })
        t.equal((await updateUser(usersUrl, id)).json['outcome'], outcome)
      })
    }
  }
  await t.test('with 404 a GET is rejected, because it changes nothing', async t => {
    emulator.faults.add({ kind: 'reset-after-body' })
    emulator.faults.add({ kind: 'status', status: 404, body: '{}' })
    const response = await send(`${usersUrl}/${String(id)}`, { method: 'GET' })
    t.match(response, { status: 404, json: { code: 'procore_rejected' } })
  })
})

t.test('requests that are not retried', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { UPSTREAM_TIMEOUT_MS: '200' } })
  const { json: { id } } = await sendJson(usersUrl, { user: jane })
  const countSent = async (method: string, sendRequest: () => Promise<unknown>) => {
    const countBefore = emulator.apiRequests.length
    await sendRequest()
    return emulator.apiRequests.slice(countBefore).filter(request => request.method === method).length
  }
  for (const { name, fault } of losses) {
    await t.test(`after ${name} neither a create nor an invitation is retried`, async t => {
      const user = { ...jane, email_address: `${fault.kind}${fault.status ?? ''}@example.com` }
      emulator.faults.add({ ...fault, method: 'POST' })
      t.equal(await countSent('POST', () => sendJson(usersUrl, { user })), 1)
      emulator.faults.add({ ...fault, method: 'PATCH' })
      t.equal(await countSent('PATCH', () => send(`${usersUrl}/${String(id)}/invite`, { method: 'PATCH' })), 1)
    })
  }
  await t.test('a GET that times out is not retried', async t => {
    emulator.faults.add({ kind: 'silence' })
    t.equal(await countSent('GET', () => send(usersUrl, { method: 'GET' })), 1)
  })
})
