/**
 * Measures how much code one request enters: starts the service and the emulator in this process, sends each request
 * twice, and counts the files and functions of src/ that V8's precise coverage reports for the second one.
 * `npm run flow` prints the table; `npm run flow -- create` prints the functions of one flow.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Profiler } from 'node:inspector'
import { Session } from 'node:inspector/promises'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { buildApp, type App } from '../../src/app.ts'
import { loadConfig } from '../../src/config/index.ts'
import { createLogs } from '../../src/telemetry/logger.ts'
import { unbufferedOutput } from '../../src/telemetry/log-writer.ts'
import { startEmulator, type Emulator } from '../emulator/emulator.ts'
import type { InjectedFault } from '../emulator/settings.ts'

const sourceDir = fileURLToPath(new URL('../../src/', import.meta.url))
const boundary = 'flow-boundary'

/** One request whose code is measured. */
interface Flow {
  name: string
  title: string
  build: () => Message
  /** What the emulator does to the request. */
  fault?: InjectedFault
  expectedStatus: number
}

/** Headers and body. Each character of the body is one byte. */
interface Message {
  headers: Readonly<Record<string, string>>
  body: string
}

let lastUser = 0
const user = () => ({ first_name: 'A', last_name: 'B', email_address: `flow-${++lastUser}@example.com` })

function json (headers: Readonly<Record<string, string>> = {}): Message {
  return { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify({ user: user() }) }
}

/** The signature and the header of a PNG of 64 by 64 pixels, and the start of its data, which are not decoded. */
const imageStart = Buffer.from(
  '89504e470d0a1a0a0000000d494844520000004000000040080600000000000000' + '7fffffff49444154', 'hex'
).toString('latin1')

/** A form with its avatar after the fields, and further fields after the avatar. */
function form (avatarBytes: number, lastFields: Readonly<Record<string, string>> = {}): Message {
  const fields = (values: Readonly<Record<string, string>>) => {
    return Object.entries(values).map(([name, value]) => part(`name="user[${name}]"`, value))
  }
  const avatar = part('name="user[avatar]"; filename="a.png"', imageStart.padEnd(avatarBytes, '\0'))
  const body = `${[...fields(user()), avatar, ...fields(lastFields)].join('')}--${boundary}--\r\n`
  return { headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }, body }
}

function part (parameters: string, content: string): string {
  return `--${boundary}\r\ncontent-disposition: form-data; ${parameters}\r\n\r\n${content}\r\n`
}

/** Of `startService` below. */
const formBufferBytes = 100_000

export const flows: readonly Flow[] = [
  { name: 'create', title: 'JSON create', build: () => json(), expectedStatus: 201 },
  {
    name: 'key',
    title: 'JSON create with an idempotency key',
    build: () => json({ 'idempotency-key': randomUUID() }),
    expectedStatus: 201,
  },
  { name: 'buffered', title: 'form that is buffered', build: () => form(1000), expectedStatus: 201 },
  {
    name: 'streamed',
    title: 'streamed form with an error after the avatar',
    build: () => form(4 * formBufferBytes, { country_code: 'nowhere' }),
    expectedStatus: 422,
  },
  {
    name: 'unauthorized',
    title: 'JSON create whose access token is refused',
    build: () => json(),
    fault: { kind: 'status', status: 401, body: '' },
    expectedStatus: 201,
  },
  {
    name: 'lost',
    title: 'JSON create whose response is lost',
    build: () => json(),
    fault: { kind: 'reset-after-body' },
    expectedStatus: 201,
  },
]

/** Code of src/ that one request entered. */
export interface FlowCoverage {
  flow: Flow
  /** Names of the functions that were called, by file below src/. */
  functionsByFile: ReadonlyMap<string, readonly string[]>
}

/** @throws if a request does not have the expected status */
export async function measureFlows (): Promise<FlowCoverage[]> {
  const emulator = await startEmulator()
  const app = await startService(emulator)
  const session = new Session()
  session.connect()
  try {
    await session.post('Profiler.enable')
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
    const results: FlowCoverage[] = []
    for (const flow of flows) {
      await run(flow, app, emulator)
      await session.post('Profiler.takePreciseCoverage')
      await run(flow, app, emulator)
      const { result } = await session.post('Profiler.takePreciseCoverage')
      results.push({ flow, functionsByFile: enteredFunctions(result) })
    }
    return results
  } finally {
    session.disconnect()
    agent.destroy()
    await app.fastify.close()
    await emulator.close()
  }
}

function enteredFunctions (scripts: Profiler.ScriptCoverage[]): Map<string, string[]> {
  const byFile = new Map<string, string[]>()
  for (const { url, functions } of scripts) {
    if (!url.startsWith('file:') || !fileURLToPath(url).startsWith(sourceDir)) continue
    const names = functions
      .filter(({ ranges }) => (ranges[0]?.count ?? 0) > 0)
      .map(({ functionName }) => functionName === '' ? '(anonymous)' : functionName)
    if (names.length > 0) byFile.set(relative(sourceDir, fileURLToPath(url)), names)
  }
  return byFile
}

/** Connections are kept open, as gateways do. */
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

async function run ({ build, fault, expectedStatus, name }: Flow, app: App, emulator: Emulator): Promise<void> {
  if (fault !== undefined) emulator.faults.add(fault)
  const address = app.fastify.server.address()
  if (address === null || typeof address === 'string') throw new Error('The service does not listen.')
  const { headers, body } = build()
  const request = httpRequest({
    agent,
    method: 'POST',
    port: address.port,
    path: '/companies/101/users',
    headers: { ...headers, 'content-length': body.length },
  })
  const responded = Promise.withResolvers<IncomingMessage>()
  request.once('response', responded.resolve).once('error', responded.reject)
  // One write sends head and body, so that a small body arrives with its head.
  request.end(body, 'latin1')
  const response = await responded.promise
  await once(response.resume(), 'end')
  if (response.statusCode !== expectedStatus) {
    throw new Error(`The flow ${name} has status ${String(response.statusCode)}.`)
  }
  // The listeners of the end of a request are called when its response has been flushed.
  await sleep(50)
}

async function startService (emulator: Emulator): Promise<App> {
  const config = loadConfig({
    PROCORE_API_URL: emulator.url,
    PROCORE_LOGIN_URL: emulator.url,
    PROCORE_CLIENT_ID: emulator.settings.clientId,
    PROCORE_CLIENT_SECRET: emulator.settings.clientSecret,
    CALLER_AUTH: 'none',
    PORT: '0',
    FORM_BUFFER_BYTES: String(formBufferBytes),
  })
  const app = await buildApp(config, createLogs(config.log, unbufferedOutput(() => {})))
  await app.procore.accessTokens.get()
  await app.fastify.listen({ ...config.listen })
  return app
}

/** Returns the rows of the table in docs/architecture.md. */
export function flowTable (results: readonly FlowCoverage[]): string {
  const rows = results.map(({ flow, functionsByFile }) => {
    const functions = [...functionsByFile.values()].reduce((sum, names) => sum + names.length, 0)
    return `| ${flow.title} | ${functionsByFile.size} | ${functions} |`
  })
  return ['| request | files | functions |', '|---|---|---|', ...rows].join('\n')
}

if (import.meta.main) {
  const results = await measureFlows()
  const shown = results.find(({ flow }) => flow.name === process.argv[2])
  if (shown === undefined) process.stdout.write(`${flowTable(results)}\n`)
  for (const [file, names] of shown?.functionsByFile ?? []) process.stdout.write(`${file}: ${names.join(', ')}\n`)
  process.exit()
}
