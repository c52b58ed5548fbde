/** Starts a program of this repository for a long run outside of tap. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { getNodeFlags, inheritedEnv, parseListeningUrl } from './spawn-program.ts'

interface StartedProgram { child: ChildProcess, url: string }

/** Resolves when the program logs that it listens. */
export async function startProgram (file: string, env: Record<string, string>): Promise<StartedProgram> {
  const child = spawn(process.execPath, [...getNodeFlags(file), file], {
    env: { ...inheritedEnv, ...env }, stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  createInterface({ input: child.stdout }).on('line', line => {
    const url = parseListeningUrl(line)
    if (url !== undefined) resolve(url)
  })
  child.once('exit', code => reject(new Error(`${file} exited with ${code}`)))
  return { child, url: await promise }
}
