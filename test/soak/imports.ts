/**
 * Imports beside creates, with faults in one of five requests to Procore, until every row has a final result. Then each
 * person must exist once, and every line must say what Procore has.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import { request } from 'undici'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { addressOf, csvOf, sendImport, type ImportResponse } from '../helpers/imports.ts'
import { startProgram } from '../helpers/start-program.ts'

const rowCount = 500
const createCount = 30
const companies = 4
const attemptsMax = 20
const UsersSchema = Type.Array(Type.Object({
  id: Type.Integer(), companyId: Type.Integer(), values: Type.Record(Type.String(), Type.Unknown()),
}))
const kinds: ReadonlyArray<InjectedFault['kind']> = [
  'reset-before-body', 'reset-after-body', 'truncate', 'garbage', 'silence',
]

/** Returns what contradicts the lines of the imports. */
export async function checkImports (): Promise<string[]> {
  const emulator = await startProgram('tools/emulator/main.ts', { EMULATOR_PORT: '0' })
  const service = await startProgram('src/main.js', {
    PORT: '0',
    PROCORE_API_URL: emulator.url,
    PROCORE_LOGIN_URL: emulator.url,
    PROCORE_CLIENT_ID: 'demo-client',
    PROCORE_CLIENT_SECRET: 'demo-secret',
    CALLER_AUTH: 'none',
    UPSTREAM_TIMEOUT_MS: '400',
  })
  const control = (method: 'GET' | 'POST', path: string, body: unknown) =>
    request(`${emulator.url}/__emulator${path}`, { method, body: body === undefined ? null : JSON.stringify(body) })
  for (const kind of kinds) await control('POST', '/faults', { kind, rate: 0.05 })
  const ids = Array.from({ length: companies }, (_, index) => 2000 + index)
  const imports = await Promise.all(ids.map(async company => {
    const users = `${service.url}/companies/${company}/users`
    const [response] = await Promise.all([importUntilFinal(`${users}/import`), createBeside(users)])
    return { company, response }
  }))
  const { body } = await control('GET', '/users', undefined)
  const users = assertSchema(UsersSchema, await body.json())
  for (const { child } of [service, emulator]) child.kill('SIGTERM')
  const contradictions = imports.flatMap(({ company, response }) => {
    const own = users.filter(({ companyId }) => companyId === company)
    return findContradictions(response, own).map(text => `company ${company}: ${text}`)
  })
  process.stdout.write(`imports: ${companies} of ${rowCount} rows, ${contradictions.length} contradictions\n`)
  return contradictions
}

/** A careful caller repeats an import with its key until every row has a final result. */
async function importUntilFinal (url: string): Promise<ImportResponse> {
  for (let attempt = 1; ; attempt++) {
    const response = await sendImport(url, csvOf(rowCount), { 'idempotency-key': 'import' })
    const { unknown = 1, not_sent: notSent = 1 } = response.totals ?? {}
    if ((unknown === 0 && notSent === 0) || attempt === attemptsMax) return response
    await sleep(500)
  }
}

async function createBeside (url: string): Promise<void> {
  for (let number = 1; number <= createCount; number++) {
    const user = { last_name: 'Doe', email_address: addressOf(9_000 + number) }
    const response = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': `create-${number}` },
      body: JSON.stringify({ user }),
    })
    await response.body.dump()
  }
}

function findContradictions ({ lines, totals }: ImportResponse, users: typeof UsersSchema.static): string[] {
  const idsByAddress = Map.groupBy(users, ({ values }) => String(values['email_address']))
  const doubles = [...idsByAddress].filter(([, same]) => same.length > 1)
    .map(([address]) => `${address} was made twice`)
  const wrong = lines.flatMap(({ row, status, id }) => {
    if (row === undefined) return []
    const [user] = idsByAddress.get(addressOf(row)) ?? []
    const isTrue = status === 'created' ? user?.id === id : status === 'rejected' || status === 'invalid'
    return isTrue ? [] : [`row ${row} is ${status} with the id ${id}, but Procore has ${user?.id}`]
  })
  const lost = totals?.['created'] === rowCount ? [] : [`not all rows were created: ${JSON.stringify(totals)}`]
  return [...doubles, ...wrong, ...lost]
}
