// When the exchange with Procore breaks off or takes too long: code and outcome by how far it came, and the next request is served.
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Fault } from '../../src/emulator/settings.ts'
import { png } from '../helpers/images.ts'
import { form, jane, janeParts, sendForm, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const streamed = () => form([{ name: 'user[avatar]', filename: 'a.png', data: png(6_000_000) }, ...janeParts])
const limits = { UPSTREAM_TIMEOUT_MS: '300', UPLOAD_IDLE_TIMEOUT_MS: '300' }

const afterTheLastByte: Array<{ fault: Fault, expected: { status: number, code: string }, created: number }> = [
  { fault: { kind: 'silence' }, expected: { status: 504, code: 'procore_timeout' }, created: 1 },
  { fault: { kind: 'slow', delayMs: 20 }, expected: { status: 504, code: 'procore_timeout' }, created: 1 },
  { fault: { kind: 'reset-after-body' }, expected: { status: 502, code: 'procore_unreachable' }, created: 1 },
  { fault: { kind: 'truncate' }, expected: { status: 502, code: 'procore_bad_response' }, created: 1 },
  { fault: { kind: 'garbage' }, expected: { status: 502, code: 'procore_bad_response' }, created: 1 },
  { fault: { kind: 'raw', raw: `HTTP/1.1 201 Created\r\nx: ${'x'.repeat(20_000)}\r\n\r\n` }, expected: { status: 502, code: 'procore_bad_response' }, created: 1 },
  { fault: { kind: 'raw', raw: 'HTTP/1.1 201 Created\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}' }, expected: { status: 502, code: 'procore_bad_response' }, created: 1 },
]

t.test('after the last byte was handed over, nobody can tell', async t => {
  for (const { fault, expected, created } of afterTheLastByte) {
    for (const [name, create] of [['JSON', (url: string) => sendJson(url, { user: jane })], ['held form', (url: string) => sendForm(url, form(janeParts))], ['streamed form', (url: string) => sendForm(url, streamed())]] as const) {
      const { users, emulator } = await startService(t, { env: limits })
      emulator.faults.add(fault)
      const reply = await create(users)
      t.match(reply.json, { ...expected, outcome: 'unknown' }, `${fault.kind}, ${name}`)
      t.equal(emulator.api.directory.users.size, created)
      t.equal(emulator.apiRequests.length, 1, 'not repeated')
      t.equal((await sendJson(users, { user: { ...jane, email_address: 'next@example.com' } })).status, 201, 'the next one is served')
    }
  }
})

t.test('before the last byte, nothing complete has left', async t => {
  const { users, emulator } = await startService(t, { env: limits })
  emulator.faults.add({ kind: 'reset-in-body', bytes: 500_000 })
  t.match((await sendForm(users, streamed())).json, { status: 502, code: 'procore_unreachable', outcome: 'not_sent' })
  emulator.faults.add({ kind: 'stall' })
  t.match((await sendForm(users, streamed())).json, { status: 504, code: 'procore_timeout', outcome: 'not_sent' }, 'Procore stopped reading')
  t.equal(emulator.api.directory.users.size, 0)
  t.equal((await sendForm(users, streamed())).status, 201)
})

t.test('no connection', async t => {
  const { users } = await startService(t, { env: { PROCORE_API_URL: 'http://127.0.0.1:1' } })
  t.match((await sendJson(users, { user: jane })).json, { status: 502, code: 'procore_unreachable', outcome: 'not_sent' })
  t.match((await sendForm(users, streamed())).json, { status: 502, code: 'procore_unreachable', outcome: 'not_sent' })
})

t.test('a name that does not resolve', async t => {
  const { users } = await startService(t, { env: { PROCORE_API_URL: 'https://procore.invalid' } })
  t.match((await sendJson(users, { user: jane })).json, { status: 502, code: 'procore_unreachable', outcome: 'not_sent' })
})

t.test('a host that does not speak TLS', async t => {
  const server = createServer(socket => { socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n') })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { users } = await startService(t, { env: { PROCORE_API_URL: `https://127.0.0.1:${(server.address() as AddressInfo).port}` } })
  t.match((await sendJson(users, { user: jane })).json, { status: 502, code: 'procore_unreachable', outcome: 'not_sent' })
})

t.test('an answer over the largest size', async t => {
  const { users, emulator } = await startService(t)
  emulator.faults.add({ kind: 'status', status: 201, body: JSON.stringify({ notes: 'x'.repeat(8_400_000) }) })
  t.match((await sendJson(users, { user: jane })).json, { status: 502, code: 'procore_bad_response', outcome: 'unknown' })
})

t.test('informational answers are skipped', async t => {
  const { users, emulator } = await startService(t)
  emulator.faults.add({ kind: 'raw', raw: 'HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\nHTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n{"id":1}' })
  t.match(await sendJson(users, { user: jane }), { status: 201, text: '{"id":1}', headers: { link: undefined } })
})
