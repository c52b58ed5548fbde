// Sends recognizable values against every fault, with the log at its most verbose. No log line has any of them.
// The helpers look for credentials in the traffic of all other tests, too.
import { inspect } from 'node:util'
import t from 'tap'
import { loadConfig } from '../../src/config/index.ts'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { shutDown } from '../../src/server/shutdown.ts'
import { png } from '../helpers/images.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { startOtlpReceiver } from '../helpers/otlp-receiver.ts'
import { avatarPart, get } from '../helpers/request-builders.ts'
import { multipartBody, sendMultipart, sendJson, type TestResponse } from '../helpers/requests.ts'
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
const statusFaults: InjectedFault[] = [201, 302, 400, 401, 403, 409, 422, 429, 500, 503].map(status => ({
  kind: 'status',
  status,
  body: '{"errors":{"zzfield":["zzmessage"]},"message":"zzmessage"}',
  headers: { location: 'http://zzhost.example/', 'x-zz': 'zzheader' },
}))
const connectionFaults: InjectedFault[] = [
  { kind: 'reset-before-body' },
  { kind: 'reset-after-body' },
  { kind: 'truncate' },
  { kind: 'garbage' },
  { kind: 'silence' },
  { kind: 'stall' },
]
const faults: InjectedFault[] = [
  ...connectionFaults,
  { kind: 'raw', raw: 'HTTP/1.1 201 zzraw\r\nzz: zzraw\r\ncontent-length: zzraw\r\n\r\n' },
  ...statusFaults,
  { kind: 'early', status: 413, body: 'zzbody' },
]

t.test('no log line, metric, span or status event has a value of the caller\'s or of Procore\'s', async t => {
  const receiver = await startOtlpReceiver(t)
  const issuer = await startIssuer(t)
  const { app, url, lines, emulator } = await startService(t, {
    env: {
      ...issuer.env,
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      STATUS_PAGE: 'true',
      UPSTREAM_TIMEOUT_MS: '150',
      UPSTREAM_FORM_TIMEOUT_MS: '150',
      UPLOAD_IDLE_TIMEOUT_MS: '150',
      RATE_LIMIT_MAX_WAIT_MS: '0',
    },
  })
  const headers = {
    ...bearerHeader(await issuer.sign({ email: 'zzmail@zzhost.example', name: 'Zzname' })),
    cookie: 'zzcookie=1',
    'user-agent': 'zzagent',
    referer: 'http://zzhost.example',
  }
  const fields = Object.entries(user).map(([name, data]) => ({ name: `user[${name}]`, data }))
  const avatar = avatarPart(png(500_000), 'zzname.png')
  const senders: Array<(usersUrl: string, headers: Record<string, string>) => Promise<TestResponse>> = [
    (usersUrl, headers) => sendJson(usersUrl, { user }, headers),
    (usersUrl, headers) => sendMultipart(usersUrl, multipartBody(fields), headers),
    (usersUrl, headers) => sendMultipart(usersUrl, multipartBody([avatar, ...fields]), headers),
  ]
  let companyId = 1
  for (const fault of [undefined, ...faults]) {
    for (const sendUser of senders) {
      const usersUrl = `${url}/companies/${companyId++}/users`
      emulator.faults.clear()
      if (fault !== undefined) emulator.faults.add(fault)
      await sendUser(usersUrl, { ...headers, 'idempotency-key': `zzkey${companyId}` })
    }
  }
  const usersUrl = `${url}/companies/1/users`
  const invalidBody = { zzkey: { zzfield: 'zz' }, user: { ...user, country_code: 'zz' } }
  await sendJson(`${url}/companies/zzcompany/users?zzquery=zzquery`, invalidBody, headers)
  await sendJson(usersUrl, '{"user":{"last_name":"zzlast"', headers)
  const invalidParts = [{ name: 'user[zzfield]', data: 'zz' }, avatarPart('<svg>zz</svg>', 'zz.svg')]
  await sendMultipart(usersUrl, multipartBody(invalidParts), headers)
  await sendJson(usersUrl, { user }, bearerHeader('zztoken.zztoken.zztoken'))

  t.ok(lines.length > 60)
  t.notMatch((await get(`${url}/metrics`)).text, /zz/i)
  t.notMatch((await get(`${url}/readyz`)).text, /zz/i)
  const events = await fetch(`${url}/status/events`)
  const { value } = await events.body?.getReader().read() ?? {}
  const firstEvents = Buffer.from(value ?? []).toString()
  t.match(firstEvents, /validation_failed/)
  t.notMatch(firstEvents, /zz/i)

  await shutDown(app, { drainDelayMs: 0, graceMs: 5000 })
  t.ok(receiver.spans.length > 60)
  t.notMatch(JSON.stringify([receiver.spans, receiver.resource]), /zz|demo-secret/i)
  // A fingerprint is a hash, and may have `zz` by chance.
  const leaks = lines.map(line => JSON.stringify(line)).filter(line => {
    return /zz/i.test(line.replace(/"fingerprint":"[\w-]*"/, ''))
  })
  t.strictSame(leaks, [])
})

t.test('a printed configuration has no secrets, and they cannot be enumerated', async t => {
  const config = loadConfig({
    CALLER_AUTH: 'none',
    PROCORE_CLIENT_ID: 'zzclient',
    PROCORE_CLIENT_SECRET: 'zzsecret',
    HTTPS_PROXY: 'http://user:zzproxy@proxy:1',
    REDIS_URL: 'rediss://:zzredis@redis',
  })
  const { clientSecret } = config.procore
  t.notMatch(JSON.stringify(config), /zz/)
  t.notMatch(inspect(config, { depth: 9, showHidden: true }), /zz/)
  t.notMatch(String(clientSecret), /zz/)
  t.strictSame([...Object.keys(clientSecret), ...Object.getOwnPropertyNames(clientSecret)], [])
})

t.test('an uncaught error ends the process with a log line that names it and has no secret', async t => {
  const emulator = await startTestEmulator(t)
  const directory = t.testdir({
    'crash.mjs': `
      const details = { headers: { authorization: "Bearer zztoken" }, body: "zzbody" }
      setTimeout(() => { Promise.reject(Object.assign(new Error("uncaught"), details)) }, 1500)`,
  })
  const program = spawnProgram(t, 'src/main.js', {
    ...serviceEnvironment(emulator),
    NODE_OPTIONS: `--import=${directory}/crash.mjs`,
  })
  t.equal((await program.exit).code, 1)
  const log = program.lines.join('\n')
  t.match(log, /"level":"fatal"[^\n]*"message":"uncaught"/)
  t.notMatch(log + program.stderr(), /zztoken|zzbody|demo-secret/)
})
