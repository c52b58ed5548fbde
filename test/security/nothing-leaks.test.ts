// Every way of sending against every fault, at the most talkative level of the log, with values that can be found again: no line holds
// one of them, and no answer holds a credential. (The helpers look for credentials in all traffic of all other tests, too.)
import { inspect } from 'node:util'
import t from 'tap'
import { loadConfig } from '../../src/config/index.ts'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { shutDown } from '../../src/server/shutdown.ts'
import { png } from '../helpers/images.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { startOtlpReceiver } from '../helpers/otlp-receiver.ts'
import { multipartBody, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { startTestEmulator, startService } from '../helpers/service.ts'

const user = {
  first_name: 'Zzfirst',
  last_name: 'Zzlast',
  email_address: 'zzmail@zzhost.example',
  mobile_phone: 'zz-555-1',
  business_phone: 'zz-555-2',
  fax_number: 'zz-555-3',
  notes: 'zznotes',
  address: 'zzstreet',
  city: 'zzcity',
  email_signature: 'zzsignature',
  origin_data: 'zzorigin',
}
const faults: InjectedFault[] = [
  ...(['reset-before-body', 'reset-after-body', 'truncate', 'garbage', 'silence', 'stall'] as const).map(kind => ({ kind })),
  { kind: 'raw', raw: 'HTTP/1.1 201 zzraw\r\nzz: zzraw\r\ncontent-length: zzraw\r\n\r\n' },
  ...[201, 302, 400, 401, 403, 409, 422, 429, 500, 503].map(status => ({ kind: 'status' as const, status, body: '{"errors":{"zzfield":["zzmessage"]},"message":"zzmessage"}', headers: { location: 'http://zzhost.example/', 'x-zz': 'zzheader' } })),
  { kind: 'early', status: 413, body: 'zzbody' },
]

t.test('no line of the log, no metric, no span and no event of the status page holds anything that a caller or Procore sent', async t => {
  const receiver = await startOtlpReceiver(t)
  const issuer = await startIssuer(t)
  const { app, url, lines, emulator } = await startService(t, { env: { ...issuer.env, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, STATUS_PAGE: 'true', UPSTREAM_TIMEOUT_MS: '150', UPLOAD_IDLE_TIMEOUT_MS: '150', RATE_LIMIT_MAX_WAIT_MS: '0' } })
  const headers = { ...bearerHeader(await issuer.sign({ email: 'zzmail@zzhost.example', name: 'Zzname' })), cookie: 'zzcookie=1', 'user-agent': 'zzagent', referer: 'http://zzhost.example' }
  const parts = Object.entries(user).map(([name, data]) => ({ name: `user[${name}]`, data }))
  const avatar = { name: 'user[avatar]', filename: 'zzname.png', data: png(500_000) }
  let company = 1
  for (const fault of [undefined, ...faults]) {
    for (const way of ['json', 'held', 'streamed']) {
      const users = `${url}/companies/${company++}/users`
      emulator.faults.clear()
      if (fault !== undefined) emulator.faults.add(fault)
      const more = { ...headers, 'idempotency-key': `zzkey${company}` }
      await (way === 'json' ? sendJson(users, { user }, more) : sendMultipart(users, multipartBody(way === 'held' ? parts : [avatar, ...parts]), more))
    }
  }
  await sendJson(`${url}/companies/zzcompany/users?zzquery=zzquery`, { zzkey: { zzfield: 'zz' }, user: { ...user, country_code: 'zz' } }, headers)
  await sendJson(`${url}/companies/1/users`, '{"user":{"last_name":"zzlast"', headers)
  await sendMultipart(`${url}/companies/1/users`, multipartBody([{ name: 'user[zzfield]', data: 'zz' }, { name: 'user[avatar]', filename: 'zz.svg', data: '<svg>zz</svg>' }]), headers)
  await sendJson(`${url}/companies/1/users`, { user }, bearerHeader('zztoken.zztoken.zztoken'))
  t.ok(lines.length > 60)
  t.notMatch((await send(`${url}/metrics`, { method: 'GET' })).text, /zz/i)
  t.notMatch((await send(`${url}/readyz`, { method: 'GET' })).text, /zz/i)
  const events = await fetch(`${url}/status/events`)
  const { value } = await events.body?.getReader().read() ?? {}
  t.match(Buffer.from(value ?? []).toString(), /validation_failed/)
  t.notMatch(Buffer.from(value ?? []).toString(), /zz/i)
  await shutDown(app, { drainDelayMs: 0, graceMs: 5000 })
  t.ok(receiver.spans.length > 60)
  t.notMatch(JSON.stringify([receiver.spans, receiver.resource]), /zz|demo-secret/i)
  t.strictSame(lines.map(line => JSON.stringify(line)).filter(line => /zz/i.test(line.replace(/"fingerprint":"[\w-]*"/, ''))), [])
})

t.test('a configuration prints without its secrets, and they can not be listed', async t => {
  const config = loadConfig({ CALLER_AUTH: 'none', PROCORE_CLIENT_ID: 'zzclient', PROCORE_CLIENT_SECRET: 'zzsecret', HTTPS_PROXY: 'http://user:zzproxy@proxy:1', REDIS_URL: 'redis://:zzredis@redis' })
  t.notMatch(`${JSON.stringify(config)} ${inspect(config, { depth: 9, showHidden: true })} ${String(config.procore.clientSecret)}`, /zz/)
  t.strictSame([...Object.keys(config.procore.clientSecret), ...Object.getOwnPropertyNames(config.procore.clientSecret)], [])
})

t.test('an error that nobody caught ends the process with a line that names it, and no secret', async t => {
  const emulator = await startTestEmulator(t)
  const directory = t.testdir({ 'crash.mjs': 'setTimeout(() => { Promise.reject(Object.assign(new Error("uncaught"), { headers: { authorization: "Bearer zztoken" }, body: "zzbody" })) }, 1500)' })
  const program = spawnProgram(t, 'src/main.ts', { ...serviceEnvironment(emulator), NODE_OPTIONS: `--import=${directory}/crash.mjs` })
  t.equal((await program.exit).code, 1)
  t.match(program.lines.join('\n'), /"level":"fatal"[^\n]*"message":"uncaught"/)
  t.notMatch(program.lines.join('\n') + program.stderr(), /zztoken|zzbody|demo-secret/)
})
