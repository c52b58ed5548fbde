/** Runs a program on a terminal of its own, by `script` of util-linux. */
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { root, spawnProgram, type Program } from './spawn-program.ts'

const hasScript = spawnSync('script', ['--version']).status === 0

/** Reason to skip a test that needs a terminal, or false. */
export const skip = !hasScript && process.env['CI'] !== 'true' && 'script (util-linux) is not installed'

interface ProgramOnTerminal {
  url: string
  pid: number
  /** Closes the terminal. The kernel then sends SIGHUP to the program. */
  hangUp: () => void
}

/** Resolves when the program listens. */
export async function startOnTerminal (
  t: Test, file: string, env: Record<string, string>
): Promise<ProgramOnTerminal> {
  const pidFile = join(t.testdir(), 'pid')
  const shell = `exec script --quiet --command "echo \\$\\$ > ${pidFile}; exec $*" /dev/null`
  const terminal: Program = spawnProgram(t, file, env, root, ['/bin/sh', '-c', shell, 'sh', process.execPath])
  const url = await terminal.listening
  const pid = Number(await readFile(pidFile, 'utf8'))
  t.teardown(() => { if (isRunning(pid)) process.kill(pid, 'SIGKILL') })
  return { url, pid, hangUp: () => { terminal.child.kill('SIGKILL') } }
}

export function isRunning (pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
