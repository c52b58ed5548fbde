// Tests each fault of an exchange with Procore with each kind of body: the response to the caller, the requests that
// Procore received, and that the next request succeeds. The emulator runs in a process of its own, because faults
// between two ends in one process look different.
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { png } from '../helpers/images.ts'
import { spawnProgram } from '../helpers/spawn-program.ts'
import { boundary, multipartBody, jane, janeParts, send, type TestResponse } from '../helpers/requests.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { collectGarbage } from '../helpers/collect-garbage.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const largeForm = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(6_000_000) }, ...janeParts])
/** Exceeds the buffers on the way, so that an early response arrives before the last byte is handed to the socket. */
const hugeForm = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(25_000_000) }, ...janeParts])
const smallForm = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(5_000) }, ...janeParts])
const closeHeaders = { connection: 'close' }

function sendUser (url: string): Promise<TestResponse> {
  const headers = { 'content-type': 'application/json', ...closeHeaders }
  return send(url, { headers, body: JSON.stringify({ user: jane }) })
}

function sendForm (url: string, body: Buffer): Promise<TestResponse> {
  const headers = { 'content-type': `multipart/form-data; boundary=${boundary}`, ...closeHeaders }
  return send(url, { headers, body })
}

const bodyModes = ['JSON', 'buffered form', 'streamed form'] as const

interface Expected {
  status: number
  code?: string
  outcome?: string
  /** Number of users in the emulator's directory in the end. */
  created: number
}

const unknown = (status: number, code: string): Expected => ({ status, code, outcome: 'unknown', created: 0 })
const recovered: Expected = { status: 201, outcome: 'recovered', created: 1 }
const rejected = (status: number, code = 'procore_rejected'): Expected => {
  return { status, code, outcome: 'rejected', created: 0 }
}
const notSent = (status: number, code: string): Expected => ({ status, code, outcome: 'not_sent', created: 0 })
const created: Expected = { status: 201, created: 1 }

function statusFault (status: number, more: Partial<InjectedFault> = {}): InjectedFault {
  return { kind: 'status', status, body: '{}', ...more }
}

function rawFault (...lines: string[]): InjectedFault {
  return { kind: 'raw', raw: lines.join('\r\n') }
}

function earlyFault (status: number, more: Partial<InjectedFault> = {}): InjectedFault {
  return { kind: 'early', status, body: '{}', ...more }
}

const jsonHeaders = ['content-type: application/json', 'content-length: 8']

interface FaultCase {
  name: string
  faults: InjectedFault[]
  expected: Expected
  /** Expected for a streamed form, if it differs. */
  streamed?: Expected
  /** Sent as the streamed form instead of `largeForm`. */
  form?: Buffer
}

const badResponse = unknown(502, 'procore_bad_response')
const unreachable = unknown(502, 'procore_unreachable')
const redirectHeaders = { location: 'http://127.0.0.1:1/' }

const faultCases: FaultCase[] = [
  {
    name: 'reset before the body is read',
    faults: [{ kind: 'reset-before-body' }],
    expected: unreachable,
    streamed: notSent(502, 'procore_unreachable'),
  },
  {
    name: 'reset in the body',
    faults: [{ kind: 'reset-in-body', bytes: 1 }],
    expected: unreachable,
    streamed: notSent(502, 'procore_unreachable'),
  },
  {
    name: 'Procore stops reading',
    faults: [{ kind: 'stall' }],
    expected: unknown(504, 'procore_timeout'),
    streamed: notSent(504, 'procore_timeout'),
  },
  { name: 'reset after the body', faults: [{ kind: 'reset-after-body' }], expected: recovered },
  { name: 'a truncated response', faults: [{ kind: 'truncate' }], expected: recovered },
  { name: 'no response in time', faults: [{ kind: 'silence' }], expected: recovered },
  { name: 'a response that never ends', faults: [{ kind: 'slow', delayMs: 20 }], expected: recovered },
  { name: 'a response that is not HTTP', faults: [{ kind: 'garbage' }], expected: recovered },
  {
    name: 'response headers over the limit',
    faults: [rawFault('HTTP/1.1 201 Created', `x: ${'x'.repeat(20_000)}`, '', '')],
    expected: recovered,
  },
  {
    name: 'two different lengths',
    faults: [rawFault('HTTP/1.1 201 Created', 'content-length: 5', 'content-length: 6', '', '{}')],
    expected: recovered,
  },
  {
    name: 'a Content-Length greater than the body',
    faults: [
      rawFault('HTTP/1.1 201 Created', 'content-type: application/json', 'content-length: 50', '', '{"id":1}'),
    ],
    expected: recovered,
  },
  {
    name: 'a 100 that was not requested',
    faults: [rawFault('HTTP/1.1 100 Continue', '', 'HTTP/1.1 201 Created', ...jsonHeaders, '', '{"id":1}')],
    expected: { status: 201, created: 1 },
  },
  {
    name: 'a response with the content coding identity',
    faults: [statusFault(201, { body: '{"id":1}', headers: { 'content-encoding': 'identity' } })],
    expected: { status: 201, created: 0 },
  },
  {
    name: '503 with an invalid Retry-After',
    faults: [statusFault(503, { headers: { 'retry-after': '1.5' } })],
    expected: unknown(503, 'procore_unavailable'),
  },
  {
    name: 'an informational response before the final one',
    faults: [
      rawFault('HTTP/1.1 103 Early Hints', 'link: <a>', '', 'HTTP/1.1 201 Created', ...jsonHeaders, '', '{"id":1}'),
    ],
    expected: created,
  },
  {
    name: 'a lost response and a failed lookup',
    faults: [{ kind: 'reset-after-body' }, statusFault(403, { method: 'GET', times: 2 })],
    expected: { ...unreachable, created: 1 },
  },
  { name: '204', faults: [statusFault(204, { body: '' })], expected: badResponse },
  { name: '201 with an empty body', faults: [statusFault(201, { body: '' })], expected: badResponse },
  {
    name: '201 with HTML',
    faults: [statusFault(201, { body: '<html>', headers: { 'content-type': 'text/html' } })],
    expected: badResponse,
  },
  {
    name: '201 with a body that claims to be compressed',
    faults: [statusFault(201, { headers: { 'content-encoding': 'gzip' } })],
    expected: badResponse,
  },
  {
    name: '201 with an unknown content coding',
    faults: [statusFault(201, { headers: { 'content-encoding': 'zstd' } })],
    expected: badResponse,
  },
  { name: '201 with invalid JSON', faults: [statusFault(201, { body: '{"id":' })], expected: badResponse },
  { name: '301', faults: [statusFault(301, { headers: redirectHeaders })], expected: badResponse },
  { name: '307', faults: [statusFault(307, { headers: redirectHeaders })], expected: badResponse },
  { name: '400', faults: [statusFault(400)], expected: rejected(400) },
  { name: '403', faults: [statusFault(403)], expected: rejected(403) },
  // Statuses of a hop, on which a browser would act by itself.
  ...[407, 408, 421, 425, 426, 431].map(status => {
    return { name: String(status), faults: [statusFault(status)], expected: rejected(502, 'procore_bad_response') }
  }),
  { name: '409', faults: [statusFault(409)], expected: rejected(409) },
  { name: '413', faults: [statusFault(413, { body: '<html>' })], expected: rejected(413) },
  { name: '422', faults: [statusFault(422, { body: '{"errors":{"base":["no"]}}' })], expected: rejected(422) },
  { name: '500', faults: [statusFault(500)], expected: badResponse },
  { name: '502', faults: [statusFault(502, { body: '<html>' })], expected: badResponse },
  { name: '503', faults: [statusFault(503)], expected: unknown(503, 'procore_unavailable') },
  { name: '504', faults: [statusFault(504)], expected: unknown(504, 'procore_timeout') },
  {
    name: 'one 401',
    faults: [statusFault(401)],
    expected: created,
    streamed: rejected(503, 'procore_unavailable'),
  },
  {
    name: '429 for one second',
    faults: [statusFault(429, { headers: { 'retry-after': '1' } })],
    expected: created,
    streamed: rejected(429, 'procore_rate_limited'),
  },
  {
    name: '429 for one minute',
    faults: [statusFault(429, { headers: { 'retry-after': '60' } })],
    expected: rejected(429, 'procore_rate_limited'),
  },
  {
    name: '503 for one second',
    faults: [statusFault(503, { headers: { 'retry-after': '1' } })],
    expected: created,
    streamed: rejected(503, 'procore_unavailable'),
  },
  {
    name: '503 for one minute',
    faults: [statusFault(503, { headers: { 'retry-after': '60' } })],
    expected: rejected(503, 'procore_unavailable'),
  },
  { name: 'an early 413', faults: [earlyFault(413, { lingerMs: 1000 })], expected: rejected(413), form: hugeForm },
  { name: 'an early 413 and a reset', faults: [earlyFault(413)], expected: rejected(413), form: hugeForm },
  { name: 'an early 422 and a reset', faults: [earlyFault(422)], expected: rejected(422), form: hugeForm },
  {
    name: 'an early 500',
    faults: [earlyFault(500, { lingerMs: 1000 })],
    expected: badResponse,
    streamed: notSent(502, 'procore_bad_response'),
    form: hugeForm,
  },
  {
    name: 'an early 503 and a reset',
    faults: [earlyFault(503)],
    expected: unknown(503, 'procore_unavailable'),
    streamed: notSent(503, 'procore_unavailable'),
    form: hugeForm,
  },
]

t.test('a fault of Procore', async t => {
  const emulator = spawnProgram(t, 'tools/emulator/main.ts', { EMULATOR_PORT: '0' })
  const upstreamUrl = await emulator.listening
  const control = new EmulatorControl(upstreamUrl)
  const { url } = await startService(t, {
    procoreUrl: upstreamUrl,
    env: {
      UPSTREAM_TIMEOUT_MS: '300',
      UPSTREAM_FORM_TIMEOUT_MS: '300',
      UPLOAD_IDLE_TIMEOUT_MS: '300',
      RATE_LIMIT_MAX_WAIT_MS: '2500',
      AVATAR_MAX_BYTES: '30000000',
    },
  })
  const usersUrl = (companyId: number) => `${url}/companies/${companyId}/users`
  let companyId = 1000
  t.equal((await sendUser(usersUrl(companyId))).status, 201)
  const socketsBefore = countSockets()
  collectGarbage()
  const bytesBefore = usedBytes()

  for (const { name, faults, expected: expectedWhole, streamed = expectedWhole, form = largeForm } of faultCases) {
    for (const bodyMode of bodyModes) {
      await t.test(`${name}, ${bodyMode}`, async t => {
        companyId++
        const expected = bodyMode === 'streamed form' ? streamed : expectedWhole
        await control.reset()
        for (const fault of faults) await control.addFault(fault)
        const response = bodyMode === 'JSON'
          ? await sendUser(usersUrl(companyId))
          : await sendForm(usersUrl(companyId), bodyMode === 'streamed form' ? form : smallForm)
        checkResponse(t, response, expected)
        await control.clearFaults()
        const completeRequests = await control.countCompleteCreates()
        t.equal(await control.countUsers(companyId), expected.created)
        if (expected.outcome === 'not_sent') t.equal(completeRequests, 0)
        t.ok(completeRequests <= (expected === created ? 2 : 1), 'at most one retry')
        t.equal((await sendUser(usersUrl(999_000 + companyId))).status, 201, 'the next request succeeds')
        await waitUntil(() => countSockets() <= socketsBefore + 1)
      })
    }
  }
  // The buffers of the last upload are released when its sockets have closed.
  await waitUntil(() => {
    collectGarbage()
    return usedBytes() - bytesBefore < 24_000_000
  })
})

const RecordedRequestsSchema = Type.Array(Type.Object({
  method: Type.String(),
  path: Type.String(),
  complete: Type.Boolean(),
}))
const UsersSchema = Type.Array(Type.Object({ companyId: Type.Number() }))

/** Controls an emulator that runs in another process through its own routes. */
class EmulatorControl {
  readonly #url: string

  constructor (url: string) {
    this.#url = `${url}/__emulator`
  }

  async reset (): Promise<void> {
    await this.clearFaults()
    await this.#send('DELETE', '/requests')
  }

  async clearFaults (): Promise<void> {
    await this.#send('DELETE', '/faults')
  }

  async addFault (fault: InjectedFault): Promise<void> {
    await this.#send('POST', '/faults', JSON.stringify(fault))
  }

  /** Number of complete POST requests that the API received. */
  async countCompleteCreates (): Promise<number> {
    const requests = assertSchema(RecordedRequestsSchema, JSON.parse(await this.#send('GET', '/requests')))
    return requests.filter(({ method, path, complete }) => {
      return method === 'POST' && path.startsWith('/rest/') && complete
    }).length
  }

  async countUsers (companyId: number): Promise<number> {
    const users = assertSchema(UsersSchema, JSON.parse(await this.#send('GET', '/users')))
    return users.filter(user => user.companyId === companyId).length
  }

  async #send (method: 'GET' | 'POST' | 'DELETE', path: string, body = ''): Promise<string> {
    return (await send(`${this.#url}${path}`, { method, headers: closeHeaders, body })).text
  }
}

function countSockets (): number {
  return process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length
}

function usedBytes (): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function checkResponse (t: Test, response: TestResponse, { status, code, outcome }: Expected): void {
  t.equal(response.status, status, response.text)
  if (status !== 201) t.match(response.json, { status, code, outcome })
  else t.equal(response.headers['x-outcome'], outcome)
  t.equal(response.headers['location'], undefined)
  t.equal(response.headers['link'], undefined)
}
