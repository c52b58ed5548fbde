// Tests creating users with the client in Node against the service.
import t from 'tap'
import { createClient, ProblemError, createIdempotencyKey, type Progress } from '../../client/client.ts'
import { startIssuer } from '../helpers/issuer.ts'
import { startLossyProxy } from '../helpers/lossy-proxy.ts'
import { jpeg, png } from '../helpers/images.ts'
import { jane } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// Each test has a service of its own, for whose start it waits.
t.jobs = 3

/** Returns the problem that the call throws. */
async function catchProblem (call: Promise<unknown>): Promise<ProblemError> {
  const error: unknown = await call.then(() => undefined, (reason: unknown) => reason)
  if (error instanceof ProblemError) return error
  throw new Error(`Expected a ProblemError: ${String(error)}`)
}

const toBlob = (image: Buffer) => new Blob([new Uint8Array(image)])

t.test('a user without an avatar is sent as JSON, without undefined fields, with a new idempotency key', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: `${url}/` })
  const user = { ...jane, is_active: false, business_phone_extension: 12 }
  const response = await client.createUser(101, { ...user, first_name: undefined })
  t.match(response, {
    status: 201,
    attempts: 1,
    isReplayed: false,
    isRecovered: false,
    requestId: String,
    procoreRequestId: String,
    data: { email_address: jane.email_address, is_active: false },
  })
  t.match(emulator.apiRequests[0], {
    path: '/rest/v1.3/companies/101/users',
    headers: { 'content-type': 'application/json', 'idempotency-token': String },
  })
  t.equal(emulator.apiRequests[0]?.body.toString(), JSON.stringify({ user }))
})

t.test('a missing field that the company requires is an error of that field', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  const problem = await catchProblem(client.createUser(101, jane, { runConfigurableValidations: true }))
  t.match(problem, { code: 'procore_rejected', outcome: 'rejected', procore: { status: 422 } })
  t.match(problem.errorsFor('job_title'), [{ rule: 'procore', message: 'can\'t be blank' }])
})

t.test('a user with an avatar is sent as a form: fields arrive typed, the image unchanged', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: url })
  const [smallImage, middleImage, largeImage] = [png(1000), png(400_000), jpeg(9_000_000)]
  const uploads = [
    {
      name: 'a small File',
      image: smallImage,
      avatar: new File([new Uint8Array(smallImage)], 'Zoë "1".png'),
    },
    { name: 'a Blob of less than 1 MB', image: middleImage, avatar: toBlob(middleImage) },
    { name: 'a Blob of 9 MB', image: largeImage, avatar: toBlob(largeImage) },
  ]
  for (const [index, { name, image, avatar }] of uploads.entries()) {
    await t.test(name, async t => {
      const fields = { last_name: 'Doe', is_employee: true, vendor_id: 161072, city: undefined }
      const user = { ...fields, email_address: `jane${index}@example.com` }
      const { data } = await client.createUser(101, user, { avatar })
      const created = emulator.api.directory.users.get(data.id)
      t.match(created?.values, { last_name: 'Doe', is_employee: true, vendor_id: 161072 })
      t.notOk(Object.hasOwn(created?.values ?? {}, 'city'))
      t.ok(created?.avatar?.equals(image))
    })
  }
})

t.test('a number that could not be parsed is an error of its field', async t => {
  const { url } = await startService(t)
  const user = { ...jane, business_phone_extension: Number('x') }
  const problem = await catchProblem(createClient({ baseUrl: url }).createUser(101, user))
  t.match(problem.errorsFor('business_phone_extension'), [{ rule: 'type' }])
})

t.test('upload progress is reported until all bytes are sent', async t => {
  const { url, emulator } = await startService(t)
  const seen: Progress[] = []
  const image = jpeg(9_000_000)
  const { data } = await createClient({ baseUrl: url }).createUser(101, jane, {
    avatar: toBlob(image),
    onProgress: progress => seen.push(progress),
  })
  t.ok(seen.length > 20)
  t.ok(seen.every(({ loaded, total }, index) => {
    return total > image.length && loaded > (seen[index - 1]?.loaded ?? 0)
  }))
  t.equal(seen.at(-1)?.loaded, seen.at(-1)?.total)
  t.ok(emulator.api.directory.users.get(data.id)?.avatar?.equals(image))
})

t.test('all invalid fields are reported together, and can be looked up by field', async t => {
  const { url, emulator } = await startService(t)
  const user = { last_name: ' ', email_address: 'jane', country_code: 'US', state_code: 'NSW' }
  const call = createClient({ baseUrl: url }).createUser(101, user, { avatar: toBlob(png()) })
  const problem = await catchProblem(call)
  t.match(problem, {
    name: 'ProblemError',
    code: 'validation_failed',
    status: 422,
    title: String,
    detail: problem.message,
    outcome: undefined,
    requestId: /^[0-9a-f-]{36}$/,
    retryAfterMs: undefined,
    attempts: 1,
    idempotencyKey: String,
  })
  t.strictSame(problem.errors.map(({ pointer, rule }) => `${pointer} ${rule}`), [
    '/user/last_name required',
    '/user/email_address format',
    '/user/state_code dependency',
  ])
  t.match(problem.errorsFor('state_code'), [{ field: 'user[state_code]', rule: 'dependency' }])
  t.match(problem.errorsByField, {
    last_name: [{ rule: 'required' }], email_address: [{ rule: 'format' }], state_code: [{ rule: 'dependency' }],
  })
  t.strictSame([Object.keys(problem.errorsByField).length, problem.otherErrors], [3, []])
  t.strictSame(problem.errorsFor('city'), [])
  t.equal(emulator.apiRequests.length, 0)
})

t.test('errors that Procore finds are looked up by the same fields', async t => {
  const { url } = await startService(t)
  const client = createClient({ baseUrl: url })
  await client.createUser(101, jane)
  const problem = await catchProblem(client.createUser(101, jane))
  t.match(problem, { code: 'procore_rejected', status: 422, outcome: 'rejected' })
  t.match(problem.errorsFor('email_address'), [{ rule: 'procore', message: 'has already been taken' }])
})

t.test('errors that belong to no field are grouped apart', async t => {
  const { url, emulator } = await startService(t)
  const body = '{"errors":{"base":["The company is full"],"city":["is unknown","is long"]}}'
  emulator.faults.add({ kind: 'status', status: 422, body, method: 'POST' })
  const problem = await catchProblem(createClient({ baseUrl: url }).createUser(101, jane))
  t.match(problem.otherErrors, [{ message: 'The company is full' }])
  t.match(problem.errorsByField, { city: [{ message: 'is unknown' }, { message: 'is long' }] })
  t.strictSame(Object.keys(problem.errorsByField), ['city'])
})

t.test('an error of a record in a list belongs to no field', async t => {
  const error = {
    in: 'body', pointer: '/updates/17/city', field: 'updates[17][city]', rule: 'type', message: 'must be a string',
  }
  const problem = await catchProblem(createClient({
    baseUrl: 'http://localhost',
    fetch: async () => Response.json({ code: 'validation_failed', status: 422, detail: 'x', errors: [error] }, {
      status: 422, headers: { 'content-type': 'application/problem+json' },
    }),
  }).createUser(101, jane))
  t.match(problem.otherErrors, [{ pointer: '/updates/17/city' }])
  t.strictSame(problem.errorsByField, {})
})

t.test('a rejected avatar is an error of the field avatar', async t => {
  const { url, emulator } = await startService(t)
  const client = createClient({ baseUrl: url })
  const svg = new Blob(['<svg/>'], { type: 'image/png' })
  const wrong = await catchProblem(client.createUser(101, jane, { avatar: svg }))
  t.match(wrong, { code: 'avatar_type', status: 415 })
  t.match(wrong.errorsFor('avatar'), [{ pointer: '/user/avatar', rule: 'type', message: wrong.detail }])
  for (const onProgress of [undefined, () => {}]) {
    const large = await catchProblem(client.createUser(101, jane, { avatar: toBlob(jpeg(20_000_000)), onProgress }))
    t.match(large, { code: 'avatar_too_large', status: 413 })
    t.match(large.errorsFor('avatar'), [{ rule: 'size' }])
    t.match(large.errorsByField, { avatar: [{ rule: 'size' }] })
  }
  t.equal(emulator.api.directory.list(101).length, 0)
})

t.test('an upload that is aborted halfway creates no user', async t => {
  const service = await startService(t)
  const reason = new Error('not this one')
  const controller = new AbortController()
  const call = createClient({ baseUrl: service.url }).createUser(101, jane, {
    avatar: toBlob(jpeg(9_000_000)),
    signal: controller.signal,
    onProgress: ({ loaded }) => { if (loaded > 1_000_000) controller.abort(reason) },
  })
  t.equal(await call.catch((error: unknown) => error), reason)
  await waitUntil(() => service.lines.some(({ msg, status }) => msg === 'request' && status === 400))
  t.equal(service.emulator.api.directory.list(101).length, 0)
})

t.test('two creates with the same key at the same time create one user and return the same response', async t => {
  const { url, emulator } = await startService(t)
  emulator.faults.add({ kind: 'delay', delayMs: 300 })
  const client = createClient({ baseUrl: url })
  const retries: string[] = []
  const options = {
    idempotencyKey: 'one',
    onRetry: ({ failure }: { failure: Error }) => {
      if (failure instanceof ProblemError) retries.push(failure.code)
    },
  }
  const responses = await Promise.all([client.createUser(101, jane, options), client.createUser(101, jane, options)])
  t.equal(responses[0]?.data.id, responses[1]?.data.id)
  t.strictSame(responses.map(({ isReplayed }) => isReplayed).sort(), [false, true])
  t.ok(retries.length > 0 && retries.every(code => code === 'idempotency_in_progress'))
  t.equal(emulator.api.directory.list(101).length, 1)
})

t.test('a create whose response is lost is retried with the same key and returns the stored response', async t => {
  const { port, emulator } = await startService(t)
  const proxy = await startLossyProxy(t, port)
  const client = createClient({ baseUrl: proxy.url })
  const rows = [
    { name: 'JSON', options: {} },
    { name: 'a form', options: { avatar: toBlob(png(400_000)) } },
    { name: 'a form with progress', options: { avatar: toBlob(jpeg(9_000_000)), onProgress: () => {} } },
  ]
  for (const [index, { name, options }] of rows.entries()) {
    await t.test(name, async t => {
      proxy.responsesToDrop = 1
      const retries: unknown[] = []
      const user = { ...jane, email_address: `jane${index}@example.com` }
      const usersBefore = emulator.api.directory.list(101).length
      const response = await client.createUser(101, user, {
        ...options,
        onRetry: ({ failure, idempotencyKey }) => {
          retries.push([failure.name, failure.outcome, typeof idempotencyKey])
        },
      })
      t.match(response, { attempts: 2, isReplayed: true })
      t.strictSame(retries, [['NetworkError', 'unknown', 'string']])
      t.equal(emulator.api.directory.list(101).length, usersBefore + 1)
    })
  }
})

t.test('a user whose create Procore did not respond to is recovered', async t => {
  const { url, emulator } = await startService(t)
  emulator.faults.add({ kind: 'reset-after-body' })
  const response = await createClient({ baseUrl: url }).createUser(101, jane)
  t.match(response, { isRecovered: true, data: { email_address: jane.email_address } })
  t.equal(emulator.api.directory.list(101).length, 1)
})

t.test('the access token is a string or comes from a function, whose error the call throws', async t => {
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  const accessToken = await issuer.sign()
  t.equal((await createClient({ baseUrl: url, accessToken }).createUser(101, jane)).status, 201)
  const signingClient = createClient({ baseUrl: url, accessToken: async () => issuer.sign() })
  t.equal((await signingClient.createUser(102, jane)).status, 201)
  const unauthenticated = await catchProblem(createClient({ baseUrl: url }).createUser(101, jane))
  t.match(unauthenticated, { code: 'unauthenticated', status: 401 })
  const signedOutClient = createClient({ baseUrl: url, accessToken: () => { throw new Error('signed out') } })
  await t.rejects(signedOutClient.createUser(101, jane), new Error('signed out'))
})

t.test('an idempotency key can be created without a secure context, as on a page of plain HTTP', {
  buffered: false,
}, async t => {
  t.match(createIdempotencyKey(), /^[0-9a-f-]{36}$/)
  t.intercept(crypto, 'randomUUID', { value: undefined })
  const [first, second] = [createIdempotencyKey(), createIdempotencyKey()]
  t.match(first, /^[0-9a-f]{32}$/)
  t.match(second, /^[0-9a-f]{32}$/)
  t.not(first, second)
})
