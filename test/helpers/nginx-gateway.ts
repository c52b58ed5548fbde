/** Runs nginx with deploy/nginx.conf on loopback. Only addresses and the time that they are cached change. */
import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startDnsServer } from './dns-server.ts'
import { freePort } from './free-port.ts'
import { replaceAll, startGatewayProgram } from './gateway-program.ts'
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
  /** The addresses are in an `upstream` block instead of the DNS. */
  isStatic?: boolean
}

/** @param replicaPort port of the services behind it */
export async function startGateway (t: Test, replicaPort: number, options: GatewayOptions = {}): Promise<Gateway> {
  const { addresses = ['127.0.0.1'], tls, isStatic = false } = options
  const port = await freePort()
  const directory = t.testdir()
  const servers = addresses.map(address => `server ${address}:${replicaPort} max_fails=0;`)
  const dns = await startDnsServer(t, addresses)
  const logFile = join(directory, 'access.log')
  const file = join(directory, 'nginx.conf')
  await writeFile(file, replaceAll(await readFile(join(root, 'deploy/nginx.conf'), 'utf8'), {
    'resolver 127.0.0.11 valid=5s': `resolver 127.0.0.1:${dns.port} valid=1s`,
    ...isStatic
      ? {
          'http {': `http { upstream replicas { ${servers.join(' ')} }`,
          'set $replicas service:3000;': 'set $replicas replicas;',
        }
      : { 'service:3000': `service:${replicaPort}` },
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
  await startGatewayProgram(t, { command: 'nginx', args: ['-c', file, '-e', 'stderr'], port, logFile })
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    setAddresses: dns.setAddresses,
    readLog: () => readFile(logFile, 'utf8'),
  }
}
