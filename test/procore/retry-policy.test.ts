// What is sent again after its answer was lost: what is safe or idempotent, once; what is neither, never.
import t from 'tap'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const losses: Array<Partial<InjectedFault> & Pick<InjectedFault, 'kind'>> = [{ kind: 'reset-after-body' }, { kind: 'truncate' }, { kind: 'garbage' }, { kind: 'reset-before-body' }, ...[500, 502, 503, 504].map(status => ({ kind: 'status' as const, status, body: '' }))]

t.test('a GET and an update are repeated once, and then told of', async t => {
  const { usersUrl, emulator } = await startService(t)
  const { json: { id } } = await sendJson(usersUrl, { user: jane })
  const update = () => send(`${usersUrl}/${String(id)}`, { method: 'PATCH', body: '{"user":{"job_title":"QA"}}', headers: { 'content-type': 'application/json' } })
  for (const ask of [() => send(usersUrl, { method: 'GET' }), update]) {
    for (const loss of losses) {
      const before = emulator.apiRequests.length
      emulator.faults.add(loss)
      t.equal((await ask()).status, 200, loss.kind)
      t.equal(emulator.apiRequests.length, before + 2)
    }
  }
  emulator.faults.add({ kind: 'reset-after-body', times: 2 })
  t.match((await update()).json, { code: 'procore_unreachable', outcome: 'unknown' })
  emulator.faults.add({ kind: 'reset-after-body', times: 2 })
  const failed = await send(usersUrl, { method: 'GET' })
  t.match(failed.json, { code: 'procore_unreachable' })
  t.notOk('outcome' in failed.json)
})

t.test('what the first one may have done is not denied by what becomes of the second', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
  const { json: { id } } = await sendJson(usersUrl, { user: jane })
  const update = () => send(`${usersUrl}/${String(id)}`, { method: 'PATCH', body: '{"user":{"job_title":"QA"}}', headers: { 'content-type': 'application/json' } })
  emulator.faults.add({ kind: 'reset-after-body' })
  emulator.faults.add({ kind: 'status', status: 429, body: '{}', headers: { 'retry-after': '1' } })
  t.match((await update()).json, { code: 'procore_unreachable', outcome: 'unknown' })
})

t.test('a create and an invitation are never repeated, and a time-out is not', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { UPSTREAM_TIMEOUT_MS: '200' } })
  const { json: { id } } = await sendJson(usersUrl, { user: jane })
  const sentBy = async (method: string, ask: () => Promise<unknown>) => {
    const before = emulator.apiRequests.length
    await ask()
    return emulator.apiRequests.slice(before).filter(request => request.method === method).length
  }
  for (const loss of losses) {
    emulator.faults.add({ ...loss, method: 'POST' })
    t.equal(await sentBy('POST', () => sendJson(usersUrl, { user: { ...jane, email_address: `${loss.kind}${loss.status ?? ''}@example.com` } })), 1, loss.kind)
    emulator.faults.add({ ...loss, method: 'PATCH' })
    t.equal(await sentBy('PATCH', () => send(`${usersUrl}/${String(id)}/invite`, { method: 'PATCH' })), 1, loss.kind)
  }
  emulator.faults.add({ kind: 'silence' })
  t.equal(await sentBy('GET', () => send(usersUrl, { method: 'GET' })), 1)
})
