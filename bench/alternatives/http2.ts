/**
 * Compares HTTP/2 to the upstream with HTTP/1.1, for the bare proxy and the service, both with TLS. The upstream is
 * nginx, which speaks either on a port of its own. Then sends one form that the service refuses after it has begun to
 * stream it, and a create after it, and prints how both end and how many requests stay open at the upstream.
 *
 * `BENCH_ONLY`: prefix of the names of the programs to measure.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { freePort } from '../../test/helpers/free-port.ts'
import { jpeg } from '../../test/helpers/images.ts'
import { getPort } from '../../test/helpers/listen.ts'
import { root } from '../../test/helpers/spawn-program.ts'
import { createCertificate } from '../certificate.ts'
import { createServiceContestant, peers, startIssuer, type Contestant } from '../contestants.ts'
import { connections, measureSaturation, measureWarm, type WarmContestant } from '../create-load.ts'
import { getCpuMicros, getMegabytes, getTotalCpuMicros, saveResults, seconds } from '../helpers.ts'
import { rawLoad } from '../socket-load.ts'
import { divideRounds, formatRounds, percentile } from '../statistics.ts'
import { markdownTable } from '../tables.ts'

interface Measurement {
  cpuMicros: number
  rate: number
  /** Processor time and latencies at a rate that both protocols can serve. */
  sameRateMicros: number
  p50Ms: number
  p99Ms: number
}

/** Requests per second. */
const sameRate = 2000
const protocols = ['HTTP/1.1', 'HTTP/2'] as const
/** Longest wait for the response to the form, and to the create after it. */
const waitMs = 5000
const http2Env = { NODE_OPTIONS: `--import=${pathToFileURL(join(root, 'bench/alternatives/allow-http2.ts')).href}` }

const directory = mkdtempSync(join(tmpdir(), 'bench-'))
const { keyFile, certificateFile } = createCertificate()

const service = await createServiceContestant(await startIssuer())
const programs = [service, ...peers.filter(({ name }) => name.startsWith('bare'))]
  .filter(({ name }) => name.startsWith(process.env['BENCH_ONLY'] ?? ''))
const accessTokenBody = JSON.stringify({ access_token: 'token', token_type: 'bearer', expires_in: 5400 })
const upstream = await startNginx()
const contestants = programs.flatMap(program => protocols.map((protocol, index): Contestant => ({
  ...program,
  name: `${program.name}, ${protocol}`,
  start: (_, env) => program.start({ url: upstream.urls[index] ?? '', certificateFile }, {
    ...env,
    ...(index === 1 && program === service && http2Env),
  }),
})))
const measurements = await measureWarm(contestants, { url: '' }, measure)
upstream.child.kill()
saveResults('http2.json', { measurements })
process.stdout.write(markdownTable([
  'JSON create, TLS to Procore', 'CPU, against HTTP/1.1', 'at the same rate', 'creates/s', 'p50, ms', 'p99, ms',
], programs.flatMap(({ name }) => {
  const base = measurements[`${name}, ${protocols[0]}`] ?? []
  return protocols.map(protocol => {
    const measured = measurements[`${name}, ${protocol}`] ?? []
    const divide = (get: (measurement: Measurement) => number) =>
      formatRounds(divideRounds(measured.map(get), base.map(get)), 2)
    return [
      `${name}, ${protocol}`,
      divide(({ cpuMicros }) => cpuMicros),
      divide(({ sameRateMicros }) => sameRateMicros),
      formatRounds(measured.map(({ rate }) => rate)),
      formatRounds(measured.map(({ p50Ms }) => p50Ms), 1),
      formatRounds(measured.map(({ p99Ms }) => p99Ms), 1),
    ]
  })
})))

for (const [index, protocol] of protocols.entries()) {
  process.stdout.write(`${protocol}: ${await refuseForm(index === 1 ? http2Env : {})}\n`)
}
process.exit(0)

async function measure (contestant: WarmContestant): Promise<Measurement> {
  const { running: { url, pids }, request } = contestant
  const { cpuMicros, rate } = await measureSaturation(contestant)
  const microsBefore = getTotalCpuMicros(pids)
  const { responseCount, latenciesMs } = await rawLoad({ url, request, connections, seconds, rate: sameRate })
  return {
    cpuMicros,
    rate,
    sameRateMicros: (getTotalCpuMicros(pids) - microsBefore) / responseCount,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
  }
}

/** Starts nginx with one port for each protocol. It reads each request whole before it responds. */
async function startNginx (): Promise<{ child: ChildProcess, urls: string[] }> {
  const ports = [await freePort(), await freePort()]
  const socket = `unix:${directory}/socket`
  const tempPaths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `${name}_temp_path ${directory}/${name};`)
    .join(' ')
  const user = JSON.stringify({ id: 381006, name: 'Jane Doe', notes: 'n'.repeat(300) })
  writeFileSync(join(directory, 'nginx.conf'), `
    daemon off; master_process off; pid ${directory}/pid; error_log /dev/null;
    events { worker_connections 4096; }
    http {
      access_log off; keepalive_requests 100000000; ${tempPaths}
      ssl_certificate ${certificateFile}; ssl_certificate_key ${keyFile};
      upstream api { server ${socket}; keepalive 128; keepalive_requests 100000000; }
      server {
        listen 127.0.0.1:${ports[0]} ssl;
        listen 127.0.0.1:${ports[1]} ssl http2;
        location / { proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; }
      }
      server {
        listen ${socket};
        default_type application/json;
        location = /oauth/token { return 200 '${accessTokenBody}'; }
        location / {
          add_header x-rate-limit-limit 100000000 always;
          add_header x-rate-limit-remaining 99999999 always;
          add_header x-rate-limit-reset ${Math.ceil(Date.now() / 3_600_000 + 1) * 3600} always;
          return 201 '${user}';
        }
      }
    }`)
  const child = spawn('nginx', ['-c', join(directory, 'nginx.conf'), '-e', '/dev/null'], { stdio: 'ignore' })
  await sleep(500)
  return { child, urls: ports.map(port => `https://127.0.0.1:${port}`) }
}

/** Sends a form whose last part is unknown, then a create. Returns how they end. */
async function refuseForm (env: Record<string, string>): Promise<string> {
  let openRequests = 0
  const server = createSecureServer({
    key: readFileSync(keyFile), cert: readFileSync(certificateFile), allowHTTP1: true,
  }, (request, response) => {
    openRequests++
    response.once('close', () => openRequests--)
    request.resume().once('end', () => {
      const isLogin = request.url === '/oauth/token'
      response.writeHead(isLogin ? 200 : 201, { 'content-type': 'application/json' })
      response.end(isLogin ? accessTokenBody : '{"id":1}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { url, child, pids, stop } = await service.start({ url: `https://127.0.0.1:${getPort(server)}`, certificateFile }, env)
  const send = (body: FormData | string, headers: Record<string, string> = {}) => fetch(`${url}/companies/101/users`, {
    method: 'POST', body, headers: { ...service.headers, ...headers }, signal: AbortSignal.timeout(waitMs),
  }).then(({ status }) => String(status), () => `no response in ${waitMs} ms`)
  const user = { last_name: 'Doe', email_address: 'jane.doe@example.com' }
  const form = new FormData()
  for (const [name, value] of Object.entries(user)) form.set(`user[${name}]`, value)
  form.set('user[avatar]', new Blob([Uint8Array.from(jpeg(400_000))], { type: 'image/jpeg' }), 'a.jpg')
  form.set('user[unknown]', 'x')
  const formEnd = await send(form)
  await sleep(500)
  const openCount = openRequests
  const microsBefore = getCpuMicros(child)
  const megabytesBefore = getMegabytes(pids)
  const createEnd = await send(JSON.stringify({ user }), { 'content-type': 'application/json' })
  const cpuMs = Math.round((getCpuMicros(child) - microsBefore) / 1000)
  const megabytes = Math.round(getMegabytes(pids) - megabytesBefore)
  await stop()
  server.close()
  return `the form ends with ${formEnd}, and requests open at the upstream: ${openCount}. ` +
    `The next create ends with ${createEnd}, after ${cpuMs} ms of processor time and ${megabytes} MB.`
}
