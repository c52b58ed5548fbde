// Every way in which an exchange with Procore can go wrong, for every way of sending: what the caller is told, what Procore saw, and
// that the next request is served. The emulator is another process, since one in the same process always looks fine.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { png } from '../helpers/images.ts'
import { spawnProgram } from '../helpers/spawn-program.ts'
import { boundary, multipartBody, jane, janeParts, send, type TestResponse } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

const big = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(6_000_000) }, ...janeParts])
/** More than sockets and kernels take in while an answer is on its way, which must come before the last byte is handed over. */
const huge = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(25_000_000) }, ...janeParts])
const small = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(5_000) }, ...janeParts])
const close = { connection: 'close' }
const ways = {
  JSON: (url: string) => send(url, { headers: { 'content-type': 'application/json', ...close }, body: JSON.stringify({ user: jane }) }),
  'held form': (url: string) => send(url, { headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, ...close }, body: small }),
  'streamed form': (url: string, body = big) => send(url, { headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, ...close }, body }),
}
type Way = keyof typeof ways

interface Expected {
  status: number
  code?: string
  outcome?: string
  /** How many users there are in the end. */
  created: number
}

const unknown = (status: number, code: string): Expected => ({ status, code, outcome: 'unknown', created: 0 })
const recovered: Expected = { status: 201, outcome: 'recovered', created: 1 }
const rejected = (status: number, code = 'procore_rejected'): Expected => ({ status, code, outcome: 'rejected', created: 0 })
const notSent = (status: number, code: string): Expected => ({ status, code, outcome: 'not_sent', created: 0 })
const made: Expected = { status: 201, created: 1 }

const status = (code: number, more: Partial<InjectedFault> = {}): InjectedFault => ({ kind: 'status', status: code, body: '{}', ...more })
const headers = (more: Record<string, string>) => ({ headers: more })

/** A fault, what is to be told of it, and what instead when the form is streamed. */
const matrix: Record<string, [faults: InjectedFault[], expected: Expected, streamed?: Expected]> = {
  'reset before the body is read': [[{ kind: 'reset-before-body' }], unknown(502, 'procore_unreachable'), notSent(502, 'procore_unreachable')],
  'reset in the body': [[{ kind: 'reset-in-body', bytes: 1 }], unknown(502, 'procore_unreachable'), notSent(502, 'procore_unreachable')],
  'Procore stops reading': [[{ kind: 'stall' }], unknown(504, 'procore_timeout'), notSent(504, 'procore_timeout')],
  'reset after the body': [[{ kind: 'reset-after-body' }], recovered],
  'the answer breaks off': [[{ kind: 'truncate' }], recovered],
  'no answer in time': [[{ kind: 'silence' }], recovered],
  'an answer that never ends': [[{ kind: 'slow', delayMs: 20 }], recovered],
  'not HTTP': [[{ kind: 'garbage' }], recovered],
  'headers over the limit': [[{ kind: 'raw', raw: `HTTP/1.1 201 Created\r\nx: ${'x'.repeat(20_000)}\r\n\r\n` }], recovered],
  'two lengths': [[{ kind: 'raw', raw: 'HTTP/1.1 201 Created\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}' }], recovered],
  'a length that is too long': [[{ kind: 'raw', raw: 'HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"id":1}' }], recovered],
  'a 100 that was not asked for: undici takes it for a fault': [[{ kind: 'raw', raw: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n{"id":1}' }], recovered],
  'an answer that says that it is not compressed': [[status(201, { body: '{"id":1}', ...headers({ 'content-encoding': 'identity' }) })], { status: 201, created: 0 }],
  '503 that does not say when': [[status(503, headers({ 'retry-after': '1.5' }))], unknown(503, 'procore_unavailable')],
  'an informational answer first': [[{ kind: 'raw', raw: 'HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\nHTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n{"id":1}' }], made],
  'the answer was lost and the look-up fails': [[{ kind: 'reset-after-body' }, status(403, { method: 'GET', times: 2 })], { ...unknown(502, 'procore_unreachable'), created: 1 }],
  204: [[status(204, { body: '' })], unknown(502, 'procore_bad_response')],
  '201 and empty': [[status(201, { body: '' })], unknown(502, 'procore_bad_response')],
  '201 and HTML': [[status(201, { body: '<html>', ...headers({ 'content-type': 'text/html' }) })], unknown(502, 'procore_bad_response')],
  '201 and compressed': [[status(201, headers({ 'content-encoding': 'gzip' }))], unknown(502, 'procore_bad_response')],
  '201 and not JSON': [[status(201, { body: '{"id":' })], unknown(502, 'procore_bad_response')],
  301: [[status(301, headers({ location: 'http://127.0.0.1:1/' }))], unknown(502, 'procore_bad_response')],
  307: [[status(307, headers({ location: 'http://127.0.0.1:1/' }))], unknown(502, 'procore_bad_response')],
  400: [[status(400)], rejected(400)],
  403: [[status(403)], rejected(403)],
  408: [[status(408)], rejected(408)],
  409: [[status(409)], rejected(409)],
  413: [[status(413, { body: '<html>' })], rejected(413)],
  422: [[status(422, { body: '{"errors":{"base":["no"]}}' })], rejected(422)],
  500: [[status(500)], unknown(502, 'procore_bad_response')],
  502: [[status(502, { body: '<html>' })], unknown(502, 'procore_bad_response')],
  503: [[status(503)], unknown(503, 'procore_unavailable')],
  504: [[status(504)], unknown(504, 'procore_timeout')],
  '401 once': [[status(401)], made, rejected(503, 'procore_unavailable')],
  '429 for a second': [[status(429, headers({ 'retry-after': '1' }))], made, rejected(429, 'procore_rate_limited')],
  '429 for long': [[status(429, headers({ 'retry-after': '60' }))], rejected(429, 'procore_rate_limited')],
  '503 for a second': [[status(503, headers({ 'retry-after': '1' }))], made, rejected(503, 'procore_unavailable')],
  '503 for long': [[status(503, headers({ 'retry-after': '60' }))], rejected(503, 'procore_unavailable')],
  'an early 413': [[{ kind: 'early', status: 413, body: '{}', lingerMs: 1000 }], rejected(413)],
  'an early 413, and a reset': [[{ kind: 'early', status: 413, body: '{}' }], rejected(413)],
  'an early 422, and a reset': [[{ kind: 'early', status: 422, body: '{}' }], rejected(422)],
  'an early 500': [[{ kind: 'early', status: 500, body: '{}', lingerMs: 1000 }], unknown(502, 'procore_bad_response'), notSent(502, 'procore_bad_response')],
  'an early 503, and a reset': [[{ kind: 'early', status: 503, body: '{}' }], unknown(503, 'procore_unavailable'), notSent(503, 'procore_unavailable')],
}

t.test('the emulator misbehaves', async t => {
  const emulator = spawnProgram(t, 'tools/emulator/main.ts', { EMULATOR_PORT: '0' })
  const upstream = await emulator.listening
  const control = async (method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown) => JSON.parse((await send(`${upstream}/__emulator${path}`, { method, headers: close, body: body === undefined ? '' : JSON.stringify(body) })).text)
  const service = await startService(t, { procoreUrl: upstream, env: { UPSTREAM_TIMEOUT_MS: '300', UPLOAD_IDLE_TIMEOUT_MS: '300', RATE_LIMIT_MAX_WAIT_MS: '2500', AVATAR_MAX_BYTES: '30000000' } })
  const users = (company: number) => `${service.url}/companies/${company}/users`
  const sockets = () => process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length
  let company = 1000
  t.equal((await ways.JSON(users(company))).status, 201)
  const socketsBefore = sockets()
  collect()
  const bytesBefore = process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers

  for (const [name, [faults, whole, streamed = whole]] of Object.entries(matrix)) {
    for (const way of Object.keys(ways) as Way[]) {
      await t.test(`${name}, ${way}`, async t => {
        company++
        await control('DELETE', '/faults')
        await control('DELETE', '/requests')
        for (const fault of faults) await control('POST', '/faults', fault)
        const reply = await (way === 'streamed form' && name.startsWith('an early') ? ways[way](users(company), huge) : ways[way](users(company)))
        check(t, reply, way === 'streamed form' ? streamed : whole)
        await control('DELETE', '/faults')
        const requests: Array<{ method: string, path: string, complete: boolean }> = await control('GET', '/requests')
        const complete = requests.filter(({ method, path, complete }) => method === 'POST' && path.startsWith('/rest/') && complete)
        const inDirectory: Array<{ companyId: number }> = (await control('GET', '/users')).filter((user: { companyId: number }) => user.companyId === company)
        const expected = way === 'streamed form' ? streamed : whole
        t.equal(inDirectory.length, expected.created)
        if (expected.outcome === 'not_sent') t.equal(complete.length, 0)
        t.ok(complete.length <= (expected === made ? 2 : 1), 'at most one repeat')
        t.equal((await ways.JSON(users(999_000 + company))).status, 201, 'the next one is served')
        await waitUntil(() => sockets() <= socketsBefore + 1)
      })
    }
  }
  collect()
  const grownBytes = process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers - bytesBefore
  t.ok(grownBytes < 24_000_000, `memory is back at its level: ${grownBytes}`)
})

function check (test: Test, reply: TestResponse, { status, code, outcome }: Expected): void {
  test.equal(reply.status, status, reply.text)
  if (status !== 201) test.match(reply.json, { status, code, outcome })
  else test.equal(reply.headers['x-outcome'], outcome)
  test.equal(reply.headers['location'], undefined)
  test.equal(reply.headers['link'], undefined)
}
