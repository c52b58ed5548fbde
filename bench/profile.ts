/**
 * `npm run profile`: where the time of a JSON create goes, by V8's own sampling: self time by who the code belongs to, and by function.
 * `PROFILE_TOP` (default 40) is how many functions are told, `PROFILE_OF` begins the name of a peer that is profiled instead.
 */
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProgram } from '../test/helpers/start-program.ts'
import { peers, createServiceContestant, startIssuer } from './contestants.ts'
import { rawLoad } from './socket-load.ts'
import { createBody, fail, seconds, printTable } from './helpers.ts'

interface CpuProfile {
  nodes: Array<{ id: number, callFrame: { functionName: string, url: string, lineNumber: number } }>
  samples: number[]
  timeDeltas: number[]
}

const directory = mkdtempSync(join(tmpdir(), 'profile-'))
const upstream = await startProgram('bench/upstream.ts', {})
const peerName = process.env['PROFILE_OF']
const { headers, start } = peerName === undefined ? await createServiceContestant(await startIssuer()) : peers.find(({ name }) => name.startsWith(peerName)) ?? fail(`no peer ${peerName}`)
const running = await start(upstream.url, { NODE_OPTIONS: `--cpu-prof --cpu-prof-interval=500 --cpu-prof-dir=${directory}` })
const lines = Object.entries({ host: 'bench', 'content-type': 'application/json', 'content-length': String(createBody.length), ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
const request = Buffer.from(`POST /companies/101/users HTTP/1.1\r\n${lines.join('')}\r\n${createBody}`)
const { answered } = await rawLoad({ url: running.url, request: () => request, connections: 64, seconds: seconds * 3 })
const ended = new Promise(resolve => running.child.removeAllListeners('exit').once('exit', resolve))
running.child.kill('SIGTERM')
await ended
upstream.child.kill()
printReport(JSON.parse(readFileSync(join(directory, readdirSync(directory)[0] ?? fail('no profile')), 'utf8')))

function printReport ({ nodes, samples, timeDeltas }: CpuProfile): void {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const owners = new Map<string, number>()
  const functions = new Map<string, number>()
  for (const [index, id] of samples.entries()) {
    const { functionName, url, lineNumber } = frames.get(id) ?? fail('no frame')
    if (functionName === '(idle)') continue
    const micros = (timeDeltas[index] ?? 0) / answered
    const owner = getOwner(url, functionName)
    owners.set(owner, (owners.get(owner) ?? 0) + micros)
    const name = `${functionName} ${url.replace(/^.*\/(?=[^/]+\/[^/]+$)/, '')}:${lineNumber + 1}`
    functions.set(name, (functions.get(name) ?? 0) + micros)
  }
  printTable('| Self time of | µs per request |', topEntries(owners, 25))
  printTable('| Function | µs per request |', topEntries(functions, Number(process.env['PROFILE_TOP'] ?? 40)))
}

function getOwner (url: string, functionName: string): string {
  if (url === '') return functionName.startsWith('(') ? functionName : 'native'
  const dependency = /node_modules\/((?:@[^/]+\/)?[^/]+)(?!.*node_modules)/.exec(url)?.[1]
  if (dependency !== undefined) return dependency
  return /\/(src\/\w+)/.exec(url)?.[1] ?? url.replace(/^(node:\w+(?:\/\w+)?).*/, '$1')
}

function topEntries (shares: Map<string, number>, max: number): Array<[string, string]> {
  return [...shares].sort(([, a], [, b]) => b - a).slice(0, max).map(([name, micros]) => [name, micros.toFixed(1)])
}
