// Procore may take longer for a request with an avatar: UPSTREAM_FORM_TIMEOUT_MS applies to it, and to it alone.
import t, { type Test } from 'tap'
import { png } from '../helpers/images.ts'
import { jane, janeParts, multipartBody, send, boundary, sendJson, sendMultipart } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// Most of the time is spent waiting for late responses.
t.jobs = 6

const avatar = { name: 'user[avatar]', filename: 'a.png', data: png(50_000) }
const longNotes = { name: 'user[notes]', data: 'x'.repeat(50_000) }
const buffered = { FORM_BUFFER_BYTES: '262144' }
const streamed = { FORM_BUFFER_BYTES: '10000' }

/** Starts a service whose Procore responds later than `UPSTREAM_TIMEOUT_MS`. */
async function startLate (t: Test, env: Record<string, string>, uploadDelayMs = 2500) {
  const limits = { UPSTREAM_TIMEOUT_MS: '1000', UPSTREAM_FORM_TIMEOUT_MS: '60000' }
  return startService(t, { env: { ...limits, ...env }, emulator: { uploadDelayMs } })
}

const forms = [
  { name: 'a buffered form', env: buffered, parts: [...janeParts, avatar] },
  { name: 'a streamed form whose avatar comes first', env: streamed, parts: [avatar, ...janeParts] },
  { name: 'a streamed form whose avatar comes last', env: streamed, parts: [...janeParts, longNotes, avatar] },
]
for (const { name, env, parts } of forms) {
  t.test(`${name} that is answered after UPSTREAM_TIMEOUT_MS and within UPSTREAM_FORM_TIMEOUT_MS succeeds`, async t => {
    const { usersUrl } = await startLate(t, env)
    const response = await sendMultipart(usersUrl, multipartBody(parts))
    t.match(response, { status: 201, headers: { 'x-outcome': undefined } })
  })
}

t.test('an update with an avatar has the longer time', async t => {
  const { usersUrl } = await startLate(t, buffered)
  const { json: { id } } = await sendJson(usersUrl, { user: jane })
  const updated = await send(`${usersUrl}/${String(id)}`, {
    method: 'PATCH',
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: multipartBody([avatar]),
  })
  t.equal(updated.status, 200)
})

const withoutAvatar = [
  { name: 'JSON', env: buffered, create: (url: string) => sendJson(url, { user: jane }) },
  {
    name: 'a buffered form without an avatar',
    env: buffered,
    create: (url: string) => sendMultipart(url, multipartBody(janeParts)),
  },
  {
    name: 'a form with an empty file field',
    env: buffered,
    create: (url: string) => {
      const emptyFile = { name: 'user[avatar]', filename: '', data: '' }
      return sendMultipart(url, multipartBody([...janeParts, emptyFile]))
    },
  },
  {
    name: 'a streamed form without an avatar',
    env: streamed,
    create: (url: string) => sendMultipart(url, multipartBody([...janeParts, longNotes])),
  },
]
for (const { name, env, create } of withoutAvatar) {
  t.test(`${name} that is answered after UPSTREAM_TIMEOUT_MS is unknown`, async t => {
    const { usersUrl, emulator } = await startLate(t, env)
    emulator.faults.add({ kind: 'delay', delayMs: 2500, method: 'POST' })
    t.match(await create(usersUrl), { status: 504, json: { code: 'procore_timeout', outcome: 'unknown' } })
  })
}

t.test('a form that is answered after UPSTREAM_FORM_TIMEOUT_MS is recovered by a lookup', async t => {
  const { usersUrl } = await startLate(t, { ...buffered, UPSTREAM_FORM_TIMEOUT_MS: '1500' }, 600_000)
  const response = await sendMultipart(usersUrl, multipartBody([...janeParts, avatar]))
  t.match(response, { status: 201, headers: { 'x-outcome': 'recovered' } })
})

t.test('a repeat of a form that Procore still processes is in progress, and later gets its result', async t => {
  const { usersUrl, emulator } = await startLate(t, buffered)
  const body = multipartBody([...janeParts, avatar])
  const create = () => sendMultipart(usersUrl, body, { 'idempotency-key': 'a' })
  const first = create()
  await waitUntil(() => emulator.api.directory.users.size === 1)
  t.match(await create(), { status: 409, json: { code: 'idempotency_in_progress' } })
  const { json: { id } } = await first
  t.match(await create(), { status: 201, headers: { 'idempotency-replayed': 'true' }, json: { id } })
  t.equal(emulator.apiRequests.length, 1)
})

const unknown = { status: 502, json: { outcome: 'unknown' } }
// Both time limits, and the minute in which Procore may still finish, are over after two minutes.
const creationTimes = [
  { seconds: 90, name: 'form with an avatar', parts: [...janeParts, avatar], expected: { status: 201 } },
  { seconds: 90, name: 'form without an avatar', parts: janeParts, expected: unknown },
  { seconds: 150, name: 'form with an avatar', parts: [...janeParts, avatar], expected: unknown },
]
for (const { seconds, name, parts, expected } of creationTimes) {
  const verb = expected.status === 201 ? 'is' : 'is not'
  t.test(`a record of ${seconds} seconds after it ${verb} attributed to a lost ${name}`, async t => {
    const { usersUrl, emulator } = await startLate(t, buffered, 0)
    emulator.faults.add({ kind: 'reset-after-body' })
    emulator.api.directory.add(101, { values: { ...jane } }, new Date(Date.now() + seconds * 1000))
    t.match(await sendMultipart(usersUrl, multipartBody(parts)), expected)
  })
}
