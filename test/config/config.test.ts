// Loading of the environment: issues name their variables and no values, and no variable is ignored silently.
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { ConfigError, loadConfig } from '../../src/config/index.ts'
import { insecureSettings } from '../../src/config/warnings.ts'
import { spawnProgram } from '../helpers/spawn-program.ts'

const minimalEnv = { PROCORE_CLIENT_ID: 'client', PROCORE_CLIENT_SECRET: 'hunter2hunter2', CALLER_AUTH: 'none' }
const unreachableProcore = { PROCORE_API_URL: 'http://127.0.0.1:1', PROCORE_LOGIN_URL: 'http://127.0.0.1:1' }

function collectIssues (environment: Record<string, string>): readonly string[] {
  try {
    loadConfig(environment)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.issues
    throw error
  }
}

const getVariable = (issue: string) => issue.split(':')[0]

t.test('a minimal environment results in the defaults, frozen, without the secret in JSON', async t => {
  const config = loadConfig(minimalEnv)
  t.match(config, {
    listen: { host: '127.0.0.1', port: 3000 },
    log: { level: 'info' },
    body: {
      jsonMaxBytes: 262_144,
      avatarMaxBytes: 10_485_760,
      formBufferBytes: 262_144,
      idleTimeoutMs: 15_000,
      timeoutMs: 300_000,
    },
    endpoints: { stateCodes: 'iso' },
    procore: {
      apiUrl: 'https://api.procore.com',
      loginUrl: 'https://login.procore.com',
      connections: 128,
      timeoutMs: 20_000,
      formTimeoutMs: 60_000,
    },
    shutdown: { drainDelayMs: 0, graceMs: 25_000 },
  })
  t.equal(config.auth.companyIds.size, 0)
  t.equal(config.procore.clientSecret.reveal(), 'hunter2hunter2')
  t.throws(() => Object.assign(config.listen, { port: 1 }), 'frozen')
  t.notMatch(JSON.stringify(config), /hunter2/)
})

t.test('all issues are reported together, each with its variable and without its value', async t => {
  const issues = collectIssues({
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
  t.strictSame(issues.map(getVariable).sort(), [
    'CALLER_AUTH', 'JSON_MAX_BYTES', 'LOG_LEVEL', 'PORT', 'PROCORE_ALLOW_HTTP', 'PROCORE_API_URL', 'PROCORE_CLIENT_ID',
    'PROCORE_CLIENT_SCRET', 'PROCORE_CLIENT_SECRET', 'PROCORE_COMPANY_IDS', 'PROCORE_LOGIN_URL', 'SHUTDOWN_GRACE_MS',
    'UPSTREAM_TIMEOUT_MS',
  ])
  t.notMatch(issues.join('\n'), /hunter2|loud|65536/)
})

t.test('a URL with http:', async t => {
  for (const host of ['127.0.0.1:4010', 'localhost:4010', '[::1]:4010', '127.8.8.8']) {
    t.test(`${host} is accepted as a loopback host`, async t => {
      t.strictSame(collectIssues({ ...minimalEnv, PROCORE_API_URL: `http://${host}` }), [])
    })
  }
  for (const host of ['127.0.0.1.example.com', 'localhost.example.com', '10.0.0.1', 'api.procore.com']) {
    t.test(`${host} is accepted only with PROCORE_ALLOW_HTTP`, async t => {
      const env = { ...minimalEnv, PROCORE_LOGIN_URL: `http://${host}` }
      t.equal(collectIssues(env).length, 1)
      t.strictSame(collectIssues({ ...env, PROCORE_ALLOW_HTTP: 'true' }), [])
    })
  }
})

t.test('an API URL that is not an https: origin', async t => {
  const urls = [
    'ftp://127.0.0.1', 'api.procore.com', 'https://api.procore.com/rest', 'https://api.procore.com/?a=1', '//x',
  ]
  for (const url of urls) {
    t.test(`${url} is rejected`, async t => {
      t.equal(collectIssues({ ...minimalEnv, PROCORE_API_URL: url }).length, 1)
    })
  }
})

t.test('the hosts of files', async t => {
  const parseHosts = (text: string) => [...loadConfig({ ...minimalEnv, PROCORE_FILE_HOSTS: text }).procore.files.hosts]
  for (const [text, hosts] of [
    ['Files.Procore.com, storage.procore.com', ['files.procore.com', 'storage.procore.com']],
    ['files', ['files']],
  ] as const) {
    t.test(`${text} is accepted`, async t => { t.strictSame(parseHosts(text), hosts) })
  }
  for (const text of [
    'https://files.procore.com', 'files.procore.com:443', 'files.procore.com/a', '*.procore.com', '.procore.com', '8.8.8.8',
    '2130706433', '[::1]', '::1', 'user@files.procore.com', ',', 'files.procore.com.',
  ]) {
    t.test(`${text} is rejected`, async t => {
      t.strictSame(collectIssues({ ...minimalEnv, PROCORE_FILE_HOSTS: text }), [
        'PROCORE_FILE_HOSTS: must be names of hosts, separated by commas',
      ])
    })
  }
})

t.test('settings of JWTs', async t => {
  const jwtEnv = {
    ...minimalEnv, CALLER_AUTH: 'jwt', JWT_JWKS_URL: 'https://i.example.com/', JWT_ISSUER: 'i', JWT_AUDIENCE: 'a',
  }
  const rows = [
    { name: 'JWT_SCOPE_PREFIX', accepted: ['procore:', 'a/b#c', "'!~"], rejected: ['a b', 'a"', 'a\\', 'ü'] },
    { name: 'JWT_TYPES', accepted: ['at+jwt', 'application/at+jwt, JWT'], rejected: ['at jwt', ',', '"jwt"'] },
    { name: 'JWT_MAX_AGE_SECONDS', accepted: ['1', '86400'], rejected: ['0', '-1', '1.5', '1h', '01'] },
  ]
  for (const { name, accepted, rejected } of rows) {
    for (const value of accepted) {
      t.test(`${name}=${value} is accepted`, async t => {
        t.strictSame(collectIssues({ ...jwtEnv, [name]: value }), [])
      })
    }
    for (const value of rejected) {
      t.test(`${name}=${JSON.stringify(value)} is rejected`, async t => {
        t.strictSame(collectIssues({ ...jwtEnv, [name]: value }).map(getVariable), [name])
      })
    }
  }
})

t.test('a list of accepted hosts', async t => {
  for (const hosts of ['bff.example.com', '*.example.com, bff', 'bff.example.com:80', '192.0.2.1', '[::1]:80', '::1']) {
    t.test(`${hosts} is accepted`, async t => {
      t.strictSame(collectIssues({ ...minimalEnv, ALLOWED_HOSTS: hosts }), [])
    })
  }
  for (const hosts of ['*', 'https://bff.example.com', 'bff.example.com/x', 'a b', 'bff.*.com', '[::1', '.a.com']) {
    t.test(`${hosts} is rejected`, async t => {
      t.equal(collectIssues({ ...minimalEnv, ALLOWED_HOSTS: hosts }).length, 1)
    })
  }
})

t.test('an empty variable counts as unset', async t => {
  t.equal(loadConfig({ ...minimalEnv, PORT: '', PROCORE_COMPANY_IDS: '' }).listen.port, 3000)
  const issues = collectIssues({ ...minimalEnv, PROCORE_CLIENT_SECRET: '' })
  t.strictSame(issues, ['PROCORE_CLIENT_SECRET: is required'])
})

t.test('lists, enums and integers are parsed', async t => {
  const config = loadConfig({
    ...minimalEnv,
    PROCORE_COMPANY_IDS: ' 101, 102,,562949953421312',
    STATE_CODES: 'any',
    STATE_KEYS: 'newest, oldest',
    PORT: '0',
    DRAIN_DELAY_MS: '5000',
  })
  t.strictSame(config.storage.stateKeys.map(stateKey => stateKey.reveal()), ['newest', 'oldest'])
  t.strictSame([...config.auth.companyIds], [101, 102, 562949953421312])
  t.match(config, { endpoints: { stateCodes: 'any' }, listen: { port: 0 }, shutdown: { drainDelayMs: 5000 } })
})

t.test('ORIGIN_ID_PREFIX', async t => {
  for (const value of ['', 'bff-', 'App_1.x:', 'x'.repeat(32)]) {
    t.equal(loadConfig({ ...minimalEnv, ORIGIN_ID_PREFIX: value }).storage.originIdPrefix, value)
  }
  for (const value of ['a b', 'a/b', 'a"', 'ä', 'x'.repeat(33)]) {
    t.test(`with the value ${value} is rejected`, async t => {
      const issues = collectIssues({ ...minimalEnv, ORIGIN_ID_PREFIX: value })
      t.strictSame(issues, ['ORIGIN_ID_PREFIX: must have at most 32 characters of A-Z a-z 0-9 . _ : -'])
    })
  }
  t.test('without STATE_KEYS is a warning', async t => {
    const warning = /^STATE_KEYS is empty: .* origin ids/
    const hasWarning = (env: Record<string, string>) => {
      return insecureSettings(loadConfig({ ...minimalEnv, ...env })).some(message => warning.test(message))
    }
    t.ok(hasWarning({ ORIGIN_ID_PREFIX: 'bff-' }))
    t.notOk(hasWarning({ ORIGIN_ID_PREFIX: 'bff-', STATE_KEYS: 'first' }))
    t.notOk(hasWarning({}))
  })
})

t.test('a list that is set but has no items, which would disable a limit', async t => {
  const lists = ['PROCORE_COMPANY_IDS', 'PERMISSION_TEMPLATE_IDS', 'TRUSTED_PROXIES', 'CORS_ORIGINS', 'STATE_KEYS']
  for (const name of lists) {
    for (const value of [',', ' , ', ' ']) {
      t.test(`${name}='${value}' is rejected`, async t => {
        const issues = collectIssues({ ...minimalEnv, [name]: value })
        t.equal(issues.length, 1)
        t.match(issues, [new RegExp(`^${name}: must `)])
      })
    }
  }
})

t.test('the settings of CALLER_AUTH=jwt', async t => {
  const jwtEnv = { ...minimalEnv, CALLER_AUTH: 'jwt' }
  const completeEnv = {
    ...jwtEnv,
    JWT_JWKS_URL: 'https://issuer.example.com/jwks?x=1',
    JWT_ISSUER: 'i',
    JWT_AUDIENCE: 'a',
  }
  t.test('are required together', async t => {
    t.strictSame(collectIssues(jwtEnv).map(getVariable), ['JWT_JWKS_URL', 'JWT_ISSUER', 'JWT_AUDIENCE'])
    t.strictSame(collectIssues(completeEnv), [])
    t.match(loadConfig(completeEnv).auth.jwt, {
      jwksUrl: 'https://issuer.example.com/jwks?x=1',
      issuer: 'i',
      audience: 'a',
      companiesClaim: '',
      scopePrefix: '',
    })
  })
  t.test('accept an http: JWKS URL only for a loopback host', async t => {
    t.strictSame(collectIssues({ ...completeEnv, JWT_JWKS_URL: 'http://127.0.0.1:1/jwks' }), [])
    t.equal(collectIssues({ ...completeEnv, JWT_JWKS_URL: 'http://issuer.example.com/jwks' }).length, 1)
  })
})

t.test('networks, origins and a proxy', async t => {
  t.test('valid values are accepted', async t => {
    const issues = collectIssues({
      ...minimalEnv,
      TRUSTED_PROXIES: '10.0.0.0/8, 127.0.0.1, ::1, fd00::/8',
      CORS_ORIGINS: 'https://a.example.com,http://localhost:5173',
      HTTPS_PROXY: 'http://user:pass@proxy:3128',
    })
    t.strictSame(issues, [])
  })
  const invalidNetworks = ['10.0.0.0/33', 'all', '1', 'loopback', '10.0.0.0/8/8', 'true']
  const invalidOrigins = [
    '*', 'a.example.com', 'https://a.example.com/', 'https://a.example.com/x', 'null', 'https://*.example.com',
    'https://a.example.com:*', 'capacitor://', 'https://a.example.com:443',
  ]
  const rows = [
    ...invalidNetworks.map(value => ({ name: 'TRUSTED_PROXIES', value })),
    ...invalidOrigins.map(value => ({ name: 'CORS_ORIGINS', value })),
    { name: 'HTTPS_PROXY', value: 'proxy:3128' },
  ]
  for (const { name, value } of rows) {
    t.test(`${name}=${value} is rejected`, async t => {
      t.equal(collectIssues({ ...minimalEnv, [name]: value }).length, 1)
    })
  }
})

t.test('a secret from a file', async t => {
  const directory = t.testdir({ secret: 'hunter2\n', empty: '\n' })
  const { PROCORE_CLIENT_SECRET: _, ...envWithoutSecret } = minimalEnv
  t.test('is read without white space', async t => {
    const config = loadConfig({ ...envWithoutSecret, PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` })
    t.equal(config.procore.clientSecret.reveal(), 'hunter2')
  })
  const rows = [
    {
      name: 'is rejected beside the variable',
      env: { ...minimalEnv, PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` },
      issue: 'PROCORE_CLIENT_SECRET_FILE: PROCORE_CLIENT_SECRET is set as well; set one of them',
    },
    {
      name: 'is rejected if the file is empty',
      env: { ...envWithoutSecret, PROCORE_CLIENT_SECRET_FILE: `${directory}/empty` },
      issue: 'PROCORE_CLIENT_SECRET_FILE: the file is empty',
    },
    {
      name: 'is rejected if the file cannot be read',
      env: { ...envWithoutSecret, PROCORE_CLIENT_SECRET_FILE: `${directory}/none` },
      issue: 'PROCORE_CLIENT_SECRET_FILE: the file cannot be read (ENOENT)',
    },
  ]
  for (const { name, env, issue } of rows) {
    t.test(name, async t => {
      t.match(collectIssues(env), [issue])
    })
  }
})

t.test('white space around a value is removed, for', async t => {
  const values = {
    HOST: '127.0.0.1',
    PORT: '0',
    PROCORE_API_URL: 'https://api.example.com',
    PROCORE_CLIENT_ID: 'id',
    PROCORE_CLIENT_SECRET: 'hunter2',
    CALLER_AUTH: 'jwt',
    JWT_JWKS_URL: 'https://issuer.example.com/jwks',
    JWT_ISSUER: 'issuer',
    JWT_AUDIENCE: 'audience',
    JWT_COMPANIES_CLAIM: 'companies',
    JWT_SCOPE_PREFIX: 'procore:',
    PROCORE_COMPANY_IDS: '101',
    HTTPS_PROXY: 'http://proxy:3128',
    NO_PROXY: 'example.com',
    REDIS_URL: 'redis://127.0.0.1',
    STATUS_PAGE: 'true',
    LOG_LEVEL: 'warn',
    UPSTREAM_TIMEOUT_MS: '1000',
  }
  const reveal = (env: Record<string, string>) => {
    const config = loadConfig(env)
    const { procore: { clientId, clientSecret }, storage: { redisUrl }, proxy } = config
    return [JSON.stringify(config), clientId.reveal(), clientSecret.reveal(), redisUrl?.reveal(), proxy.url.reveal()]
  }
  for (const [name, value] of Object.entries(values)) {
    t.test(name, async t => {
      t.strictSame(reveal({ ...values, [name]: `\t ${value} \r\n` }), reveal(values))
    })
  }
  t.test('an old name beside its new one', async t => {
    const env = { ...minimalEnv, RATE_WAIT_MS: '100\n', RATE_LIMIT_MAX_WAIT_MS: '100' }
    t.match(loadConfig(env).obsoleteVariables, ['RATE_WAIT_MS'])
  })
})

t.test('a timeout for forms below the one for other requests is a warning', async t => {
  const warnings = (env: Record<string, string>) => insecureSettings(loadConfig({ ...minimalEnv, ...env })).join('\n')
  t.match(warnings({ UPSTREAM_FORM_TIMEOUT_MS: '19999' }), /^UPSTREAM_FORM_TIMEOUT_MS is below UPSTREAM_TIMEOUT_MS/m)
  t.notMatch(warnings({ UPSTREAM_FORM_TIMEOUT_MS: '20000' }), /UPSTREAM_FORM_TIMEOUT_MS/)
})

t.test('a value of white space only is rejected, and not taken for an unset variable', async t => {
  const issues = collectIssues({ ...minimalEnv, PROCORE_COMPANY_IDS: ' \n' })
  t.strictSame(issues, ['PROCORE_COMPANY_IDS: must not consist of white space'])
})

t.test('a control character within a value is rejected, in', async t => {
  const directory = t.testdir({ secret: 'hunt\ner2\n' })
  for (const name of ['PROCORE_CLIENT_ID', 'PROCORE_CLIENT_SECRET', 'JWT_ISSUER', 'NO_PROXY', 'HOST']) {
    for (const [character, label] of [['\n', 'a line break'], ['\u0007', 'a bell'], ['\u007f', 'DEL']] as const) {
      t.test(`${name}: ${label}`, async t => {
        const issues = collectIssues({ ...minimalEnv, [name]: `hunt${character}er2` })
        t.strictSame(issues, [`${name}: must not contain control characters`])
      })
    }
  }
  t.test('a file', async t => {
    const { PROCORE_CLIENT_SECRET: _, ...env } = minimalEnv
    const issues = collectIssues({ ...env, PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` })
    t.strictSame(issues, ['PROCORE_CLIENT_SECRET: must not contain control characters'])
  })
})

t.test('the URL of Redis', async t => {
  const directory = t.testdir({ url: 'rediss://:hunter2@redis.example.com\n' })
  t.test('is read from REDIS_URL_FILE', async t => {
    const { storage } = loadConfig({ ...minimalEnv, REDIS_URL_FILE: `${directory}/url` })
    t.equal(storage.redisUrl?.reveal(), 'rediss://:hunter2@redis.example.com')
  })
  for (const url of ['redis://127.0.0.1:6379', 'redis://localhost', 'redis://[::1]:6379', 'rediss://redis.example']) {
    t.test(`${url} is accepted`, async t => {
      t.strictSame(collectIssues({ ...minimalEnv, REDIS_URL: url }), [])
    })
  }
  for (const url of ['redis://redis:6379', 'redis://:hunter2@10.0.0.1', 'redis://localhost.example.com']) {
    t.test(`${url} is accepted only with REDIS_ALLOW_PLAINTEXT`, async t => {
      const issue = 'REDIS_URL: must use rediss:; redis: needs a loopback host or REDIS_ALLOW_PLAINTEXT=true'
      t.strictSame(collectIssues({ ...minimalEnv, REDIS_URL: url }), [issue])
      t.strictSame(collectIssues({ ...minimalEnv, REDIS_URL: url, REDIS_ALLOW_PLAINTEXT: 'true' }), [])
    })
  }
  t.test('has a scheme in lower case, as the client of Redis needs it for TLS', async t => {
    const { storage } = loadConfig({ ...minimalEnv, REDIS_URL: 'REDISS://:hunter2@redis.example.com' })
    t.equal(storage.redisUrl?.reveal(), 'rediss://:hunter2@redis.example.com')
  })
  for (const url of ['rediss:user:hunter2@redis.example.com', 'rediss:///0', 'redis.example.com:6379']) {
    t.test(`${url} is refused`, async t => {
      const issue = 'REDIS_URL: must be a redis: or rediss: URL with a host'
      t.strictSame(collectIssues({ ...minimalEnv, REDIS_URL: url }), [issue])
    })
  }
})

for (const [name, url] of [['REDIS_URL', 'rediss://:50%@redis'], ['HTTPS_PROXY', 'http://user:50%@proxy']] as const) {
  t.test(`a password in ${name} that is not percent-encoded is an issue`, async t => {
    const issue = `${name}: the user name and the password must be percent-encoded`
    t.strictSame(collectIssues({ ...minimalEnv, [name]: url }), [issue])
  })
}

t.test('a secret file that has a control character after SIGHUP keeps the old value', async t => {
  const file = `${t.testdir({ secret: 'first\n' })}/secret`
  const { PROCORE_CLIENT_SECRET: _, ...env } = minimalEnv
  const { clientSecret } = loadConfig({ ...env, PROCORE_CLIENT_SECRET_FILE: file }).procore
  writeFileSync(file, 'sec\nond\n')
  t.equal(clientSecret.reload(), false)
  t.equal(clientSecret.reveal(), 'first')
})

t.test('a renamed variable', async t => {
  const renamed = [
    ['FORM_HOLD_BYTES', 'FORM_BUFFER_BYTES', '4096', '8192'],
    ['RATE_WAIT_MS', 'RATE_LIMIT_MAX_WAIT_MS', '100', '200'],
    ['PROCORE_ALLOWANCE', 'PROCORE_RATE_LIMIT_SCOPE', 'service', 'company'],
    ['CACHE_SECONDS', 'PICK_LIST_CACHE_SECONDS', '0', '60'],
  ] as const
  for (const [oldName, newName, value, otherValue] of renamed) {
    t.test(`${oldName} alone is rejected with the new name`, async t => {
      const issues = collectIssues({ ...minimalEnv, [oldName]: value })
      t.strictSame(issues, [`${oldName}: was renamed; set ${newName} instead`])
    })
    t.test(`${oldName} beside ${newName} with the same value is a warning`, async t => {
      const config = loadConfig({ ...minimalEnv, [oldName]: value, [newName]: value })
      t.match(insecureSettings(config).at(-1), `${oldName} was renamed and is ignored: remove it`)
    })
    t.test(`${oldName} beside ${newName} with another value is rejected`, async t => {
      t.strictSame(collectIssues({ ...minimalEnv, [oldName]: value, [newName]: otherValue }), [
        `${oldName}: was renamed to ${newName}, which has another value; remove ${oldName}`,
      ])
    })
  }
})

t.test('a variable that the service does not know', async t => {
  for (const name of ['PROCORE_SANDBOX', 'JWT_SECRET', 'CALLER_RATE']) {
    t.test(`${name} has a prefix of the service and is rejected`, async t => {
      t.strictSame(collectIssues({ ...minimalEnv, [name]: 'x' }), [`${name}: is not a known setting`])
    })
  }
  const misspelt = [
    ['PROCORE_CLIENT_SECRT', 'PROCORE_CLIENT_SECRET'],
    ['UPLOAD_TIMEOUT', 'UPLOAD_TIMEOUT_MS'],
    ['TRUSTED_PROXY', 'TRUSTED_PROXIES'],
    ['CORS_ORIGIN', 'CORS_ORIGINS'],
    ['REDIS_URI', 'REDIS_URL'],
    ['redis_url', 'REDIS_URL'],
    ['REDIS_URL_FIL', 'REDIS_URL_FILE'],
    ['LOGLEVEL', 'LOG_LEVEL'],
  ] as const
  for (const [name, meant] of misspelt) {
    t.test(`${name} is similar to ${meant} and is rejected`, async t => {
      const issues = collectIssues({ ...minimalEnv, [name]: 'hunter2' })
      t.strictSame(issues, [`${name}: is not a known setting; did you mean ${meant}?`])
    })
  }
  const foreign = [
    'REDIS_PASSWORD', 'REDIS_HOST', 'REDIS_PORT', 'REDIS_DB', 'CACHE_DIR', 'HTTP_PROXY', 'ALL_PROXY', 'FTP_PROXY',
    'HOSTNAME', 'HOME', 'PATH', 'IDEMPOTENCY', 'OTEL_EXPORTER_OTLP_TIMEOUT',
    'NODE_OPTIONS', 'LS_COLORS', 'npm_config_https_proxy',
  ]
  for (const name of foreign) {
    t.test(`${name} belongs to another program and is ignored`, async t => {
      t.strictSame(collectIssues({ ...minimalEnv, [name]: '\u001b[0m ' }), [])
    })
  }
  t.test('of a Kubernetes service called `procore` is ignored', async t => {
    const kubernetesEnv = {
      PROCORE_SERVICE_HOST: '10.0.0.1',
      PROCORE_SERVICE_PORT: '80',
      PROCORE_PORT: 'tcp://10.0.0.1:80',
      PROCORE_PORT_80_TCP_ADDR: '10.0.0.1',
      PATH: '/bin',
    }
    t.strictSame(collectIssues({ ...minimalEnv, ...kubernetesEnv }), [])
  })
})

t.test('the process writes each issue on its own line to stderr and exits with status 1', async t => {
  const env = { PROCORE_CLIENT_SECRET: 'hunter2', PORT: 'x', UPSTREAM_TIMEOUT_MS: '0' }
  const program = spawnProgram(t, 'src/main.js', env)
  t.strictSame(await program.exit, { code: 1, signal: null })
  const variables = program.stderr().trim().split('\n').map(getVariable)
  t.strictSame(variables.sort(), ['CALLER_AUTH', 'PORT', 'PROCORE_CLIENT_ID', 'UPSTREAM_TIMEOUT_MS'])
  t.strictSame(program.lines, [])
})

t.test('the process exits with status 1 and one line on stderr if its address is in use', async t => {
  const first = spawnProgram(t, 'src/main.js', { ...minimalEnv, ...unreachableProcore, PORT: '0' })
  const { port } = new URL(await first.listening)
  const second = spawnProgram(t, 'src/main.js', { ...minimalEnv, ...unreachableProcore, PORT: port })
  t.equal((await second.exit).code, 1)
  t.match(second.stderr(), /^HOST, PORT: [^\n]*EADDRINUSE[^\n]*\n$/)
  t.match(second.stderr(), `port ${port} of 127.0.0.1 is in use by another program`)
  t.match(second.stderr(), 'set PORT to a free port')
})

t.test('the process reads secrets from files, without a secret in its environment or log', async t => {
  const directory = t.testdir()
  writeFileSync(`${directory}/id`, 'client')
  writeFileSync(`${directory}/secret`, 'hunter2\n')
  const program = spawnProgram(t, 'src/main.js', {
    ...unreachableProcore,
    PORT: '0',
    CALLER_AUTH: 'none',
    PROCORE_CLIENT_ID_FILE: `${directory}/id`,
    PROCORE_CLIENT_SECRET_FILE: `${directory}/secret`,
  })
  t.match(await program.listening, /^http:\/\/127\.0\.0\.1:\d+$/)
  program.child.kill('SIGTERM')
  t.equal((await program.exit).code, 0)
  t.notMatch(program.lines.join('\n'), /hunter2/)
})
