/** Runs HAProxy with deploy/gateways/haproxy.cfg on loopback. Only addresses change. */
import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Agent, request } from 'undici'
import { startDnsServer } from './dns-server.ts'
import { freePort } from './free-port.ts'
import { replaceAll, startGatewayProgram } from './gateway-program.ts'
import type { Gateway, GatewayOptions } from './nginx-gateway.ts'
import { root } from './spawn-program.ts'
import type { TlsFiles } from './tls-files.ts'
import { waitUntil } from './wait-until.ts'

export const hasHaproxy = spawnSync('haproxy', ['-v']).status === 0

interface HaproxyOptions extends GatewayOptions {
  /** Replaces texts of the configuration. */
  changed?: Record<string, string>
}

/** @param replicaPort port of the services behind it */
export async function startHaproxy (t: Test, replicaPort: number, options: HaproxyOptions = {}): Promise<Gateway> {
  const { addresses = ['127.0.0.1'], tls, changed } = options
  const port = await freePort()
  const directory = t.testdir()
  const dns = await startDnsServer(t, addresses)
  const pemFile = join(directory, 'tls.pem')
  if (tls !== undefined) await writeFile(pemFile, `${tls.cert}${tls.key}`)
  const logFile = join(directory, 'haproxy.log')
  const file = join(directory, 'haproxy.cfg')
  await writeFile(file, replaceAll(await readFile(join(root, 'deploy/gateways/haproxy.cfg'), 'utf8'), {
    ...tls === undefined
      ? { 'bind :8443 ssl crt /etc/haproxy/tls.pem alpn http/1.1': `bind 127.0.0.1:${port}` }
      : { 'bind :8443': `bind 127.0.0.1:${port}`, '/etc/haproxy/tls.pem': pemFile },
    '127.0.0.11:53': `127.0.0.1:${dns.port}`,
    'service:3000': `service:${replicaPort}`,
    ...changed,
  }))
  await startGatewayProgram(t, { command: 'haproxy', args: ['-f', file, '-db'], port, logFile })
  const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  await waitUntil(async () => addresses.length === 0 || await hasReplica(url, tls))
  return {
    url,
    setAddresses: dns.setAddresses,
    readLog: () => readFile(logFile, 'utf8'),
  }
}

/** Returns whether the gateway has found a replica. */
async function hasReplica (url: string, tls: TlsFiles | undefined): Promise<boolean> {
  const dispatcher = new Agent({ connect: { ca: tls?.cert } })
  try {
    const { body } = await request(`${url}/docs/problems`, { dispatcher })
    return !(await body.text()).includes('No replica')
  } finally {
    await dispatcher.destroy()
  }
}
