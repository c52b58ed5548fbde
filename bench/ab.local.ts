import { startProgram } from '../test/helpers/program.ts'
import { peers, service, startIssuer } from './contestants.ts'
import { rawLoad } from './raw-load.ts'
import { cpuMicrosOfAll, createBody, median } from './tools.ts'
const upstream = await startProgram('bench/upstream.ts', {})
const issuer = await startIssuer()
const variants = []
for (const spec of process.argv.slice(2)) {
  if (spec.startsWith('peer:')) { variants.push({ spec, c: peers.find(p => p.name.startsWith(spec.slice(5)))! }); continue }
  const env = Object.fromEntries(spec.split(';').filter(Boolean).filter(x => x !== 'base').map(pair => { const i = pair.indexOf('='); return [pair.slice(0, i), pair.slice(i + 1)] }))
  variants.push({ spec, c: await service(issuer, spec, { env, ...(env['KEYED'] && { headers: { 'idempotency-key': 'KEY' } }) }) })
}
const results = new Map<string, number[]>()
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 12); const secs = Number(process.env['BENCH_SECONDS'] ?? 0.7)
const started = []
for (const { spec, c } of variants) {
  const running = await c.start(upstream.url)
  const lines = Object.entries({ host: 'bench', 'content-type': 'application/json', 'content-length': String(createBody.length), ...c.headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  const text = `POST /companies/101/users HTTP/1.1\r\n${lines.join('')}\r\n${createBody}`
  let n = 0
  const plain = Buffer.from(text)
  const request = text.includes('KEY') ? () => Buffer.from(text.replace('KEY', `key-${Date.now()}-${n++}`)) : () => plain
  started.push({ spec, running, request })
  await rawLoad({ url: running.url, request, connections: 64, seconds: 3 })
}
for (let round = 0; round < rounds; round++) {
  for (const { spec, running, request } of started) {
    const before = cpuMicrosOfAll(running.pids)
    const { answered } = await rawLoad({ url: running.url, request, connections: 64, seconds: secs })
    results.set(spec, [...results.get(spec) ?? [], (cpuMicrosOfAll(running.pids) - before) / answered])
  }
}
for (const { running } of started) await running.stop()
for (const [spec, r] of results) console.log(spec.padEnd(50), 'min', Math.min(...r).toFixed(1), 'median', median(r).toFixed(1), '|', r.map(x => x.toFixed(0)).join(' '))
upstream.child.kill()
process.exit()
