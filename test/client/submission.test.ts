// Tests which idempotency key a Submission sends, and when it offers to create the user anyway.
import t, { type Test } from 'tap'
import {
  createClient, Submission, type LookupOutcome, type NewUser, type SubmissionOptions, type UserOptions,
} from '../../client/client.ts'
import { png } from '../helpers/images.ts'
import { jane } from '../helpers/requests.ts'
import {
  createdResponse, problemResponse, startScriptedServer, type ScriptedResponse,
} from '../helpers/scripted-server.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

t.jobs = 4

/** Starts a submission of company 101 to a service that sends the responses. */
async function startSubmission (t: Test, script: ReadonlyArray<ScriptedResponse | 'silence'>) {
  const { url, requests } = await startScriptedServer(t, script)
  const listKeys = () => requests.map(({ headers }) => headers['idempotency-key'])
  return { submission: new Submission(createClient({ baseUrl: url }), 101), listKeys }
}

/** Problems that the client does not retry by itself, so that each call is one request. */
const notSent = problemResponse('avatar_too_large', 'not_sent')
const rejected = problemResponse('procore_rejected', 'rejected')
function unknown (lookup?: LookupOutcome): ScriptedResponse {
  const problem = problemResponse('internal', 'unknown')
  return { ...problem, body: JSON.stringify({ ...JSON.parse(problem.body), lookup }) }
}

const ignoreFailure = () => {}
const avatar = new Blob([new Uint8Array(png())])
const chooseFile = (name: string) => new File([avatar], name, { type: 'image/png', lastModified: 1_700_000_000_000 })

interface Form { user: NewUser, options?: UserOptions }

const forms: Array<{ name: string, first: Form, second: Form, isSame: boolean }> = [
  { name: 'the same fields', first: { user: jane }, second: { user: { ...jane } }, isSame: true },
  {
    name: 'the same fields in another order, and an undefined one',
    first: { user: jane },
    second: { user: { city: undefined, email_address: jane.email_address, last_name: jane.last_name } },
    isSame: true,
  },
  {
    name: 'the same avatar',
    first: { user: jane, options: { avatar } },
    second: { user: jane, options: { avatar } },
    isSame: true,
  },
  {
    name: 'the same file, chosen again',
    first: { user: jane, options: { avatar: chooseFile('jane.png') } },
    second: { user: jane, options: { avatar: chooseFile('jane.png') } },
    isSame: true,
  },
  { name: 'a changed field', first: { user: jane }, second: { user: { ...jane, city: 'Bonn' } }, isSame: false },
  { name: 'a removed field', first: { user: { ...jane, city: 'Bonn' } }, second: { user: jane }, isSame: false },
  { name: 'an added avatar', first: { user: jane }, second: { user: jane, options: { avatar } }, isSame: false },
  {
    name: 'another file',
    first: { user: jane, options: { avatar: chooseFile('jane.png') } },
    second: { user: jane, options: { avatar: chooseFile('joan.png') } },
    isSame: false,
  },
  {
    name: 'another Blob, which may have other bytes',
    first: { user: jane, options: { avatar } },
    second: { user: jane, options: { avatar: avatar.slice() } },
    isSame: false,
  },
  {
    name: 'other validations',
    first: { user: jane },
    second: { user: jane, options: { runConfigurableValidations: true } },
    isSame: false,
  },
]

for (const { name, first, second, isSame } of forms) {
  t.test(`a form with ${name} is sent with ${isSame ? 'the same key' : 'a new key'}`, async t => {
    const { submission, listKeys } = await startSubmission(t, [unknown(), createdResponse])
    await t.rejects(submission.submit(first.user, first.options), { name: 'ProblemError', outcome: 'unknown' })
    t.match(await submission.submit(second.user, second.options), { data: { id: 7 } })
    t.equal(new Set(listKeys()).size, isSame ? 1 : 2)
  })
}

t.test('a form that is changed by its owner after it was sent is another form', async t => {
  const { submission, listKeys } = await startSubmission(t, [unknown(), createdResponse])
  const user = { ...jane }
  await t.rejects(submission.submit(user))
  user.last_name = 'Roe'
  await submission.submit(user)
  t.equal(new Set(listKeys()).size, 2)
})

const responses: Array<{ name: string, response: ScriptedResponse, isSame: boolean }> = [
  { name: 'nothing was sent', response: notSent, isSame: true },
  { name: 'the outcome is unknown', response: unknown(), isSame: true },
  { name: 'a lookup found no user', response: unknown('not_found'), isSame: true },
  { name: 'the service found an invalid field', response: problemResponse('validation_failed'), isSame: true },
  { name: 'the user was created', response: createdResponse, isSame: true },
  { name: 'Procore rejected it', response: rejected, isSame: false },
  { name: 'the key is that of another form', response: problemResponse('idempotency_key_reused'), isSame: false },
]

for (const { name, response, isSame } of responses) {
  t.test(`if ${name}, the same form is sent again with ${isSame ? 'the same key' : 'a new key'}`, async t => {
    const { submission, listKeys } = await startSubmission(t, [response, createdResponse])
    await submission.submit(jane).catch(ignoreFailure)
    await submission.submit(jane)
    t.equal(new Set(listKeys()).size, isSame ? 1 : 2)
  })
}

t.test('a form whose call was aborted is sent again with the same key', async t => {
  const { submission, listKeys } = await startSubmission(t, ['silence', createdResponse])
  const controller = new AbortController()
  const call = submission.submit(jane, { signal: controller.signal })
  const isRejected = t.rejects(call, { message: 'not now' })
  await waitUntil(() => listKeys().length === 1)
  controller.abort(new Error('not now'))
  await isRejected
  await submission.submit(jane)
  t.equal(new Set(listKeys()).size, 1)
})

t.test('a double click creates one user, and both calls get it', async t => {
  const { url, emulator } = await startService(t)
  const submission = new Submission(createClient({ baseUrl: url }), 101)
  const [first, second] = await Promise.all([submission.submit(jane, { avatar }), submission.submit(jane, { avatar })])
  t.equal(first.data.id, second.data.id)
  t.equal(emulator.api.directory.list(101).length, 1)
})

t.test('a form that Procore rejected is accepted once it is corrected', async t => {
  const { url, emulator } = await startService(t)
  const submission = new Submission(createClient({ baseUrl: url }), 101)
  const options = { runConfigurableValidations: true }
  await t.rejects(submission.submit(jane, options), { name: 'ProblemError', outcome: 'rejected' })
  t.match(await submission.submit({ ...jane, job_title: 'Architect' }, options), { data: { job_title: 'Architect' } })
  t.equal(emulator.api.directory.list(101).length, 1)
})

t.test('after an unknown outcome whose lookup found no user, the person can create the user anyway', async t => {
  const { url, emulator } = await startService(t)
  const submission = new Submission(createClient({ baseUrl: url }), 101)
  emulator.faults.add({ kind: 'reset-before-body', method: 'POST' })
  const failure = { name: 'ProblemError', outcome: 'unknown', lookup: 'not_found' }
  await t.rejects(submission.submit(jane, { avatar }), failure)
  t.equal(emulator.api.directory.list(101).length, 0)
  t.equal(submission.canCreateAnyway, true)
  const { data, isReplayed } = await submission.createAnyway()
  t.equal(isReplayed, false)
  t.equal(submission.canCreateAnyway, false)
  t.ok(emulator.api.directory.users.get(data.id)?.avatar)
  t.match(await submission.submit(jane, { avatar }), { isReplayed: true, data: { id: data.id } })
  t.equal(emulator.api.directory.list(101).length, 1)
})

t.test('if Procore has the user after all, createAnyway is rejected and names the user', async t => {
  const { url, emulator } = await startService(t)
  const submission = new Submission(createClient({ baseUrl: url }), 101)
  emulator.faults.add({ kind: 'reset-before-body', method: 'POST' })
  await t.rejects(submission.submit(jane), { name: 'ProblemError', lookup: 'not_found' })
  const { id } = emulator.api.directory.add(101, { values: { ...jane } }, new Date())
  await t.rejects(submission.createAnyway(), {
    name: 'ProblemError', outcome: 'rejected', existing: { id, is_active: true },
  })
  t.equal(submission.canCreateAnyway, false)
  t.equal(emulator.api.directory.list(101).length, 1)
})

t.test('createAnyway sends the submitted form with its options, and reports an unknown outcome again', async t => {
  const notFound = unknown('not_found')
  const { submission, listKeys } = await startSubmission(t, [notFound, notFound, createdResponse])
  await t.rejects(submission.submit(jane, { avatar, runConfigurableValidations: true }))
  let reported = 0
  await t.rejects(submission.createAnyway({ onProgress: () => { reported++ } }))
  t.ok(reported > 0)
  t.equal(submission.canCreateAnyway, true)
  t.match(await submission.createAnyway(), { data: { id: 7 } })
  t.equal(new Set(listKeys()).size, 3)
})

const withoutOffer: Array<{ name: string, response: ScriptedResponse }> = [
  { name: 'a success', response: createdResponse },
  { name: 'a rejection', response: rejected },
  { name: 'a create that was not sent', response: notSent },
  { name: 'an unknown outcome with a user that may be of another request', response: unknown('ambiguous') },
  { name: 'an unknown outcome whose lookup failed', response: unknown('inconclusive') },
  { name: 'an unknown outcome without a lookup', response: unknown() },
  { name: 'a response that does not come from the service', response: { status: 500, body: 'Sorry' } },
]

for (const { name, response } of withoutOffer) {
  t.test(`after ${name}, createAnyway sends nothing and throws`, async t => {
    const { submission, listKeys } = await startSubmission(t, [response])
    await submission.submit(jane).catch(ignoreFailure)
    t.equal(submission.canCreateAnyway, false)
    await t.rejects(submission.createAnyway(), { message: /call submit instead/ })
    t.equal(listKeys().length, 1)
  })
}

t.test('before the form is sent, createAnyway throws', async t => {
  const { submission, listKeys } = await startSubmission(t, [createdResponse])
  t.equal(submission.canCreateAnyway, false)
  await t.rejects(submission.createAnyway(), { message: /call submit instead/ })
  t.equal(listKeys().length, 0)
})

/** A `sessionStorage` whose pages are the submissions that are created with it. */
class TabStorage implements NonNullable<SubmissionOptions['storage']> {
  readonly items = new Map<string, string>()
  getItem = (name: string) => this.items.get(name) ?? null
  setItem = (name: string, value: string) => { this.items.set(name, value) }
  removeItem = (name: string) => { this.items.delete(name) }
}

async function startTab (t: Test, script: ReadonlyArray<ScriptedResponse | 'silence'>) {
  const { url, requests } = await startScriptedServer(t, script)
  const storage = new TabStorage()
  const openPage = () => new Submission(createClient({ baseUrl: url }), 101, { storage })
  const countKeys = () => new Set(requests.map(({ headers }) => headers['idempotency-key'])).size
  return { storage, openPage, countKeys, requests }
}

t.test('with a storage, a page that is reloaded during a create sends the same key, and names the avatar', async t => {
  const { openPage, countKeys, requests } = await startTab(t, ['silence', createdResponse])
  const controller = new AbortController()
  const call = openPage().submit(jane, { avatar: chooseFile('jane.png'), signal: controller.signal })
  await waitUntil(() => requests.length === 1)
  const reloaded = openPage()
  t.strictSame(reloaded.interrupted, { avatarName: 'jane.png' })
  await reloaded.submit(jane, { avatar: chooseFile('jane.png') })
  t.equal(reloaded.interrupted, undefined)
  t.equal(countKeys(), 1)
  controller.abort()
  await call.catch(ignoreFailure)
})

t.test('with a storage, a page that is reloaded after the response has no interrupted create', async t => {
  const { openPage, countKeys } = await startTab(t, [unknown('not_found'), createdResponse])
  await openPage().submit(jane).catch(ignoreFailure)
  const reloaded = openPage()
  t.equal(reloaded.interrupted, undefined)
  await t.rejects(reloaded.createAnyway(), { message: /call submit instead/ }, 'the fields are no longer known')
  await reloaded.submit(jane)
  t.equal(countKeys(), 1)
})

t.test('with a storage, createAnyway is offered once the form of an unknown outcome is submitted again', async t => {
  const notFound = unknown('not_found')
  const { openPage, countKeys } = await startTab(t, [notFound, notFound, createdResponse])
  await openPage().submit(jane).catch(ignoreFailure)
  const reloaded = openPage()
  t.equal(reloaded.canCreateAnyway, false)
  await reloaded.submit(jane).catch(ignoreFailure)
  t.equal(countKeys(), 1)
  t.equal(reloaded.canCreateAnyway, true)
  t.match(await reloaded.createAnyway(), { data: { id: 7 } })
})

t.test('with a storage, a Blob without a name has a new key after a reload, because it may be another one', async t => {
  const { openPage, countKeys } = await startTab(t, [createdResponse, createdResponse])
  await openPage().submit(jane, { avatar })
  await openPage().submit(jane, { avatar })
  t.equal(countKeys(), 2)
})

t.test('after reset, the same form has a new key, also after a reload', async t => {
  const { openPage, countKeys, storage } = await startTab(t, [createdResponse, createdResponse, createdResponse])
  const submission = openPage()
  await submission.submit(jane)
  submission.reset()
  t.equal(storage.items.size, 0)
  await openPage().submit(jane)
  await submission.submit(jane)
  t.equal(countKeys(), 3)
})

const unusable: Record<string, (storage: TabStorage) => void> = {
  'is full': storage => { storage.setItem = () => { throw new Error('QuotaExceededError') } },
  'is blocked': storage => { storage.getItem = () => { throw new Error('SecurityError') } },
  'has a value that is not JSON': storage => { storage.getItem = () => '{' },
  'has a value of another kind': storage => { storage.getItem = () => '{"state":"in_flight"}' },
}

for (const [condition, spoil] of Object.entries(unusable)) {
  t.test(`with a storage that ${condition}, the form is sent, and again with the same key`, async t => {
    const { openPage, countKeys, storage } = await startTab(t, [createdResponse, createdResponse])
    spoil(storage)
    const submission = openPage()
    t.equal(submission.interrupted, undefined)
    await submission.submit(jane)
    await submission.submit(jane)
    t.equal(countKeys(), 1)
  })
}
