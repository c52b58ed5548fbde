/** The service, the emulator or any other program of this repository as a process of its own, as an operator starts it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { resolve as resolvePath } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

export const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Program {
  child: ChildProcess
  /** What it wrote to stdout, a line each. */
  lines: string[]
  stderr: () => string
  /** Resolves with the address of the log line `listening`. */
  listening: Promise<string>
  exit: Promise<{ code: number | null, signal: NodeJS.Signals | null }>
}

const { PATH, NODE_COMPILE_CACHE } = process.env

/** All that a program has of this machine's environment, which may not decide a test: where programs are, and what of the code is compiled (.taprc). */
export const inheritedEnv: NodeJS.ProcessEnv = { PATH, ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE: resolvePath(root, NODE_COMPILE_CACHE) }) }

export function spawnProgram (t: Test, file: string, env: Record<string, string> = {}, cwd = root, [command = process.execPath, ...args]: string[] = []): Program {
  const child = spawn(command, [...args, file], { cwd, env: { ...inheritedEnv, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>()
  listening.catch(() => {})
  const lines: string[] = []
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  createInterface({ input: child.stdout }).on('line', line => {
    lines.push(line)
    const url = /"msg":"listening"/.test(line) ? JSON.parse(line).url : undefined
    if (typeof url === 'string') resolve(url)
  })
  const exit = once(child, 'close').then(([code, signal]) => {
    reject(new Error(`ended before it listened: ${stderr}`))
    return { code, signal }
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exit
  })
  return { child, lines, stderr: () => stderr, listening, exit }
}

/** What `npm start` needs to serve against an emulator. */
export function serviceEnvironment (emulator: { url: string, settings: { clientId: string, clientSecret: string } }): Record<string, string> {
  return {
    PORT: '0',
    PROCORE_API_URL: emulator.url,
    PROCORE_LOGIN_URL: emulator.url,
    PROCORE_CLIENT_ID: emulator.settings.clientId,
    PROCORE_CLIENT_SECRET: emulator.settings.clientSecret,
    CALLER_AUTH: 'none',
  }
}
