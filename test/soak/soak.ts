/**
 * `npm run soak`: sends creates of every kind to an emulated Procore that fails in one of five requests, and prints a
 * ledger: no create lost, none made twice, no response that contradicts what Procore has. `SOAK_SECONDS` (default
 * 180) and `SOAK_SEED` may be set; the same seed injects the same faults into the same creates. Then people are
 * imported beside creates with the same faults, a quiet caller creates beside two noisy ones, and one caller opens
 * `SOAK_CONNECTIONS` (default 4,000) connections. The exit status is 1 after a contradiction, or if the service still
 * has connections at the end.
 */
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import { request, Agent } from 'undici'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { png } from '../helpers/images.ts'
import { peakMemoryBytes } from '../helpers/noisy-callers.ts'
import { startProgram } from '../helpers/start-program.ts'
import { boundary, multipartBody } from '../helpers/requests.ts'
import { checkFairness } from './fairness.ts'
import { checkImports } from './imports.ts'
import { Ledger, type LedgerEntry, type ReportedResult } from './ledger.ts'
import { Random } from '../helpers/random.ts'

const seconds = Number(process.env['SOAK_SECONDS'] ?? 180)
const seed = Number(process.env['SOAK_SEED'] ?? Date.now() % 1_000_000)
const attackConnections = Number(process.env['SOAK_CONNECTIONS'] ?? 4000)
const random = new Random(seed)
const concurrency = 24
const batchSize = 240
const images = { 'buffered form': png(20_000), 'streamed form': png(700_000) }
const bodyKinds = ['JSON', 'buffered form', 'streamed form'] as const
const UsersSchema = Type.Array(Type.Object({ companyId: Type.Integer() }))
const ResponseSchema = Type.Object({ code: Type.Optional(Type.String()), outcome: Type.Optional(Type.String()) })
const agent = new Agent({ connections: concurrency * 2 })

const faults: readonly [InjectedFault, ...InjectedFault[]] = [
  { kind: 'reset-before-body' }, { kind: 'reset-in-body', bytes: 300 }, { kind: 'reset-after-body' },
  { kind: 'truncate' }, { kind: 'garbage' },
  { kind: 'silence' }, { kind: 'slow', delayMs: 1 }, { kind: 'delay', delayMs: 100 }, { kind: 'stall' },
  { kind: 'status', status: 401, body: '{}' }, { kind: 'status', status: 401, body: '{}', times: 2 },
  { kind: 'status', status: 429, body: '', headers: { 'retry-after': '1' } },
  { kind: 'status', status: 429, body: '', headers: { 'retry-after': '60' } },
  { kind: 'status', status: 503, body: '', headers: { 'retry-after': '1' } }, { kind: 'status', status: 503, body: '' },
  { kind: 'status', status: 500, body: '{}' }, { kind: 'status', status: 422, body: '{}' },
  { kind: 'status', status: 302, body: '' }, { kind: 'status', status: 201, body: '' },
  { kind: 'early', status: 413, body: '{}' }, { kind: 'early', status: 500, body: '{}', lingerMs: 500 },
]

const emulator = await startProgram('tools/emulator/main.ts', {
  EMULATOR_PORT: '0', EMULATOR_SETTINGS: '{"expiresInSeconds":20}',
})
const service = await startProgram('src/main.js', {
  PORT: '0',
  PROCORE_API_URL: emulator.url,
  PROCORE_LOGIN_URL: emulator.url,
  PROCORE_CLIENT_ID: 'demo-client',
  PROCORE_CLIENT_SECRET: 'demo-secret',
  CALLER_AUTH: 'none',
  UPSTREAM_TIMEOUT_MS: '400',
  UPSTREAM_FORM_TIMEOUT_MS: '400',
  UPLOAD_IDLE_TIMEOUT_MS: '400',
  MAX_CONCURRENT_UPLOADS: '12',
})

const ledger = new Ledger()
const filesAtStart = openFiles()
const endsAtMs = Date.now() + seconds * 1000
let company = 1000
process.stdout.write(`seed ${seed}, ${seconds} s, ${concurrency} callers at a time, a fault in one of five creates\n`)
while (Date.now() < endsAtMs) await runBatch()
const leftSockets = await waitForIdleSockets()
process.stdout.write(`${ledger.toString()}\n`)
const peakMebibytes = peakMemoryBytes(service.child.pid) >> 20
process.stdout.write(`${leftSockets} sockets left, ${peakMebibytes} MiB resident at the peak\n`)
for (const { child } of [service, emulator]) child.kill('SIGTERM')
const exit: readonly unknown[] = await once(service.child, 'exit')
if (ledger.contradictions.length > 0 || leftSockets > 4 || exit[0] !== 0) process.exitCode = 1
await agent.destroy()
for (const contradiction of [...await checkImports(), ...await checkFairness(attackConnections)]) {
  process.stdout.write(`${contradiction}\n`)
  process.exitCode = 1
}

/** Runs one batch and empties the emulator, which has the avatars in memory. */
async function runBatch (): Promise<void> {
  const waiting = Array.from({ length: batchSize }, () => planCreate())
  const entries: LedgerEntry[] = []
  await Promise.all(Array.from({ length: concurrency }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) entries.push(await next())
  }))
  // A create whose caller disconnected may still be in flight.
  await sleep(600)
  const users = assertSchema(UsersSchema, JSON.parse(await callControlApi('GET', '/users')))
  for (const entry of entries) ledger.record(entry, users.filter(({ companyId }) => companyId === entry.company).length)
  for (const path of ['/users', '/requests', '/faults']) await callControlApi('DELETE', path)
}

/** Makes all random choices in order, independent of the order of the responses. */
function planCreate (): () => Promise<LedgerEntry> {
  const id = company++
  const bodyKind = random.pick(bodyKinds)
  const fault = random.chance(0.2) ? random.pick(faults) : undefined
  const idempotencyKey = random.chance(0.5) ? `key-${seed}-${id}` : undefined
  const abortAfterMs = random.chance(0.03) ? random.below(60) : undefined
  const revokesAccessTokens = random.chance(0.001)
  return async () => {
    if (revokesAccessTokens) await callControlApi('POST', '/tokens/revoke')
    if (fault !== undefined) {
      await callControlApi('POST', '/faults', JSON.stringify({ ...fault, path: `/companies/${id}/` }))
    }
    const entry: LedgerEntry = {
      company: id,
      bodyKind: `${bodyKind}${idempotencyKey === undefined ? '' : ' with an idempotency key'}`,
      fault: fault === undefined ? 'no fault' : JSON.stringify(fault),
      reported: undefined,
      wasUnknown: false,
    }
    // A careful caller repeats a request with an idempotency key until it ends, and any other only if that is safe.
    for (let attempt = 0; attempt < 3; attempt++) {
      entry.reported = await create(id, bodyKind, idempotencyKey, abortAfterMs)
      entry.wasUnknown ||= entry.reported === undefined || entry.reported.outcome === 'unknown'
      if (isFinal(entry.reported, idempotencyKey !== undefined)) break
    }
    return entry
  }
}

function isFinal (reported: ReportedResult | undefined, hasIdempotencyKey: boolean): boolean {
  if (reported === undefined || reported.status === 201) return true
  return hasIdempotencyKey ? reported.status === 422 : reported.outcome !== 'not_sent'
}

async function create (
  id: number,
  bodyKind: typeof bodyKinds[number],
  idempotencyKey: string | undefined,
  abortAfterMs: number | undefined
): Promise<ReportedResult | undefined> {
  const user = { last_name: 'Doe', email_address: `jane${id}@example.com` }
  const parts = Object.entries(user).map(([name, data]) => ({ name: `user[${name}]`, data }))
  const avatar = bodyKind === 'JSON' ? undefined : { name: 'user[avatar]', filename: 'a.png', data: images[bodyKind] }
  const type = avatar === undefined ? 'application/json' : `multipart/form-data; boundary=${boundary}`
  const body = avatar === undefined ? JSON.stringify({ user }) : multipartBody([avatar, ...parts])
  const signal = abortAfterMs === undefined ? null : AbortSignal.timeout(abortAfterMs)
  try {
    const response = await request(`${service.url}/companies/${id}/users`, {
      dispatcher: agent,
      method: 'POST',
      body,
      headers: { 'content-type': type, ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }) },
      signal,
    })
    const { code, outcome } = assertSchema(ResponseSchema, JSON.parse(await response.body.text()))
    const recovered = response.headers['x-outcome'] === undefined ? undefined : 'recovered'
    return { status: response.statusCode, code, outcome: response.statusCode === 201 ? recovered : outcome }
  } catch (error) {
    if (signal?.aborted === true) return undefined
    throw error
  }
}

async function callControlApi (method: 'GET' | 'POST' | 'DELETE', path: string, body = ''): Promise<string> {
  const response = await request(`${emulator.url}/__emulator${path}`, {
    dispatcher: agent, method, body: body === '' ? null : body,
  })
  return response.body.text()
}

/** Waits until idle connections have timed out. Returns how many files are still open. */
async function waitForIdleSockets (): Promise<number> {
  await agent.close()
  let left = openFiles() - filesAtStart
  for (let waitedMs = 0; waitedMs < 15_000 && left > 4; waitedMs += 200) {
    await sleep(200)
    left = openFiles() - filesAtStart
  }
  return left
}

/** Returns the number of open files of the service. Only its connections change it. */
function openFiles (): number {
  return readdirSync(`/proc/${service.child.pid}/fd`).length
}
