/**
 * `npm run profile`: samples where the processor time of a JSON create goes after the warm-up, with V8's CPU profiler,
 * and prints the self time by package or module and by function.
 *
 * `PROFILE_TOP` (default 40): number of functions to print. `PROFILE_OF`: prefix of the name of a peer to profile.
 */
import { Type, type Static } from '@sinclair/typebox'
import { assertSchema } from '../test/helpers/assert-schema.ts'
import { startProgram } from '../test/helpers/start-program.ts'
import { peers, createServiceContestant, startIssuer, type Contestant } from './contestants.ts'
import { connections, createRequestBuilder, warmUp } from './create-load.ts'
import { fail, seconds } from './helpers.ts'
import { rawLoad } from './socket-load.ts'
import { markdownTable } from './tables.ts'

const cpuProfile = Type.Object({
  nodes: Type.Array(Type.Object({
    id: Type.Number(),
    callFrame: Type.Object({ functionName: Type.String(), url: Type.String(), lineNumber: Type.Number() }),
  })),
  samples: Type.Array(Type.Number()),
  timeDeltas: Type.Array(Type.Number()),
})

const upstream = await startProgram('bench/upstream.ts', {})
const { name, headers, start } = await createContestant()
const contestant = { name, running: await start(upstream), request: createRequestBuilder(headers) }
await warmUp(contestant)
let responseCount = 0
const profile = await contestant.running.profile(async () => {
  const { request, running: { url } } = contestant
  responseCount = (await rawLoad({ url, request, connections, seconds: seconds * 3 })).responseCount
})
await contestant.running.stop()
upstream.child.kill()
printReport(assertSchema(cpuProfile, profile))

async function createContestant (): Promise<Contestant> {
  const peerName = process.env['PROFILE_OF']
  if (peerName === undefined) return createServiceContestant(await startIssuer())
  return peers.find(({ name }) => name.startsWith(peerName)) ?? fail(`No peer has a name that begins with ${peerName}.`)
}

function printReport ({ nodes, samples, timeDeltas }: Static<typeof cpuProfile>): void {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const microsByOwner = new Map<string, number>()
  const microsByFunction = new Map<string, number>()
  for (const [index, id] of samples.entries()) {
    const { functionName, url, lineNumber } = frames.get(id) ?? fail(`The CPU profile has no node ${id}.`)
    // The profiler itself takes time when it starts.
    if (functionName === '(idle)' || url === 'node:inspector') continue
    const micros = (timeDeltas[index] ?? 0) / responseCount
    const owner = getOwner(url, functionName)
    microsByOwner.set(owner, (microsByOwner.get(owner) ?? 0) + micros)
    const shortPath = url.replace(/^.*\/(?=[^/]+\/[^/]+$)/, '')
    const name = `${functionName} ${shortPath}:${lineNumber + 1}`
    microsByFunction.set(name, (microsByFunction.get(name) ?? 0) + micros)
  }
  const functionsMax = Number(process.env['PROFILE_TOP'] ?? 40)
  process.stdout.write(`${markdownTable(['Self time of', 'µs per request'], topEntries(microsByOwner, 25))}\n`)
  process.stdout.write(`${markdownTable(['Function', 'µs per request'], topEntries(microsByFunction, functionsMax))}\n`)
}

/** Returns the package, the folder of src or the Node module that contains the code. */
function getOwner (url: string, functionName: string): string {
  if (url === '') return functionName.startsWith('(') ? functionName : 'native'
  const dependency = /node_modules\/((?:@[^/]+\/)?[^/]+)(?!.*node_modules)/.exec(url)?.[1]
  if (dependency !== undefined) return dependency
  return /\/(src\/\w+)/.exec(url)?.[1] ?? url.replace(/^(node:\w+(?:\/\w+)?).*/, '$1')
}

function topEntries (microsByName: Map<string, number>, max: number): Array<[string, string]> {
  return [...microsByName]
    .sort(([, a], [, b]) => b - a)
    .slice(0, max)
    .map(([name, micros]) => [name, micros.toFixed(1)])
}
