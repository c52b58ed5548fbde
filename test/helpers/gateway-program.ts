/** Runs a gateway with a file of deploy/, on loopback. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { request } from 'undici'

/** Replaces every text. @throws if one of them does not occur */
export function replaceAll (text: string, replacements: Record<string, string>): string {
  return Object.entries(replacements).reduce((result, [old, value]) => {
    if (!result.includes(old)) throw new Error(`The configuration has no ${old}.`)
    return result.replaceAll(old, value)
  }, text)
}

interface GatewayProgram {
  command: string
  args: string[]
  port: number
  /** Receives what the program writes to stdout: its access log. */
  logFile: string
}

/** Starts a program and resolves when it responds on the port. It is stopped with the test. */
export async function startGatewayProgram (t: Test, { command, args, port, logFile }: GatewayProgram): Promise<void> {
  await using log = await open(logFile, 'a')
  const program = spawn(command, args, { stdio: ['ignore', log.fd, 'inherit'] })
  t.teardown(async () => {
    program.kill('SIGTERM')
    if (program.exitCode === null) await once(program, 'exit')
  })
  while (program.exitCode === null && !await isResponding(`http://127.0.0.1:${port}`)) await sleep(20)
}

/** A gateway with TLS refuses this request, which is a response as well. */
async function isResponding (url: string): Promise<boolean> {
  try {
    const { body } = await request(url, { headers: { connection: 'close' } })
    await body.dump()
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'UND_ERR_SOCKET'
  }
}
