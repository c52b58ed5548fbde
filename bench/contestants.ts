/** The service and its peers, each as a process of its own on a core of its own, with its log in a file. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { freePort } from '../test/helpers/free-port.ts'
import { getPort } from '../test/helpers/listen.ts'
import { environmentFor, rounds } from './helpers.ts'

/** Something that is measured: a program that takes requests and sends them on. */
export interface Contestant {
  name: string
  /** Headers of a request beside those of its body. */
  headers: Record<string, string>
  /** @param env for a contestant that is a program of Node's */
  start (upstream: string, env?: Record<string, string>): Promise<RunningContestant>
}

/** One that was started, and listens. */
export interface RunningContestant {
  url: string
  child: ChildProcess
  /** Processes whose time counts: a peer may have workers. */
  pids: number[]
  stop (): Promise<void>
}

const isInstalled = (program: string) => spawnSync('which', [program]).status === 0
const canPin = isInstalled('taskset') && cpus().length > 1
/** The contestant has the first core, load and upstream the others. */
const pinCommand = (command: string, args: readonly string[]): [string, string[]] => canPin ? ['taskset', ['-c', '0', command, ...args]] : [command, [...args]]

if (canPin) spawnSync('taskset', ['-acp', `1-${cpus().length - 1}`, String(process.pid)])

async function startNodeProgram (file: string, env: Record<string, string>): Promise<RunningContestant> {
  const log = join(mkdtempSync(join(tmpdir(), 'bench-')), 'log')
  const child = spawn(...pinCommand(process.execPath, [fileURLToPath(new URL(file, import.meta.url))]), { env, stdio: ['ignore', openSync(log, 'w'), 'inherit'] })
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`${file} ended with ${code}`)))
    const timer = setInterval(() => {
      const line = readFileSync(log, 'utf8').split('\n').find(line => line.includes('"msg":"listening"'))
      if (line === undefined) return
      clearInterval(timer)
      resolve(JSON.parse(line).url)
    }, 10)
  })
  return { url, child, pids: [child.pid ?? 0], stop: () => killProcess(child) }
}

async function killProcess (child: ChildProcess): Promise<void> {
  child.removeAllListeners('exit')
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

const createPeer = (name: string, file: string): Contestant => ({ name, headers: {}, start: (upstream, env) => startNodeProgram(`peers/${file}`, { UPSTREAM: upstream, ...env }) })

/** What the service needs to verify callers, and a way to be one. */
export interface Issuer { publicKey: CryptoKey, env: Record<string, string>, sign (subject: string): Promise<string> }

/** Who issues the tokens that the service verifies. */
export async function startIssuer (): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwks = JSON.stringify({ keys: [{ ...await exportJWK(publicKey), kid: 'key', alg: 'ES256', use: 'sig' }] })
  const server = createServer((_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(jwks)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  return {
    publicKey,
    env: { CALLER_AUTH: 'jwt', JWT_JWKS_URL: `http://127.0.0.1:${getPort(server)}/`, JWT_ISSUER: 'issuer', JWT_AUDIENCE: 'bff' },
    sign: subject => new SignJWT({ sub: subject }).setProtectedHeader({ alg: 'ES256', kid: 'key' }).setIssuer('issuer').setAudience('bff').setExpirationTime('2h').sign(privateKey),
  }
}

/** With all of its protections on. */
export async function createServiceContestant (issuer: Issuer, name = 'this service', { headers = {}, env = {} }: { headers?: Record<string, string>, env?: Record<string, string> } = {}): Promise<Contestant> {
  return {
    name,
    headers: { authorization: `Bearer ${await issuer.sign('caller')}`, ...headers },
    start: async (upstream, extraEnv = {}) => {
      const running = await startNodeProgram('../src/main.ts', { ...environmentFor(upstream), ...issuer.env, MAX_CONCURRENT_UPLOADS: '1000', CALLER_CONCURRENT_UPLOADS: '1000', ...env, ...extraEnv })
      while ((await fetch(`${running.url}/readyz`)).status !== 200) await new Promise(resolve => setTimeout(resolve, 10))
      return running
    },
  }
}

/** What the service is put beside; nginx and haproxy where the machine has them. */
export const peers: Contestant[] = [
  createPeer('bare node:http + undici', 'bare.ts'),
  createPeer('@fastify/http-proxy', 'fastify-http-proxy.ts'),
  createPeer('express + http-proxy-middleware', 'express.ts'),
  createPeer('Fastify + undici, naive', 'naive.ts'),
  ...(isInstalled('nginx') ? [{ name: 'nginx', headers: {}, start: startNginx }] : []),
  ...(isInstalled('haproxy') ? [{ name: 'haproxy', headers: {}, start: startHaproxy }] : []),
]

/** Each contestant once a round, so that what else happens on the machine meets all of them. `BENCH_ONLY` begins the name of those that are measured. */
export async function runRounds<Measured> (contestants: readonly Contestant[], measure: (contestant: Contestant) => Promise<Measured>): Promise<Map<string, Measured[]>> {
  const only = process.env['BENCH_ONLY'] ?? ''
  const measured = new Map<string, Measured[]>()
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants.filter(({ name }) => name.startsWith(only))) {
      measured.set(contestant.name, [...measured.get(contestant.name) ?? [], await measure(contestant)])
    }
  }
  return measured
}

async function startNginx (upstream: string): Promise<RunningContestant> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  const port = await freePort()
  writeFileSync(join(directory, 'nginx.conf'), `
    daemon off; master_process off; pid ${directory}/pid; error_log /dev/null;
    events { worker_connections 4096; }
    http {
      access_log off; client_max_body_size 0; keepalive_requests 1000000;
      ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${directory}/${name};`).join(' ')}
      upstream api { server ${new URL(upstream).host}; keepalive 128; keepalive_requests 1000000; }
      server {
        listen 127.0.0.1:${port};
        location /companies/ {
          proxy_pass http://api/rest/v1.3/companies/; proxy_http_version 1.1;
          proxy_set_header Connection ""; proxy_set_header Authorization "Bearer token"; proxy_request_buffering off; proxy_buffering off;
        }
      }
    }`)
  return startBinary('nginx', ['-c', join(directory, 'nginx.conf'), '-e', '/dev/null'], port)
}

async function startHaproxy (upstream: string): Promise<RunningContestant> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  const port = await freePort()
  writeFileSync(join(directory, 'haproxy.cfg'), `
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend callers
  bind 127.0.0.1:${port}
  http-request set-header Authorization "Bearer token"
  default_backend api
backend api
  server one ${new URL(upstream).host}
`)
  return startBinary('haproxy', ['-f', join(directory, 'haproxy.cfg')], port)
}

async function startBinary (program: string, args: readonly string[], port: number): Promise<RunningContestant> {
  const child = spawn(...pinCommand(program, args), { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  while (!await fetch(url).then(() => true, () => false)) await new Promise(resolve => setTimeout(resolve, 20))
  return { url, child, pids: [child.pid ?? 0], stop: () => killProcess(child) }
}
