/** Runs a Redis for one test, on a free port. It can be killed, paused and started again. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { freePort } from './free-port.ts'

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0

export class TestRedis {
  readonly port: number
  readonly #arguments: readonly string[]
  #child: ChildProcess | undefined
  /** Reads what the service stored. */
  readonly client: Redis

  constructor (port: number, directory: string, extraArgs: readonly string[], password: string | undefined) {
    this.port = port
    this.#arguments = [
      '--port', String(port), '--bind', '127.0.0.1', '--dir', directory,
      '--save', '', '--appendonly', 'yes', '--loglevel', 'warning',
      ...extraArgs,
    ]
    const authentication = password === undefined ? {} : { password }
    this.client = new Redis({ port, lazyConnect: true, retryStrategy: () => 50, ...authentication })
    this.client.on('error', () => {})
  }

  async start (): Promise<void> {
    this.#child = spawn('redis-server', this.#arguments, { stdio: 'ignore' })
    if (this.client.status === 'wait') await this.client.connect().catch(() => {})
    while (this.client.status !== 'ready') await new Promise(resolve => setTimeout(resolve, 10))
  }

  async kill (): Promise<void> {
    if (this.#child === undefined || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }

  pause (): void {
    this.#child?.kill('SIGSTOP')
  }

  resume (): void {
    this.#child?.kill('SIGCONT')
  }

  get url (): string {
    return `redis://127.0.0.1:${this.port}`
  }
}

interface RedisOptions { extraArgs?: readonly string[], password?: string }

export async function startRedis (t: Test, { extraArgs = [], password }: RedisOptions = {}): Promise<TestRedis> {
  const args = password === undefined ? extraArgs : [...extraArgs, '--requirepass', password]
  const redis = new TestRedis(await freePort(), t.testdir(), args, password)
  await redis.start()
  t.teardown(async () => {
    redis.client.disconnect()
    redis.resume()
    await redis.kill()
  })
  return redis
}
