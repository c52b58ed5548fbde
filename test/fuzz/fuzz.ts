/**
 * `npm run fuzz`: sends mutated bodies to the running service. No body may cause a 5xx, a crash or a hang, or leak
 * memory or sockets. A body that is accepted must have the same fields upstream as an independent parser reads from
 * the sent bytes. The rows of a file that is imported must be those of an independent parser, in whichever chunks it
 * is read. A mutated image must arrive without metadata and look the same, as exiftool and sharp read it. Every
 * regular expression of the source is timed on mutated texts. `FUZZ_COUNT` (default 100000 of each kind, and a fiftieth
 * of it of images) and `FUZZ_SEED` may be set; the same seed generates the same bodies. The exit status is 1 if there
 * is a finding.
 */
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { Type } from '@sinclair/typebox'
import { Agent, request } from 'undici'
import { parseMultipart } from '../../tools/emulator/multipart.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { getPort } from '../helpers/listen.ts'
import { Random } from '../helpers/random.ts'
import { avatarPart } from '../helpers/request-builders.ts'
import { janeParts, multipartBody } from '../helpers/requests.ts'
import { findSlowText, randomAttacks, readPatterns } from '../helpers/slow-patterns.ts'
import { startProgram } from '../helpers/start-program.ts'
import { fuzzImages, type Delivery } from './fuzz-images.ts'
import {
  generateJsonBody, generateMultipartBody, normalize, parseJsonFields, parseMultipartFields, parseSentMultipartFields,
  type ParsedFields
} from './generated-bodies.ts'
import { fuzzRows } from './fuzz-rows.ts'
import { mutate } from './mutate.ts'

const count = Number(process.env['FUZZ_COUNT'] ?? 100_000)
/** sharp and exiftool take much longer than a request. */
const imageCount = Math.ceil(count / 50)
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000)
const concurrency = 24
const allowedStatuses = new Set([201, 400, 413, 415, 422])
const ProblemSchema = Type.Object({ code: Type.String() })
const multipartType = 'multipart/form-data; boundary=b'

interface ReceivedBody { body: Buffer, contentType: string }
type Kind = 'json' | 'form' | 'image'
/** What the service answered, and the complete request that it sent upstream. `status` is 0 if it did not answer. */
interface Exchange { status: number, received?: ReceivedBody }

/** Complete bodies that arrived upstream, by company. Each request has a company of its own. */
const receivedBodies = new Map<number, ReceivedBody>()
const upstream = createServer((incoming, response) => {
  buffer(incoming).then(body => {
    const company = /\/companies\/(\d+)\//.exec(incoming.url ?? '')?.[1]
    response.writeHead(company === undefined ? 200 : 201, { 'content-type': 'application/json' })
    if (company === undefined) {
      response.end('{"access_token":"token","token_type":"bearer","expires_in":5400}')
    } else {
      receivedBodies.set(Number(company), { body, contentType: incoming.headers['content-type'] ?? '' })
      response.end('{"id":1}')
    }
  }, () => response.destroy())
}).listen(0, '127.0.0.1')
await once(upstream, 'listening')
const upstreamUrl = `http://127.0.0.1:${getPort(upstream)}`
const startService = (metadata: 'keep' | 'strip') => startProgram('src/main.js', {
  PORT: '0',
  AVATAR_METADATA: metadata,
  PROCORE_API_URL: upstreamUrl,
  PROCORE_LOGIN_URL: upstreamUrl,
  PROCORE_CLIENT_ID: 'client',
  PROCORE_CLIENT_SECRET: 'secret',
  CALLER_AUTH: 'none',
  FORM_BUFFER_BYTES: '400',
  MAX_CONCURRENT_UPLOADS: '1000',
})
/** Mutated bodies contain damaged avatars, which must arrive as they are; images are sent to the other service. */
const bodyService = await startService('keep')
const imageService = await startService('strip')
const services = [bodyService, imageService]
const agent = new Agent({ connections: concurrency })
const findings: string[] = []
const statuses = new Map<string, number>()
let company = 0

process.stdout.write(`seed ${seed}, ${count} bodies and files of each kind, ${imageCount} images\n`)
timePatterns(new Random(seed ^ 0x7e47))
await run('json', count / 10, new Random(seed ^ 0x5eed))
await run('form', count / 10, new Random(seed ^ 0x5eed))
const before = measureProcesses()
await run('json', count, new Random(seed))
await run('form', count, new Random(seed + 1))
findings.push(...await fuzzRows(count, new Random(seed + 3)))
findings.push(...await fuzzImages({ count: imageCount, random: new Random(seed + 2), deliver: deliverImage }))
await waitUntilSettled()
const after = measureProcesses()
for (const [name, number] of [...statuses].sort()) process.stdout.write(`  ${String(number).padStart(8)}  ${name}\n`)
const moreFiles = after.files - before.files
const moreBytes = after.bytes - before.bytes
const summary = `${findings.length} findings, ${moreFiles} more open files, ${moreBytes >> 20} MiB more resident`
process.stdout.write(`${summary}\n`)
process.stdout.write(`${findings.slice(0, 10).join('\n')}\n`)
if (findings.length > 0 || moreFiles > 4 || moreBytes > 128 * 1_048_576) process.exitCode = 1
for (const { child } of services) {
  child.kill('SIGTERM')
  const exit: readonly unknown[] = await once(child, 'exit')
  if (exit[0] !== 0) process.exitCode = 1
}
upstream.close()
upstream.closeAllConnections()

/** Adds a finding for each pattern that is slow on any of its random texts. */
function timePatterns (random: Random): void {
  const patterns = readPatterns()
  for (const { place, pattern } of patterns) {
    const slow = findSlowText(pattern, randomAttacks(pattern, random, Math.ceil(count / 1000)))
    if (slow !== undefined) findings.push(`${place}: ${slow}`)
  }
  process.stdout.write(`${patterns.length} patterns timed\n`)
}

async function run (kind: 'json' | 'form', bodies: number, random: Random): Promise<void> {
  const generate = kind === 'json' ? generateJsonBody : generateMultipartBody
  let left = bodies
  await Promise.all(Array.from({ length: concurrency }, async () => {
    while (left-- > 0) await sendMutated(kind, mutate(generate(random), random))
  }))
}

async function sendMutated (kind: Kind, body: Buffer): Promise<void> {
  const { received } = await sendBody(kind, body)
  if (received === undefined) return
  await compare(kind, body, received).catch((error: unknown) => addFinding(kind, body, String(error)))
}

async function deliverImage (image: Buffer): Promise<Delivery> {
  const { status, received } = await sendBody('image', multipartBody([...janeParts, avatarPart(image)], 'b'))
  if (received === undefined) return { status }
  return { status, arrived: parseMultipart(received.contentType, received.body).at(-1)?.data ?? Buffer.alloc(0) }
}

function addFinding (kind: Kind, body: Buffer, text: string): void {
  findings.push(`${kind} ${hash('sha256', body).slice(0, 8)}: ${text}: ${JSON.stringify(body.toString('latin1'))}`)
}

async function sendBody (kind: Kind, body: Buffer): Promise<Exchange> {
  const id = ++company
  const { url } = kind === 'image' ? imageService : bodyService
  try {
    const response = await request(`${url}/companies/${id}/users`, {
      dispatcher: agent,
      method: 'POST',
      body,
      headers: { 'content-type': kind === 'json' ? 'application/json' : multipartType },
      signal: AbortSignal.timeout(20_000),
    })
    const text = await response.body.text()
    const status = response.statusCode
    const code = status === 201 ? '' : assertSchema(ProblemSchema, JSON.parse(text)).code
    const name = `${kind} ${status} ${code}`.trimEnd()
    statuses.set(name, (statuses.get(name) ?? 0) + 1)
    if (!allowedStatuses.has(status)) addFinding(kind, body, `status ${status}`)
    const received = receivedBodies.get(id)
    receivedBodies.delete(id)
    if ((received !== undefined) === (status === 201)) return { status, ...(received && { received }) }
    addFinding(kind, body, `status ${status}, and ${received === undefined ? 'nothing' : 'a request'} upstream`)
    return { status }
  } catch (error) {
    addFinding(kind, body, String(error))
    return { status: 0 }
  }
}

async function compare (kind: Kind, body: Buffer, received: ReceivedBody): Promise<void> {
  const expected = kind === 'json' ? parseJsonFields(body) : normalize(await parseMultipartFields(body, multipartType))
  const actual = normalizeAvatar(expected, kind === 'json'
    ? parseJsonFields(received.body)
    : normalize(parseSentMultipartFields(received.body, received.contentType)))
  if (isDeepStrictEqual(sortedEntries(expected), sortedEntries(actual))) return
  addFinding(kind, body, `${JSON.stringify(expected)} became ${JSON.stringify(actual)}`)
}

/** busboy ignores a part whose file name has an invalid syntax, and one that is an attachment. */
function normalizeAvatar (expected: ParsedFields, { avatar, ...fields }: ParsedFields): ParsedFields {
  return avatar === undefined || expected['avatar'] === undefined ? fields : { ...fields, avatar }
}

function sortedEntries (fields: ParsedFields): Array<[string, string]> {
  return Object.entries(fields).sort(([a], [b]) => a < b ? -1 : 1)
}

/** Waits until the idle connections to upstream have timed out. */
async function waitUntilSettled (): Promise<void> {
  await agent.close()
  for (let waitedMs = 0; waitedMs < 10_000 && measureProcesses().files > before.files; waitedMs += 200) await sleep(200)
}

/** Returns the open files and the memory of the services together. */
function measureProcesses (): { files: number, bytes: number } {
  let files = 0
  let bytes = 0
  for (const { child: { pid } } of services) {
    files += readdirSync(`/proc/${pid}/fd`).length
    bytes += Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
  }
  return { files, bytes }
}
