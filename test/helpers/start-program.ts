/** A program of this repository as a process for a long run outside of tap: started, and known by the address that it says. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { inheritedEnv } from './spawn-program.ts'

export async function startProgram (file: string, env: Record<string, string>): Promise<{ child: ChildProcess, url: string }> {
  const child = spawn(process.execPath, [file], { env: { ...inheritedEnv, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  createInterface({ input: child.stdout }).on('line', line => { if (line.includes('"msg":"listening"')) resolve(JSON.parse(line).url) })
  child.once('exit', code => reject(new Error(`${file} ended with ${code}`)))
  return { child, url: await promise }
}
