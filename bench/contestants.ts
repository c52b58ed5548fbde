/** Starts the service and its peers, each as a process on its own core, with its log in a file. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { assertSchema } from '../test/helpers/assert-schema.ts'
import { freePort } from '../test/helpers/free-port.ts'
import { getPort } from '../test/helpers/listen.ts'
import { getNodeFlags, root } from '../test/helpers/spawn-program.ts'
import { environmentFor, rounds } from './helpers.ts'

/** A program to measure, which forwards requests to the upstream. */
export interface Contestant {
  name: string
  /** Request headers besides those of the body. */
  headers: Record<string, string>
  /** @param env is passed to contestants that run on Node */
  start (upstream: Upstream, env?: Record<string, string>): Promise<RunningContestant>
}

/** What replaces Procore. */
export interface Upstream {
  url: string
  /** The certificate of an `https:` upstream, which contestants verify. */
  certificateFile?: string
}

export interface RunningContestant {
  url: string
  child: ChildProcess
  /** Processes whose time and memory count, as a peer may have workers. */
  pids: number[]
  /**
   * Returns the longest time that the event loop was blocked since the call before, and NaN for programs that do not
   * run on Node.
   */
  readBlockedMs (): Promise<number>
  /** Returns V8's CPU profile of the time until the work is done. @throws for programs that do not run on Node */
  profile (work: () => Promise<void>): Promise<unknown>
  stop (): Promise<void>
}

/** Options of the service for one benchmark. */
export interface ServiceOptions {
  /** Request headers besides those of the body and `authorization`. */
  headers?: Record<string, string>
  env?: Record<string, string>
  /** Another copy of this repository. */
  folder?: string
}

/** An issuer of JWTs: the environment with which the service verifies them, and a function that signs one. */
export interface Issuer {
  env: Record<string, string>
  sign (subject: string): Promise<string>
}

const listeningLine = Type.Object({ msg: Type.Literal('listening'), url: Type.String() })
/** Arguments of a `message` event, the second of which is an undefined handle. */
const probeMessages = Type.Tuple([Type.Object({ value: Type.Optional(Type.Unknown()) }), Type.Undefined()])

const isInstalled = (program: string) => spawnSync('which', [program]).status === 0
const canPin = isInstalled('taskset') && cpus().length > 1

// The contestant runs on the first core, the load (this process) and the upstream on the others.
if (canPin) spawnSync('taskset', ['-acp', `1-${cpus().length - 1}`, String(process.pid)])

/** Returns the command that runs a program on the first core, if this machine can pin processes. */
function pinCommand (command: string, args: readonly string[]): [string, string[]] {
  return canPin ? ['taskset', ['-c', '0', command, ...args]] : [command, [...args]]
}

async function startNodeProgram (
  file: string, env: Record<string, string>, folder = root
): Promise<RunningContestant> {
  const logPath = join(mkdtempSync(join(tmpdir(), 'bench-')), 'log')
  const flags = [...getNodeFlags(file), '--import', join(root, 'bench/probe.ts')]
  const child = spawn(...pinCommand(process.execPath, [...flags, join(folder, file)]), {
    env,
    stdio: ['ignore', openSync(logPath, 'w'), 'inherit', 'ipc'],
  })
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`${file} exited with code ${code} before it listened.`)))
    const timer = setInterval(() => {
      const line = readFileSync(logPath, 'utf8').split('\n').find(line => line.includes('"msg":"listening"'))
      if (line === undefined) return
      clearInterval(timer)
      resolve(assertSchema(listeningLine, JSON.parse(line)).url)
    }, 10)
  })
  const ask = async (message: string) => {
    child.send(message)
    const messages: unknown = await once(child, 'message')
    return assertSchema(probeMessages, messages)[0].value
  }
  const readBlockedMs = async () => assertSchema(Type.Number(), await ask('readBlockedMs'))
  const profile = async (work: () => Promise<void>) => {
    await ask('startProfile')
    await work()
    return ask('stopProfile')
  }
  return { url, child, pids: [child.pid ?? 0], readBlockedMs, profile, stop: () => killProcess(child) }
}

async function killProcess (child: ChildProcess): Promise<void> {
  child.removeAllListeners('exit')
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

function createPeer (name: string, file: string): Contestant {
  return {
    name,
    headers: {},
    start: (upstream, env) => startNodeProgram(`bench/peers/${file}`, {
      UPSTREAM: upstream.url, ...trustCertificate(upstream), ...env,
    }),
  }
}

function trustCertificate ({ certificateFile }: Upstream): Record<string, string> {
  return certificateFile === undefined ? {} : { NODE_EXTRA_CA_CERTS: certificateFile }
}

/** Creates a key pair and serves its public key as a JWKS, until this process ends. */
export async function startIssuer (): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = { ...await exportJWK(publicKey), kid: 'key', alg: 'ES256', use: 'sig' }
  const jwks = JSON.stringify({ keys: [jwk] })
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(jwks)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  return {
    env: {
      CALLER_AUTH: 'jwt',
      JWT_JWKS_URL: `http://127.0.0.1:${getPort(server)}/`,
      JWT_ISSUER: 'issuer',
      JWT_AUDIENCE: 'bff',
    },
    sign: subject => new SignJWT({ sub: subject })
      .setProtectedHeader({ alg: 'ES256', kid: 'key' })
      .setIssuer('issuer')
      .setAudience('bff')
      .setExpirationTime('2h')
      .sign(privateKey),
  }
}

/** Creates the contestant that is the service with all protections on. */
export async function createServiceContestant (
  issuer: Issuer,
  name = 'this service',
  { headers = {}, env = {}, folder }: ServiceOptions = {}
): Promise<Contestant> {
  return {
    name,
    headers: { authorization: `Bearer ${await issuer.sign('caller')}`, ...headers },
    start: async (upstream, extraEnv = {}) => {
      const running = await startNodeProgram('src/main.js', {
        ...environmentFor(upstream.url),
        ...trustCertificate(upstream),
        ...issuer.env,
        MAX_CONCURRENT_UPLOADS: '1000',
        CALLER_CONCURRENT_UPLOADS: '1000',
        ...env,
        ...extraEnv,
      }, folder)
      while ((await fetch(`${running.url}/readyz`)).status !== 200) {
        await new Promise(resolve => setTimeout(resolve, 10))
      }
      return running
    },
  }
}

/** The alternatives to the service; nginx and haproxy only on machines that have them. */
export const peers: Contestant[] = [
  createPeer('bare node:http + undici', 'bare.ts'),
  createPeer('@fastify/http-proxy', 'fastify-http-proxy.ts'),
  createPeer('express + http-proxy-middleware', 'express.ts'),
  createPeer('Fastify + undici, naive', 'naive.ts'),
  ...(isInstalled('nginx') ? [{ name: 'nginx', headers: {}, start: startNginx }] : []),
  ...(isInstalled('haproxy') ? [{ name: 'haproxy', headers: {}, start: startHaproxy }] : []),
]

/** Returns the contestants whose names begin with `BENCH_ONLY`, or all of them without it. */
export function selectContestants (contestants: readonly Contestant[]): Contestant[] {
  const prefix = process.env['BENCH_ONLY'] ?? ''
  return contestants.filter(({ name }) => name.startsWith(prefix))
}

/** Measures each contestant once in each round, so that other load on the machine affects all of them alike. */
export async function runRounds<Named extends Pick<Contestant, 'name'>, Measurement> (
  contestants: readonly Named[],
  measure: (contestant: Named) => Promise<Measurement>
): Promise<Record<string, Measurement[]>> {
  const measurements = new Map<string, Measurement[]>()
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) {
      const previous = measurements.get(contestant.name) ?? []
      measurements.set(contestant.name, [...previous, await measure(contestant)])
    }
  }
  return Object.fromEntries(measurements)
}

async function startNginx ({ url, certificateFile }: Upstream): Promise<RunningContestant> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  const port = await freePort()
  const tempPaths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `${name}_temp_path ${directory}/${name};`)
    .join(' ')
  const tls = certificateFile === undefined
    ? ''
    : `proxy_ssl_verify on; proxy_ssl_trusted_certificate ${certificateFile}; proxy_ssl_name localhost;`
  writeFileSync(join(directory, 'nginx.conf'), `
    daemon off; master_process off; pid ${directory}/pid; error_log /dev/null;
    events { worker_connections 4096; }
    http {
      access_log off; client_max_body_size 0; keepalive_requests 1000000;
      ${tempPaths}
      upstream api { server ${new URL(url).host}; keepalive 128; keepalive_requests 1000000; }
      server {
        listen 127.0.0.1:${port};
        location /companies/ {
          proxy_pass ${new URL(url).protocol}//api/rest/v1.3/companies/; proxy_http_version 1.1;
          proxy_set_header Connection ""; proxy_set_header Authorization "Bearer token";
          proxy_request_buffering off; proxy_buffering off;
          ${tls}
        }
      }
    }`)
  return startBinary('nginx', ['-c', join(directory, 'nginx.conf'), '-e', '/dev/null'], port)
}

async function startHaproxy ({ url, certificateFile }: Upstream): Promise<RunningContestant> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  const port = await freePort()
  const tls = certificateFile === undefined ? '' : `ssl verify required verifyhost localhost ca-file ${certificateFile}`
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
  server one ${new URL(url).host} ${tls}
`)
  return startBinary('haproxy', ['-f', join(directory, 'haproxy.cfg')], port)
}

async function startBinary (program: string, args: readonly string[], port: number): Promise<RunningContestant> {
  const child = spawn(...pinCommand(program, args), { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  while (!await fetch(url).then(() => true, () => false)) {
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return {
    url,
    child,
    pids: [child.pid ?? 0],
    readBlockedMs: () => Promise.resolve(NaN),
    profile: () => Promise.reject(new Error(`${program} does not run on Node.`)),
    stop: () => killProcess(child),
  }
}
