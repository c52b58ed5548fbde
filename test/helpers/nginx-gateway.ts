/** Runs nginx with deploy/nginx.conf on loopback. Only the addresses are changed. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { request } from 'undici'
import { freePort } from './free-port.ts'
import { root } from './spawn-program.ts'

export const hasNginx = spawnSync('nginx', ['-v']).status === 0

export interface Gateway {
  url: string
  /** Reloads nginx with one replica marked as down, or none. Resolves when no worker has the old configuration. */
  markDown (upstream?: string): Promise<void>
}

/** @param upstreams `host:port` of the services behind it */
export async function startGateway (t: Test, upstreams: string[]): Promise<Gateway> {
  const port = await freePort()
  const directory = t.testdir()
  const file = join(directory, 'nginx.conf')
  const serversPattern = /server service-1:3000 max_fails=0;[^#]*server service-3:3000 max_fails=0;/
  const write = async (down?: string) => {
    const servers = upstreams.map(upstream => `server ${upstream} max_fails=0${upstream === down ? ' down' : ''};`)
    await writeFile(file, (await readFile(join(root, 'deploy/nginx.conf'), 'utf8'))
      .replace(serversPattern, servers.join(' '))
      .replace('listen 8080;', `listen 127.0.0.1:${port};`)
      .replaceAll('/tmp/', `${directory}/`)
      .replace('worker_processes auto;', 'worker_processes 1; daemon off;'))
  }
  await write()
  const nginx = spawn('nginx', ['-c', file, '-e', 'stderr'], { stdio: 'inherit' })
  t.teardown(async () => {
    nginx.kill('SIGTERM')
    if (nginx.exitCode === null) await once(nginx, 'exit')
  })
  const url = `http://127.0.0.1:${port}`
  while (nginx.exitCode === null && !await isResponding(url)) await sleep(20)
  return {
    url,
    markDown: async down => {
      const before = await listWorkers(nginx)
      await write(down)
      nginx.kill('SIGHUP')
      while ((await listWorkers(nginx)).every(pid => before.includes(pid))) await sleep(20)
    },
  }
}

async function listWorkers ({ pid }: ChildProcess): Promise<string[]> {
  return (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ')
}

/** Closes the connection. An idle one would be closed in the middle of a test, when nginx is reloaded. */
async function isResponding (url: string): Promise<boolean> {
  try {
    const { body } = await request(url, { headers: { connection: 'close' } })
    await body.dump()
    return true
  } catch {
    return false
  }
}
