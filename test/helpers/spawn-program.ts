/** Runs a program of this repository in a process of its own, as an operator starts it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { resolve as resolvePath } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Type } from '@sinclair/typebox'
import type { Test } from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { assertSchema } from './assert-schema.ts'

export const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Program {
  child: ChildProcess
  /** Lines of stdout. */
  lines: string[]
  stderr: () => string
  /** Resolves with the URL in the log line `listening`. */
  listening: Promise<string>
  exit: Promise<{ code: number | null, signal: NodeJS.Signals | null }>
}

const { PATH, NODE_COMPILE_CACHE } = process.env

/** The variables that a program inherits. All others are left out, so that the machine does not decide a test. */
export const inheritedEnv: NodeJS.ProcessEnv = {
  PATH,
  ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE: resolvePath(root, NODE_COMPILE_CACHE) }),
}

/** Returns the URL in the log line `listening`; undefined for any other line. */
export function parseListeningUrl (line: string): string | undefined {
  if (!line.includes('"msg":"listening"')) return undefined
  return assertSchema(Type.Object({ url: Type.String() }), JSON.parse(line)).url
}

/** Returns the flags with which an npm script, such as `npm start`, passes a program to Node. */
export function getNodeFlags (file: string): string[] {
  const words = Object.values(packageJson.scripts).map(command => command.split(' '))
  return words.find(([program, ...args]) => program === 'node' && args.at(-1) === file)?.slice(1, -1) ?? []
}

/** @param commandLine runs the file instead of this process's Node */
export function spawnProgram (
  t: Test, file: string, env: Record<string, string> = {}, cwd = root, commandLine: readonly string[] = []
): Program {
  const [command = process.execPath, ...args] = commandLine
  const child = spawn(command, [...args, ...getNodeFlags(file), file], {
    cwd, env: { ...inheritedEnv, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>()
  listening.catch(() => {})
  const lines: string[] = []
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  createInterface({ input: child.stdout }).on('line', line => {
    lines.push(line)
    const url = parseListeningUrl(line)
    if (url !== undefined) resolve(url)
  })
  const { promise: exit, resolve: resolveExit } = Promise.withResolvers<Awaited<Program['exit']>>()
  child.once('close', (code, signal) => {
    reject(new Error(`exited before it listened: ${stderr}`))
    resolveExit({ code, signal })
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exit
  })
  return { child, lines, stderr: () => stderr, listening, exit }
}

interface EmulatorAddress { url: string, settings: { clientId: string, clientSecret: string } }

/** Returns the environment with which `npm start` uses an emulator. */
export function serviceEnvironment (emulator: EmulatorAddress): Record<string, string> {
  return {
    PORT: '0',
    PROCORE_API_URL: emulator.url,
    PROCORE_LOGIN_URL: emulator.url,
    PROCORE_CLIENT_ID: emulator.settings.clientId,
    PROCORE_CLIENT_SECRET: emulator.settings.clientSecret,
    CALLER_AUTH: 'none',
  }
}
