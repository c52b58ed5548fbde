// Tests the messages for people: one for each failure, replaced by those of the application.
import t from 'tap'
import {
  createClient, defaultMessages, describeFailure, isFailure, NetworkError, ProblemError,
  type Failure, type Outcome, type ProblemCode,
} from '../../client/client.ts'
import { problemCodes, problemTable } from '../../src/server/problem.ts'
import { jane } from '../helpers/requests.ts'
import { problemResponse, startScriptedServer } from '../helpers/scripted-server.ts'

function buildProblem (code: ProblemCode, outcome?: Outcome): ProblemError {
  const { status, title } = problemTable[code]
  const problem = { type: 'about:blank', title, status, detail: `${title}.`, code, request_id: 'r-1' }
  return new ProblemError({ ...problem, ...(outcome !== undefined && { outcome }) })
}

for (const code of problemCodes) {
  t.test(`${code} has a message of whole sentences`, async t => {
    t.match(describeFailure(buildProblem(code)), /^[A-Z].*\.$/)
    t.match(describeFailure(buildProblem(code, 'unknown')), /\. It is not known whether it was saved\.$/)
  })
}

t.test('the table has the codes of the service, the reasons of network errors and the outcomes, and no others', t => {
  const others = ['connection', 'timeout', 'response', 'incomplete', 'not_sent', 'rejected', 'unknown']
  t.strictSame(Object.keys(defaultMessages).sort(), [...problemCodes, ...others].sort())
  t.end()
})

const german = {
  procore_timeout: 'Procore hat nicht rechtzeitig geantwortet.',
  unknown: 'Ob gespeichert wurde, ist nicht bekannt.',
  connection: 'Keine Verbindung.',
}
const rows: Array<{ name: string, failure: Failure, message: string }> = [
  {
    name: 'of a problem and of its outcome',
    failure: buildProblem('procore_timeout', 'unknown'),
    message: 'Procore hat nicht rechtzeitig geantwortet. Ob gespeichert wurde, ist nicht bekannt.',
  },
  {
    name: 'of a network error',
    failure: new NetworkError('connection'),
    message: 'Keine Verbindung. Ob gespeichert wurde, ist nicht bekannt.',
  },
  {
    name: 'of another failure stay English',
    failure: buildProblem('procore_rejected', 'rejected'),
    message: 'Procore did not accept this. Nothing was saved.',
  },
]

for (const { name, failure, message } of rows) {
  t.test(`messages of the application replace those ${name}`, async t => {
    t.equal(describeFailure(failure, german), message)
  })
}

t.test('a code of a newer service is described by the detail of the problem', async t => {
  const problem = problemResponse('internal')
  const newer = { ...problem, body: problem.body.replace('"code":"internal"', '"code":"newer"') }
  const { url } = await startScriptedServer(t, [newer])
  const failure: unknown = await createClient({ baseUrl: url }).listUsers(101).catch((error: unknown) => error)
  t.equal(isFailure(failure) ? describeFailure(failure) : '', 'An unexpected error occurred in this service.')
})

t.test('an avatar that is too large is not said to be worth sending again', async t => {
  t.equal(
    describeFailure(buildProblem('avatar_too_large', 'not_sent')),
    'The picture is too large. Choose a smaller one. Nothing was saved.'
  )
})

const calls = [
  { name: 'a list', call: 'listUsers', isSaved: false },
  { name: 'a validation', call: 'validateUser', isSaved: false },
  { name: 'a create', call: 'createUser', isSaved: true },
] as const

for (const { name, call, isSaved } of calls) {
  t.test(`a failure of ${name} ${isSaved ? 'says' : 'does not say'} that it may have been saved`, async t => {
    const { url } = await startScriptedServer(t, [{ status: 500, body: 'Sorry' }])
    const client = createClient({ baseUrl: url })
    const result: unknown = await (call === 'listUsers' ? client.listUsers(101) : client[call](101, jane))
      .catch((error: unknown) => error)
    if (!isFailure(result)) throw new Error(`Expected a failure: ${String(result)}`)
    t.equal(result.outcome, isSaved ? 'unknown' : undefined)
    t.equal(describeFailure(result).endsWith(defaultMessages.unknown), isSaved)
  })
}
