// The client in Node against the service: users as JSON and as forms, faults under their fields, uploads with progress and without an end.
import t from 'tap'
import { createClient, ProblemError, createIdempotencyKey, type Progress } from '../../client/client.ts'
import { startIssuer } from '../helpers/issuer.ts'
import { startLossyProxy } from '../helpers/lossy-proxy.ts'
import { jpeg, png } from '../helpers/images.ts'
import { jane } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

/** What a call is refused with. */
async function problemOf (call: Promise<unknown>): Promise<ProblemError> {
  const error: unknown = await call.then(() => undefined, (reason: unknown) => reason)
  if (error instanceof ProblemError) return error
  throw new Error(`no problem: ${String(error)}`)
}

const blob = (image: Buffer) => new Blob([new Uint8Array(image)])

t.test('as JSON: fields as they are typed, those that are undefined left out, a key of its own', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: `${url}/` })
  const answer = await client.createUser(101, { ...jane, first_name: undefined, is_active: false, business_phone_extension: 12 })
  t.match(answer, { status: 201, attempts: 1, isReplayed: false, isRecovered: false, requestId: String, procoreRequestId: String, data: { email_address: jane.email_address, is_active: false } })
  t.match(emulator.apiRequests[0], { path: '/rest/v1.3/companies/101/users', headers: { 'content-type': 'application/json', 'idempotency-token': String } })
  t.equal(emulator.apiRequests[0]?.body.toString(), JSON.stringify({ user: { ...jane, is_active: false, business_phone_extension: 12 } }))
})

t.test('the company\'s own required fields', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const problem = await problemOf(client.createUser(101, jane, { runConfigurableValidations: true }))
  t.match(problem, { code: 'procore_rejected', outcome: 'rejected', procore: { status: 422 } })
  t.match(problem.errorsFor('job_title'), [{ rule: 'procore', message: 'can\'t be blank' }])
})

t.test('as a form, of every size: text, numbers and flags arrive typed, the image as it is', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: url })
  for (const [index, image] of [png(1000), png(400_000), jpeg(9_000_000)].entries()) {
    const user = { last_name: 'Doe', email_address: `jane${index}@example.com`, is_employee: true, vendor_id: 161072, city: undefined }
    const { data } = await client.createUser(101, user, { avatar: index === 0 ? new File([new Uint8Array(image)], 'Zoë "1".png') : blob(image) })
    const held = emulator.api.directory.users.get(data.id ?? 0)
    t.match(held?.values, { last_name: 'Doe', is_employee: true, vendor_id: 161072 })
    t.notOk(Object.hasOwn(Object(held?.values), 'city'))
    t.ok(held?.avatar?.equals(image))
  }
})

t.test('progress is told from 0 to all', async t => {
  const { url, emulator } = await startService(t)
  const seen: Progress[] = []
  const image = jpeg(9_000_000)
  const { data } = await createClient({ baseUrl: url }).createUser(101, jane, { avatar: blob(image), onProgress: progress => seen.push(progress) })
  t.ok(seen.length > 20)
  t.ok(seen.every(({ loaded, total }, index) => total > image.length && loaded > (seen[index - 1]?.loaded ?? 0)))
  t.equal(seen.at(-1)?.loaded, seen.at(-1)?.total)
  t.ok(emulator.api.directory.users.get(data.id ?? 0)?.avatar?.equals(image))
})

t.test('faults, all together, by field', async t => {
  const { url, emulator } = await startService(t)
  const problem = await problemOf(createClient({ baseUrl: url }).createUser(101, { last_name: ' ', email_address: 'jane', country_code: 'US', state_code: 'NSW' }, { avatar: blob(png()) }))
  t.match(problem, { name: 'ProblemError', code: 'validation_failed', status: 422, title: String, detail: problem.message, outcome: undefined, requestId: /^[0-9a-f-]{36}$/, retryAfterMs: undefined, attempts: 1, idempotencyKey: String })
  t.strictSame([...problem.errors.map(({ pointer, rule }) => `${pointer} ${rule}`)], ['/user/last_name required', '/user/email_address format', '/user/state_code dependency'])
  t.match(problem.errorsFor('state_code'), [{ field: 'user[state_code]', rule: 'dependency' }])
  t.strictSame(problem.errorsFor('city'), [])
  t.equal(emulator.apiRequests.length, 0)
})

t.test('what Procore finds stands under the same fields', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  await client.createUser(101, jane)
  const problem = await problemOf(client.createUser(101, jane))
  t.match(problem, { code: 'procore_rejected', status: 422, outcome: 'rejected' })
  t.match(problem.errorsFor('email_address'), [{ rule: 'procore', message: 'has already been taken' }])
})

t.test('an avatar that is refused as a whole is a fault of the avatar', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: url })
  const wrong = await problemOf(client.createUser(101, jane, { avatar: new Blob(['<svg/>'], { type: 'image/png' }) }))
  t.match(wrong, { code: 'avatar_type', status: 415 })
  t.match(wrong.errorsFor('avatar'), [{ pointer: '/user/avatar', rule: 'type', message: wrong.detail }])
  for (const onProgress of [undefined, () => {}]) {
    const large = await problemOf(client.createUser(101, jane, { avatar: blob(jpeg(20_000_000)), onProgress }))
    t.match(large, { code: 'avatar_too_large', status: 413 })
    t.match(large.errorsFor('avatar'), [{ rule: 'size' }])
  }
  t.equal(emulator.api.directory.list(101).length, 0)
})

t.test('a form that is aborted in the middle makes no user', async t => {
  const service = await startService(t)
  const reason = new Error('not this one')
  const leaving = new AbortController()
  const call = createClient({ baseUrl: service.url }).createUser(101, jane, {
    avatar: blob(jpeg(9_000_000)),
    signal: leaving.signal,
    onProgress: ({ loaded }) => { if (loaded > 1_000_000) leaving.abort(reason) },
  })
  t.equal(await call.catch((error: unknown) => error), reason)
  await waitUntil(() => service.lines.some(({ msg, status }) => msg === 'request' && status === 499))
  t.equal(service.emulator.api.directory.list(101).length, 0)
})

t.test('submitted twice under one key: one user, the same answer', async t => {
  const { url, emulator } = await startService(t)
  emulator.faults.add({ kind: 'delay', delayMs: 300 })
  const client = createClient({ baseUrl: url })
  const repeats: string[] = []
  const options = { idempotencyKey: 'one', onRetry: ({ failure }: { failure: Error }) => { if (failure instanceof ProblemError) repeats.push(failure.code) } }
  const answers = await Promise.all([client.createUser(101, jane, options), client.createUser(101, jane, options)])
  t.equal(answers[0]?.data.id, answers[1]?.data.id)
  t.strictSame(answers.map(({ isReplayed }) => isReplayed).sort(), [false, true])
  t.ok(repeats.length > 0 && repeats.every(code => code === 'idempotency_in_progress'))
  t.equal(emulator.api.directory.list(101).length, 1)
})

t.test('an answer that was lost is asked for again under the same key: JSON, form, form with progress', async t => {
  const { port, emulator } = await startService(t)
  const way = await startLossyProxy(t, port)
  const client = createClient({ baseUrl: way.url })
  for (const [index, options] of [{}, { avatar: blob(png(400_000)) }, { avatar: blob(jpeg(9_000_000)), onProgress: () => {} }].entries()) {
    way.responsesToDrop = 1
    const repeats: unknown[] = []
    const answer = await client.createUser(101, { ...jane, email_address: `jane${index}@example.com` }, { ...options, onRetry: ({ failure, idempotencyKey }) => repeats.push([failure.name, failure.outcome, typeof idempotencyKey]) })
    t.match(answer, { attempts: 2, isReplayed: true })
    t.strictSame(repeats, [['NetworkError', 'unknown', 'string']])
    t.equal(emulator.api.directory.list(101).length, index + 1)
  }
})

t.test('a user whose creation Procore did not answer is found again', async t => {
  const { url, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-after-body' })
  t.match(await createClient({ baseUrl: url }).createUser(101, jane), { isRecovered: true, data: { email_address: jane.email_address } })
  t.equal(emulator.api.directory.list(101).length, 1)
})

t.test('the caller\'s own token, fixed or from a function', async t => {
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  const accessToken = await issuer.sign()
  t.equal((await createClient({ baseUrl: url, accessToken }).createUser(101, jane)).status, 201)
  t.equal((await createClient({ baseUrl: url, accessToken: async () => issuer.sign() }).createUser(102, jane)).status, 201)
  t.match(await problemOf(createClient({ baseUrl: url }).createUser(101, jane)), { code: 'unauthenticated', status: 401 })
  await t.rejects(createClient({ baseUrl: url, accessToken: () => { throw new Error('signed out') } }).createUser(101, jane), new Error('signed out'))
})

t.test('a key without a secure context, as on a page of plain http', async t => {
  t.match(createIdempotencyKey(), /^[0-9a-f-]{36}$/)
  t.intercept(crypto, 'randomUUID', { value: undefined })
  const keys = [createIdempotencyKey(), createIdempotencyKey()]
  t.ok(keys.every(key => /^[0-9a-f]{32}$/.test(key)) && keys[0] !== keys[1])
})
