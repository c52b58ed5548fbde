/**
 * `npm run fuzz`: damaged bodies against the running service. None may make it answer 5xx, crash, hang or keep memory or sockets, and
 * each that is accepted must mean upstream what an independent parser reads from the caller's bytes. `FUZZ_COUNT` (default 100000 of
 * each kind) and `FUZZ_SEED` may be set; the same seed makes the same bodies. Exit status 1 when anything is found.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { isDeepStrictEqual } from 'node:util'
import { Agent, request } from 'undici'
import { getPort } from '../helpers/listen.ts'
import { Random } from '../helpers/random.ts'
import { startProgram } from '../helpers/start-program.ts'
import { normalize, generateMultipartBody, generateJsonBody, parseMultipartFields, parseJsonFields, parseSentMultipartFields, type ParsedFields } from './generated-bodies.ts'
import { mutate } from './mutate.ts'

const count = Number(process.env['FUZZ_COUNT'] ?? 100_000)
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000)
const concurrency = 24
const allowedStatuses = new Set([201, 400, 413, 415, 422])
const multipartType = 'multipart/form-data; boundary=b'

interface ReceivedBody { body: Buffer, contentType: string }

/** What arrived whole upstream, by company: each body has one of its own. */
const receivedBodies = new Map<number, ReceivedBody>()
const upstream = createServer((incoming, response) => {
  readBody(incoming).then(body => {
    const company = /\/companies\/(\d+)\//.exec(incoming.url ?? '')?.[1]
    if (company !== undefined) receivedBodies.set(Number(company), { body, contentType: incoming.headers['content-type'] ?? '' })
    response.writeHead(company === undefined ? 200 : 201, { 'content-type': 'application/json' })
    response.end(company === undefined ? '{"access_token":"token","token_type":"bearer","expires_in":5400}' : '{"id":1}')
  }, () => response.destroy())
}).listen(0, '127.0.0.1')
await once(upstream, 'listening')
const upstreamUrl = `http://127.0.0.1:${getPort(upstream)}`
const service = await startProgram('src/main.ts', {
  PORT: '0',
  PROCORE_API_URL: upstreamUrl,
  PROCORE_LOGIN_URL: upstreamUrl,
  PROCORE_CLIENT_ID: 'client',
  PROCORE_CLIENT_SECRET: 'secret',
  CALLER_AUTH: 'none',
  FORM_BUFFER_BYTES: '400',
  MAX_CONCURRENT_UPLOADS: '1000',
})
const agent = new Agent({ connections: concurrency })
const findings: string[] = []
const statuses = new Map<string, number>()
let company = 0

process.stdout.write(`seed ${seed}, ${count} bodies of each kind\n`)
await run('json', count / 10, new Random(seed ^ 0x5eed))
await run('form', count / 10, new Random(seed ^ 0x5eed))
const before = measureProcess()
await run('json', count, new Random(seed))
await run('form', count, new Random(seed + 1))
await waitUntilSettled()
const after = measureProcess()
for (const [name, number] of [...statuses].sort()) process.stdout.write(`  ${String(number).padStart(8)}  ${name}\n`)
process.stdout.write(`${findings.length} findings, ${after.files - before.files} more open files, ${(after.bytes - before.bytes) >> 20} MiB more resident\n${findings.slice(0, 10).join('\n')}\n`)
if (findings.length > 0 || after.files > before.files + 4 || after.bytes - before.bytes > 128 * 1_048_576) process.exitCode = 1
service.child.kill('SIGTERM')
const [code] = await once(service.child, 'exit')
if (code !== 0) process.exitCode = 1
upstream.close()
upstream.closeAllConnections()

async function run (kind: 'json' | 'form', bodies: number, random: Random): Promise<void> {
  let left = bodies
  await Promise.all(Array.from({ length: concurrency }, async () => {
    while (left-- > 0) await sendMutated(kind, mutate(kind === 'json' ? generateJsonBody(random) : generateMultipartBody(random), random))
  }))
}

async function sendMutated (kind: 'json' | 'form', body: Buffer): Promise<void> {
  const id = ++company
  const addFinding = (what: string) => findings.push(`${kind} ${createHash('sha256').update(body).digest('hex').slice(0, 8)}: ${what}: ${JSON.stringify(body.toString('latin1'))}`)
  try {
    const response = await request(`${service.url}/companies/${id}/users`, {
      dispatcher: agent, method: 'POST', body, headers: { 'content-type': kind === 'json' ? 'application/json' : multipartType }, signal: AbortSignal.timeout(20_000),
    })
    const text = await response.body.text()
    const name = `${kind} ${response.statusCode} ${response.statusCode === 201 ? '' : JSON.parse(text).code}`.trimEnd()
    statuses.set(name, (statuses.get(name) ?? 0) + 1)
    if (!allowedStatuses.has(response.statusCode)) addFinding(`status ${response.statusCode}`)
    const received = receivedBodies.get(id)
    receivedBodies.delete(id)
    if ((received !== undefined) !== (response.statusCode === 201)) addFinding(`status ${response.statusCode}, and ${received === undefined ? 'nothing' : 'a request'} upstream`)
    else if (received !== undefined) await compare(kind, body, received, addFinding)
  } catch (error) {
    addFinding(String(error))
  }
}

async function compare (kind: 'json' | 'form', body: Buffer, received: ReceivedBody, addFinding: (what: string) => void): Promise<void> {
  const [expectedFields, actualFields]: [ParsedFields, ParsedFields] = kind === 'json'
    ? [parseJsonFields(body), parseJsonFields(received.body)]
    : [normalize(await parseMultipartFields(body, multipartType)), normalize(parseSentMultipartFields(received.body, received.contentType))]
  if (!isDeepStrictEqual(sortedEntries(expectedFields), sortedEntries(actualFields))) addFinding(`${JSON.stringify(expectedFields)} became ${JSON.stringify(actualFields)}`)
}

function sortedEntries (fields: ParsedFields): Array<[string, string]> {
  return Object.entries(fields).sort(([a], [b]) => a < b ? -1 : 1)
}

async function readBody (incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Idle connections to upstream end by themselves within seconds. */
async function waitUntilSettled (): Promise<void> {
  await agent.close()
  for (let waitedMs = 0; waitedMs < 10_000 && measureProcess().files > before.files; waitedMs += 200) await new Promise(resolve => setTimeout(resolve, 200))
}

function measureProcess (): { files: number, bytes: number } {
  const { pid } = service.child
  const resident = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  return { files: readdirSync(`/proc/${pid}/fd`).length, bytes: resident * 1024 }
}
