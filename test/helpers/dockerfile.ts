/** Parses a multi-stage Dockerfile and replays its stages in a directory, without a Docker engine. */
import { execFile } from 'node:child_process'
import { cp, mkdir, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const exec = promisify(execFile)

export interface Instruction {
  keyword: string
  argument: string
}

export interface Stage {
  name: string
  /** An image, or the name of an earlier stage. */
  base: string
  instructions: Instruction[]
}

export function parseDockerfile (text: string): Stage[] {
  const lines = text.replaceAll('\\\n', '').split('\n').filter(line => line !== '' && !line.startsWith('#'))
  const stages: Stage[] = []
  for (const line of lines) {
    const [, keyword = '', argument = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? []
    const [, base, name] = keyword === 'FROM' ? /^(\S+) AS (\S+)$/.exec(argument) ?? [] : []
    if (base !== undefined && name !== undefined) stages.push({ name, base, instructions: [] })
    else if (keyword === 'FROM') throw new Error(`FROM must be "FROM <base> AS <name>": ${line}`)
    else stages.at(-1)?.instructions.push({ keyword, argument })
  }
  return stages
}

/** The arguments of an instruction in a stage and in the stages that it is built from, the earliest first. */
export function getArguments (stages: readonly Stage[], stageName: string, keyword: string): string[] {
  const stage = stages.find(({ name }) => name === stageName)
  if (stage === undefined) return []
  const own = stage.instructions.filter(instruction => instruction.keyword === keyword).map(({ argument }) => argument)
  return [...getArguments(stages, stage.base, keyword), ...own]
}

export interface ReplayOptions {
  /** The build context. */
  context: string
  /** Stages are built in its subdirectory `app`, the stand-in for `WORKDIR /app`, so that all have the same path. */
  directory: string
  run: (command: string, app: string) => Promise<void>
}

/**
 * Replays COPY and RUN of every stage. Only WORKDIR /app is understood.
 * @returns the directory of each finished stage, by name; that of the last one is `app` itself
 */
export async function replayStages (stages: readonly Stage[], options: ReplayOptions): Promise<Map<string, string>> {
  const app = join(options.directory, 'app')
  const finished = new Map<string, string>()
  for (const stage of stages) {
    const base = finished.get(stage.base)
    if (base === undefined) await mkdir(app)
    else await exec('cp', ['--archive', base, app])
    for (const { keyword, argument } of stage.instructions) {
      if (keyword === 'COPY') await replayCopy(argument, app, finished, options.context)
      if (keyword === 'RUN') await options.run(argument, app)
    }
    if (stage === stages.at(-1)) finished.set(stage.name, app)
    else {
      const stageDirectory = join(options.directory, stage.name)
      await rename(app, stageDirectory)
      finished.set(stage.name, stageDirectory)
    }
  }
  return finished
}

/** Copies as Docker does: the content of a folder, or files into a folder that ends with a slash. */
async function replayCopy (
  argument: string, app: string, finished: ReadonlyMap<string, string>, context: string
): Promise<void> {
  const words = argument.split(' ')
  const stageName = words[0]?.startsWith('--from=') ? words.shift()?.slice('--from='.length) : undefined
  const target = words.pop() ?? ''
  const from = stageName === undefined ? context : finished.get(stageName)
  if (from === undefined) throw new Error(`COPY from a stage that is not there: ${argument}`)
  for (const source of words) {
    const path = join(from, stageName === undefined ? source : source.replace(/^\/app\//, ''))
    const destination = target.endsWith('/') ? join(app, target, source.split('/').at(-1) ?? '') : join(app, target)
    await mkdir(dirname(destination), { recursive: true })
    await cp(path, destination, { recursive: true, verbatimSymlinks: true })
  }
}
