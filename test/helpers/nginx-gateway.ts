/** Runs nginx with deploy/nginx.conf on loopback. Only addresses and the time that they are cached change. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { request } from 'undici'
import { startDnsServer } from './dns-server.ts'
import { freePort } from './free-port.ts'
import { root } from './spawn-program.ts'
import type { TlsFiles } from './tls-files.ts'

export const hasNginx = spawnSync('nginx', ['-v']).status === 0

export interface Gateway {
  url: string
  /** Resolves when the gateway has learned the new addresses of the replicas. It asks when it gets a request. */
  setAddresses (addresses: readonly string[]): Promise<void>
  /** Returns the lines of the access log. */
  readLog (): Promise<string>
}

export interface GatewayOptions {
  /** Addresses of the replicas, which all listen on the same port. */
  addresses?: readonly string[]
  /** Certificate and key; without them the gateway listens without TLS. */
  tls?: TlsFiles
}

/** @param replicaPort port of the services behind it */
export async function startGateway (t: Test, replicaPort: number, options: GatewayOptions = {}): Promise<Gateway> {
  const { addresses = ['127.0.0.1'], tls } = options
  const port = await freePort()
  const directory = t.testdir()
  const dns = await startDnsServer(t, addresses)
  const logFile = join(directory, 'access.log')
  const file = join(directory, 'nginx.conf')
  await writeFile(file, replaceAll(await readFile(join(root, 'deploy/nginx.conf'), 'utf8'), {
    'resolver 127.0.0.11 valid=5s': `resolver 127.0.0.1:${dns.port} valid=1s`,
    'service:3000': `service:${replicaPort}`,
    '/dev/stdout': logFile,
    '/tmp/': `${directory}/`,
    'worker_processes auto;': 'worker_processes 1; daemon off;',
  }))
  const listenFile = join(root, 'deploy', tls === undefined ? 'nginx-plain.conf' : 'nginx-tls.conf')
  await writeFile(join(directory, 'listen.conf'), replaceAll(await readFile(listenFile, 'utf8'), tls === undefined
    ? { 'listen 8080;': `listen 127.0.0.1:${port};` }
    : {
        'listen 8443 ssl;': `listen 127.0.0.1:${port} ssl;`,
        '/etc/nginx/tls/tls.crt': tls.certFile,
        '/etc/nginx/tls/tls.key': tls.keyFile,
      }))
  const nginx = spawn('nginx', ['-c', file, '-e', 'stderr'], { stdio: 'inherit' })
  t.teardown(async () => {
    nginx.kill('SIGTERM')
    if (nginx.exitCode === null) await once(nginx, 'exit')
  })
  while (nginx.exitCode === null && !await isResponding(`http://127.0.0.1:${port}`)) await sleep(20)
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    setAddresses: dns.setAddresses,
    readLog: () => readFile(logFile, 'utf8'),
  }
}

/** Replaces every text. @throws if one of them does not occur */
function replaceAll (text: string, replacements: Record<string, string>): string {
  return Object.entries(replacements).reduce((result, [old, value]) => {
    if (!result.includes(old)) throw new Error(`The configuration has no ${old}.`)
    return result.replaceAll(old, value)
  }, text)
}

/** A gateway with TLS responds to this request as well: that it needs TLS. */
async function isResponding (url: string): Promise<boolean> {
  try {
    const { body } = await request(url, { headers: { connection: 'close' } })
    await body.dump()
    return true
  } catch {
    return false
  }
}
