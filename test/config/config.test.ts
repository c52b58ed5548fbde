// The environment: every fault is told at once by the name of its variable, no value is shown, and nothing that is set is ignored.
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { ConfigError, loadConfig } from '../../src/config/index.ts'
import { insecureSettings } from '../../src/config/warnings.ts'
import { spawnProgram } from '../helpers/spawn-program.ts'

const needed = { PROCORE_CLIENT_ID: 'client', PROCORE_CLIENT_SECRET: 'hunter2hunter2', CALLER_AUTH: 'none' }

function faultsOf (environment: Record<string, string>): readonly string[] {
  try {
    loadConfig(environment)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.issues
    throw error
  }
}

t.test('defaults', async t => {
  const config = loadConfig(needed)
  t.match(config, {
    listen: { host: '127.0.0.1', port: 3000 },
    log: { level: 'info' },
    body: { jsonMaxBytes: 262_144, avatarMaxBytes: 10_485_760, formBufferBytes: 262_144, idleTimeoutMs: 15_000, timeoutMs: 300_000 },
    endpoints: { stateCodes: 'iso' },
    procore: { apiUrl: 'https://api.procore.com', loginUrl: 'https://login.procore.com', connections: 128, timeoutMs: 20_000 },
    shutdown: { drainDelayMs: 0, graceMs: 25_000 },
  })
  t.equal(config.auth.companyIds.size, 0)
  t.equal(config.procore.clientSecret.reveal(), 'hunter2hunter2')
  t.throws(() => Object.assign(config.listen, { port: 1 }), 'frozen')
  t.notMatch(JSON.stringify(config), /hunter2/)
})

t.test('all faults at once, each by the name of its variable, none with its value', async t => {
  const faults = faultsOf({
    PROCORE_API_URL: 'http://hunter2.example.com',
    PROCORE_LOGIN_URL: 'https://user:hunter2@login.example.com',
    PROCORE_COMPANY_IDS: '101,hunter2',
    PORT: '65536',
    JSON_MAX_BYTES: '0',
    UPSTREAM_TIMEOUT_MS: 'hunter2',
    LOG_LEVEL: 'loud',
    CALLER_AUTH: 'hunter2',
    SHUTDOWN_GRACE_MS: '-1',
    PROCORE_ALLOW_HTTP: 'maybe',
    PROCORE_CLIENT_SCRET: 'hunter2',
  })
  const names = faults.map(fault => fault.split(':')[0]).sort()
  t.strictSame(names, [
    'CALLER_AUTH', 'JSON_MAX_BYTES', 'LOG_LEVEL', 'PORT', 'PROCORE_ALLOW_HTTP', 'PROCORE_API_URL', 'PROCORE_CLIENT_ID', 'PROCORE_CLIENT_SCRET',
    'PROCORE_CLIENT_SECRET', 'PROCORE_COMPANY_IDS', 'PROCORE_LOGIN_URL', 'SHUTDOWN_GRACE_MS', 'UPSTREAM_TIMEOUT_MS',
  ])
  t.notMatch(faults.join('\n'), /hunter2|loud|65536/)
})

t.test('where http: is accepted', async t => {
  for (const host of ['127.0.0.1:4010', 'localhost:4010', '[::1]:4010', '127.8.8.8']) t.strictSame(faultsOf({ ...needed, PROCORE_API_URL: `http://${host}` }), [], host)
  for (const host of ['127.0.0.1.example.com', 'localhost.example.com', '10.0.0.1', 'api.procore.com']) {
    t.strictSame(faultsOf({ ...needed, PROCORE_LOGIN_URL: `http://${host}` }).length, 1, host)
    t.strictSame(faultsOf({ ...needed, PROCORE_LOGIN_URL: `http://${host}`, PROCORE_ALLOW_HTTP: 'true' }), [], host)
  }
  for (const url of ['ftp://127.0.0.1', 'api.procore.com', 'https://api.procore.com/rest', 'https://api.procore.com/?a=1', '//x']) {
    t.strictSame(faultsOf({ ...needed, PROCORE_API_URL: url }).length, 1, url)
  }
})

t.test('an empty variable counts as unset', async t => {
  t.equal(loadConfig({ ...needed, PORT: '', PROCORE_COMPANY_IDS: '' }).listen.port, 3000)
  t.strictSame(faultsOf({ ...needed, PROCORE_CLIENT_SECRET: '' }), ['PROCORE_CLIENT_SECRET: is required'])
})

t.test('lists and other types', async t => {
  const config = loadConfig({ ...needed, PROCORE_COMPANY_IDS: ' 101, 102,,562949953421312', STATE_CODES: 'any', PORT: '0', DRAIN_DELAY_MS: '5000' })
  t.strictSame([...config.auth.companyIds], [101, 102, 562949953421312])
  t.match(config, { endpoints: { stateCodes: 'any' }, listen: { port: 0 }, shutdown: { drainDelayMs: 5000 } })
})

t.test('a list that is set and holds nothing is a fault: it was meant to limit something', async t => {
  for (const name of ['PROCORE_COMPANY_IDS', 'PERMISSION_TEMPLATE_IDS', 'TRUSTED_PROXIES', 'CORS_ORIGINS']) {
    for (const value of [',', ' , ', ' ']) t.match(faultsOf({ ...needed, [name]: value }), [new RegExp(`^${name}: must be `)], name)
  }
})

t.test('what verifies callers is required together, and may be http: on this machine only', async t => {
  const jwt = { ...needed, CALLER_AUTH: 'jwt' }
  t.strictSame(faultsOf(jwt).map(fault => fault.split(':')[0]), ['JWT_JWKS_URL', 'JWT_ISSUER', 'JWT_AUDIENCE'])
  const whole = { ...jwt, JWT_JWKS_URL: 'https://issuer.example.com/jwks?x=1', JWT_ISSUER: 'i', JWT_AUDIENCE: 'a' }
  t.strictSame(faultsOf(whole), [])
  t.match(loadConfig(whole).auth.jwt, { jwksUrl: 'https://issuer.example.com/jwks?x=1', issuer: 'i', audience: 'a', companiesClaim: '', scopePrefix: '' })
  t.strictSame(faultsOf({ ...whole, JWT_JWKS_URL: 'http://127.0.0.1:1/jwks' }), [])
  t.strictSame(faultsOf({ ...whole, JWT_JWKS_URL: 'http://issuer.example.com/jwks' }).length, 1)
})

t.test('networks, origins and a proxy', async t => {
  t.strictSame(faultsOf({ ...needed, TRUSTED_PROXIES: '10.0.0.0/8, 127.0.0.1, ::1, fd00::/8', CORS_ORIGINS: 'https://a.example.com,http://localhost:5173', HTTPS_PROXY: 'http://user:pass@proxy:3128' }), [])
  for (const value of ['10.0.0.0/33', 'all', '1', 'loopback', '10.0.0.0/8/8', 'true']) t.strictSame(faultsOf({ ...needed, TRUSTED_PROXIES: value }).length, 1, value)
  for (const value of ['*', 'a.example.com', 'https://a.example.com/', 'https://a.example.com/x', 'null']) t.strictSame(faultsOf({ ...needed, CORS_ORIGINS: value }).length, 1, value)
  t.strictSame(faultsOf({ ...needed, HTTPS_PROXY: 'proxy:3128' }).length, 1)
})

t.test('secrets from files', async t => {
  const directory = t.testdir({ secret: 'hunter2\n', empty: '\n' })
  const { PROCORE_CLIENT_SECRET: _, ...rest } = needed
  t.equal(loadConfig({ ...rest, PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` }).procore.clientSecret.reveal(), 'hunter2')
  t.match(faultsOf({ ...needed, PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` }), ['PROCORE_CLIENT_SECRET_FILE: PROCORE_CLIENT_SECRET is set as well; set one of them'])
  t.match(faultsOf({ ...rest, PROCORE_CLIENT_SECRET_FILE: `${directory}/empty` }), ['PROCORE_CLIENT_SECRET_FILE: the file is empty'])
  t.match(faultsOf({ ...rest, PROCORE_CLIENT_SECRET_FILE: `${directory}/none` }), ['PROCORE_CLIENT_SECRET_FILE: the file cannot be read (ENOENT)'])
})

t.test('a renamed variable', async t => {
  const renamed = [
    ['FORM_HOLD_BYTES', 'FORM_BUFFER_BYTES', '4096', '8192'],
    ['RATE_WAIT_MS', 'RATE_LIMIT_MAX_WAIT_MS', '100', '200'],
    ['PROCORE_ALLOWANCE', 'PROCORE_RATE_LIMIT_SCOPE', 'service', 'company'],
    ['CACHE_SECONDS', 'PICK_LIST_CACHE_SECONDS', '0', '60'],
  ] as const
  for (const [oldName, newName, value, otherValue] of renamed) {
    t.test(`${oldName} alone is refused with the new name`, async t => {
      t.strictSame(faultsOf({ ...needed, [oldName]: value }), [`${oldName}: was renamed; set ${newName} instead`])
    })
    t.test(`${oldName} beside ${newName} with the same value is a warning`, async t => {
      const config = loadConfig({ ...needed, [oldName]: value, [newName]: value })
      t.match(insecureSettings(config).at(-1), `${oldName} was renamed and is ignored: remove it`)
    })
    t.test(`${oldName} beside ${newName} with another value is refused`, async t => {
      t.strictSame(faultsOf({ ...needed, [oldName]: value, [newName]: otherValue }), [
        `${oldName}: was renamed to ${newName}, which has another value; remove ${oldName}`,
      ])
    })
  }
})

t.test('what is set is never ignored', async t => {
  for (const name of ['PROCORE_CLIENT_SECRT', 'JWT_ISSUR', 'CALLER_RATE', 'UPLOAD_TIMEOUT', 'AVATAR_MAX', 'FORM_HOLD', 'IDEMPOTENCY']) {
    const faults = faultsOf({ ...needed, [name]: 'x' })
    if (name.includes('_')) t.strictSame(faults, [`${name}: is not a known setting`])
  }
  // Kubernetes puts these into every pod beside a service called `procore`.
  t.strictSame(faultsOf({ ...needed, PROCORE_SERVICE_HOST: '10.0.0.1', PROCORE_SERVICE_PORT: '80', PROCORE_PORT: 'tcp://10.0.0.1:80', PROCORE_PORT_80_TCP_ADDR: '10.0.0.1', PATH: '/bin' }), [])
})

t.test('the process: every fault on a line of its own on stderr, exit status 1', async t => {
  const program = spawnProgram(t, 'src/main.ts', { PROCORE_CLIENT_SECRET: 'hunter2', PORT: 'x', UPSTREAM_TIMEOUT_MS: '0' })
  t.strictSame(await program.exit, { code: 1, signal: null })
  t.strictSame(program.stderr().trim().split('\n').map(line => line.split(':')[0]).sort(), ['CALLER_AUTH', 'PORT', 'PROCORE_CLIENT_ID', 'UPSTREAM_TIMEOUT_MS'])
  t.strictSame(program.lines, [])
})

t.test('the process: an address that is taken is exit status 1 and one clear line', async t => {
  const first = spawnProgram(t, 'src/main.ts', { ...needed, PORT: '0', PROCORE_API_URL: 'http://127.0.0.1:1', PROCORE_LOGIN_URL: 'http://127.0.0.1:1' })
  const { port } = new URL(await first.listening)
  const second = spawnProgram(t, 'src/main.ts', { ...needed, PORT: port, PROCORE_API_URL: 'http://127.0.0.1:1', PROCORE_LOGIN_URL: 'http://127.0.0.1:1' })
  t.equal((await second.exit).code, 1)
  t.match(second.stderr(), /^HOST, PORT: [^\n]*EADDRINUSE[^\n]*\n$/)
})

t.test('the process: secrets from files, and no secret in its environment', async t => {
  const directory = t.testdir()
  writeFileSync(`${directory}/id`, 'client')
  writeFileSync(`${directory}/secret`, 'hunter2\n')
  const program = spawnProgram(t, 'src/main.ts', { PORT: '0', CALLER_AUTH: 'none', PROCORE_CLIENT_ID_FILE: `${directory}/id`, PROCORE_CLIENT_SECRET_FILE: `${directory}/secret`, PROCORE_API_URL: 'http://127.0.0.1:1', PROCORE_LOGIN_URL: 'http://127.0.0.1:1' })
  t.match(await program.listening, /^http:\/\/127\.0\.0\.1:\d+$/)
  program.child.kill('SIGTERM')
  t.equal((await program.exit).code, 0)
  t.notMatch(program.lines.join('\n'), /hunter2/)
})
