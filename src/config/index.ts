/**
 * Loads the environment into one frozen, typed Config. All issues are collected and reported by the name of the
 * variable. They never contain a value, which may be a secret set in the wrong variable.
 */
import type { TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { EnvSchema, renamedVariables, secretFileVariables, type Env } from './env-schema.ts'
import { limits } from './limits.ts'
import { controlCharacter, readSecretFile, Secret } from './secret.ts'
import { findUnknownNames } from './variable-names.ts'
import { parseEnv, type ParsedEnv, type RawEnv } from './parse-env.ts'

/** Settings of the service, grouped by module. Each name ends with its unit. The members are those of `toConfig`. */
export type Config = Frozen<ReturnType<typeof toConfig>>

/** Makes plain objects readonly, deeply. */
type Frozen<T> = T extends Secret | ReadonlySet<unknown> | readonly unknown[] | string | number | boolean | undefined
  ? T
  : { readonly [K in keyof T]: Frozen<T[K]> }

/** Reports all issues of the environment, one line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly issues: readonly string[]

  constructor (issues: readonly string[]) {
    super(issues.join('\n'))
    this.issues = issues
  }
}

/**
 * Loads the variables and the files that `<NAME>_FILE` names into a frozen Config. A misspelt name is an issue as well.
 * @throws {ConfigError} with all issues
 */
export function loadConfig (processEnv: NodeJS.ProcessEnv): Config {
  const issues: string[] = []
  const rawEnv = readVariables(processEnv, issues)
  loadSecretFiles(rawEnv, issues)
  rejectControlCharacters(rawEnv, issues)
  const obsoleteVariables = checkRenamed(rawEnv, issues)
  const env = validateEnv(rawEnv, issues)
  const parsedEnv = parseEnv(rawEnv, issues)
  if (env === undefined || issues.length > 0) throw new ConfigError(issues)
  return deepFreeze(toConfig(env, parsedEnv, rawEnv, obsoleteVariables))
}

const fileVariables = secretFileVariables.map(name => `${name}_FILE`)
const knownNames = new Set([...Object.keys(EnvSchema.properties), ...fileVariables, ...Object.keys(renamedVariables)])

/**
 * Returns the variables of this service, without surrounding white space. Drops empty ones, because Compose files and
 * Helm charts pass unset variables as empty strings. A value of white space only is an issue: it may come from a
 * template whose value is missing, and as an empty list it would turn off a limit.
 */
function readVariables (processEnv: NodeJS.ProcessEnv, issues: string[]): RawEnv {
  const rawEnv: RawEnv = {}
  const setNames: string[] = []
  for (const [name, value] of Object.entries(processEnv)) {
    if (value === undefined || value === '') continue
    setNames.push(name)
    if (!knownNames.has(name)) continue
    if (value.trim() === '') issues.push(`${name}: must not consist of white space`)
    else rawEnv[name] = value.trim()
  }
  for (const name of ['HTTPS_PROXY', 'NO_PROXY']) {
    // Most programs read the lower-case names of these two as well.
    const value = processEnv[name.toLowerCase()]?.trim() ?? ''
    if (value !== '') rawEnv[name] ??= value
  }
  issues.push(...findUnknownNames(setNames, knownNames))
  return rawEnv
}

function rejectControlCharacters (rawEnv: RawEnv, issues: string[]): void {
  for (const [name, value] of Object.entries(rawEnv)) {
    if (controlCharacter.test(value)) issues.push(`${name}: must not contain control characters`)
  }
}

function loadSecretFiles (rawEnv: RawEnv, issues: string[]): void {
  for (const name of secretFileVariables) {
    const path = rawEnv[`${name}_FILE`]
    if (path === undefined) continue
    if (rawEnv[name] !== undefined) issues.push(`${name}_FILE: ${name} is set as well; set one of them`)
    else rawEnv[name] = loadSecret(name, path, issues)
  }
}

function loadSecret (name: string, path: string, issues: string[]): string {
  try {
    const value = readSecretFile(path)
    if (value === '') issues.push(`${name}_FILE: the file is empty`)
    return value
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    issues.push(`${name}_FILE: the file cannot be read (${code})`)
    return ''
  }
}

/**
 * Returns the old names that are set with the same value as the new name, as during a rollout that may be rolled back.
 */
function checkRenamed (rawEnv: RawEnv, issues: string[]): string[] {
  return Object.entries(renamedVariables).filter(([name, newName]) => {
    if (rawEnv[name] === undefined) return false
    if (rawEnv[newName] === rawEnv[name]) return true
    issues.push(rawEnv[newName] === undefined
      ? `${name}: was renamed; set ${newName} instead`
      : `${name}: was renamed to ${newName}, which has another value; remove ${name}`)
    return false
  }).map(([name]) => name)
}

function validateEnv (rawEnv: RawEnv, issues: string[]): Env | undefined {
  const values: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries<TSchema>(EnvSchema.properties)) {
    const text = rawEnv[name]
    const value: unknown = text === undefined ? schema['default'] : coerce(schema, text)
    values[name] = value
    if (value === undefined) issues.push(`${name}: is required`)
    else if (!Value.Check(schema, value)) issues.push(`${name}: must be ${describeType(schema)}`)
  }
  return Value.Check(EnvSchema, values) ? values : undefined
}

/** Converts only the plain notation of a type: `1.5` and `1e3` are not integers, `yes` is not a boolean. */
function coerce ({ type }: TSchema, text: string): unknown {
  if (type === 'integer' && /^-?\d+$/.test(text)) return Number(text)
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}

function describeType (schema: TSchema): string {
  const values: unknown = schema['enum']
  if (Array.isArray(values)) return `one of ${values.join(', ')}`
  if (schema['type'] !== 'integer') return 'true or false'
  return `an integer from ${schema['minimum']} to ${schema['maximum']}`
}

/** Numbers without their literal types, so that a test can replace them. */
type Numbers<T> = Record<keyof T, number>

function toTracingConfig (env: Env, { tracesUrl, traceAttributes, traceRatio }: ParsedEnv) {
  if (tracesUrl === '' || env.OTEL_SDK_DISABLED || env.OTEL_TRACES_EXPORTER === 'none') return undefined
  return {
    /** The receiver's URL for traces (OTLP over HTTP). */
    url: tracesUrl,
    serviceName: env.OTEL_SERVICE_NAME,
    /** Further attributes of the resource. */
    attributes: traceAttributes,
    sampler: env.OTEL_TRACES_SAMPLER,
    /** Share of the traces that the `traceidratio` samplers record. */
    ratio: traceRatio,
  }
}

/** Groups the settings by module. The type `Config` follows from it. */
function toConfig (env: Env, parsedEnv: ParsedEnv, rawEnv: RawEnv, obsoleteVariables: readonly string[]) {
  const { minBytesPerSecond, rateWindowMs }: Numbers<typeof limits.body> = limits.body
  const response: Numbers<typeof limits.response> = limits.response
  return {
    listen: { host: env.HOST, port: env.PORT, backlog: limits.server.listenBacklog },
    /** Idle time of a caller's connection. It is longer than gateways use, so that the gateway closes first. */
    keepAliveTimeoutMs: env.KEEP_ALIVE_TIMEOUT_MS,
    log: { level: env.LOG_LEVEL },
    telemetry: {
      /** Undefined: traces are not exported. */
      tracing: toTracingConfig(env, parsedEnv),
      statusPage: env.STATUS_PAGE,
    },
    auth: {
      /** JWT verification; undefined: callers are not authenticated. */
      jwt: parsedEnv.jwt,
      /** Empty: any company. */
      companyIds: parsedEnv.companyIds,
      /** Accepted names of the Host header, `*.` for any name below a suffix; empty: the default of CALLER_AUTH. */
      allowedHosts: parsedEnv.allowedHosts,
      /** Addresses or networks whose `X-Forwarded-For` is trusted. */
      trustedProxies: parsedEnv.trustedProxies,
      /** 0: no limit. */
      ratePerMinute: env.CALLER_RATE_PER_MINUTE,
      /** Origins whose browser pages may call the API. */
      corsOrigins: parsedEnv.corsOrigins,
    },
    body: {
      jsonMaxBytes: env.JSON_MAX_BYTES,
      avatarMaxBytes: env.AVATAR_MAX_BYTES,
      avatarMaxPixels: env.AVATAR_MAX_PIXELS,
      /** `strip`: Exif, XMP, IPTC and comments of avatars are removed. */
      avatarMetadata: env.AVATAR_METADATA,
      formBufferBytes: env.FORM_BUFFER_BYTES,
      idleTimeoutMs: env.UPLOAD_IDLE_TIMEOUT_MS,
      timeoutMs: env.UPLOAD_TIMEOUT_MS,
      minBytesPerSecond,
      rateWindowMs,
    },
    response,
    usage: toUsageLimits(env),
    /** Time for which pick-lists are cached; 0: not cached. */
    cache: { ttlMs: env.PICK_LIST_CACHE_SECONDS * 1000 },
    endpoints: { stateCodes: env.STATE_CODES, permissionTemplateIds: parsedEnv.permissionTemplateIds },
    storage: {
      /** Redis, which replicas share; may contain a password. Undefined: state stays in this process. */
      redisUrl: parsedEnv.redisUrl === '' ? undefined : new Secret(parsedEnv.redisUrl),
      /** Keys of the encrypted and named state in Redis, newest first. Empty: derived from the client secret. */
      stateKeys: parsedEnv.stateKeys.map(stateKey => new Secret(stateKey)),
      /** Prefix of the origin ids that are generated for requests with an Idempotency-Key; empty: none are. */
      originIdPrefix: parsedEnv.originIdPrefix,
      /** Handling of requests with an Idempotency-Key while Redis is down. */
      redisOutagePolicy: env.IDEMPOTENCY_WITHOUT_REDIS,
    },
    /** Outgoing proxy; an empty URL means none. `noProxy` lists hosts that bypass it, as in `NO_PROXY`. */
    proxy: { url: new Secret(parsedEnv.proxyUrl), noProxy: env.NO_PROXY },
    procore: {
      apiUrl: parsedEnv.apiUrl,
      loginUrl: parsedEnv.loginUrl,
      clientId: new Secret(env.PROCORE_CLIENT_ID, rawEnv['PROCORE_CLIENT_ID_FILE']),
      clientSecret: new Secret(env.PROCORE_CLIENT_SECRET, rawEnv['PROCORE_CLIENT_SECRET_FILE']),
      connections: env.UPSTREAM_CONNECTIONS,
      /** A connection is replaced after this time. */
      connectionLifetimeMs: env.UPSTREAM_CONNECTION_LIFETIME_MS,
      timeoutMs: env.UPSTREAM_TIMEOUT_MS,
      /** The timeout of requests with an avatar. */
      formTimeoutMs: env.UPSTREAM_FORM_TIMEOUT_MS,
      idleTimeoutMs: env.UPLOAD_IDLE_TIMEOUT_MS,
      /** Longest wait for Procore's rate limit. */
      rateLimitMaxWaitMs: env.RATE_LIMIT_MAX_WAIT_MS,
      rateLimitScope: env.PROCORE_RATE_LIMIT_SCOPE,
      files: toFilesConfig(env, parsedEnv),
      /** Companies that the credentials should reach: those that callers may access; empty: not checked. */
      expectedCompanyIds: parsedEnv.companyIds,
    },
    shutdown: { drainDelayMs: env.DRAIN_DELAY_MS, graceMs: env.SHUTDOWN_GRACE_MS },
    /** Renamed variables whose old name is still set beside the new one. */
    obsoleteVariables,
  }
}

function toFilesConfig (env: Env, { fileHosts }: ParsedEnv) {
  const { timeoutMs, idleTimeoutMs, maxBytes }: Numbers<typeof limits.file> = limits.file
  return {
    /** Hosts that receive the access token when a file is fetched, beside the API host. */
    hosts: fileHosts,
    /** Files may be on this machine, at any port and without TLS, as those of the emulator are. */
    allowLoopback: env.PROCORE_FILE_ALLOW_LOOPBACK,
    maxBytes: Math.max(env.AVATAR_MAX_BYTES, maxBytes),
    timeoutMs,
    idleTimeoutMs,
  }
}

/** Limits of what the requests in flight may use of this process. */
function toUsageLimits (env: Env) {
  const usage: Numbers<typeof limits.usage> = limits.usage
  const { maxBytes, callerDivisor } = usage
  // A JSON body is in memory as bytes and as values. The texts of a form are beside its buffer.
  const formMaxBytes = env.FORM_BUFFER_BYTES + 2 * limits.multipart.textMaxBytes
  const bodyMaxBytes = Math.max(4 * env.JSON_MAX_BYTES, formMaxBytes, limits.upstream.responseMaxBytes)
  const callerBytes = Math.max(maxBytes / callerDivisor, bodyMaxBytes)
  return {
    perCaller: {
      requests: env.CALLER_CONCURRENT_REQUESTS,
      bodies: usage.bodiesPerCallerMax,
      uploads: env.CALLER_CONCURRENT_UPLOADS,
      files: usage.filesPerCallerMax,
      bytes: callerBytes,
    },
    total: {
      requests: Infinity,
      bodies: Infinity,
      uploads: env.MAX_CONCURRENT_UPLOADS,
      files: usage.filesMax,
      bytes: Math.max(maxBytes, callerBytes),
    },
  }
}

function deepFreeze<T extends object> (value: T): T {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) deepFreeze(member)
  }
  return Object.freeze(value)
}

/** Whether callers can be identified, by JWT subject or by the address that a trusted proxy reports. */
export function canIdentifyCallers ({ jwt, trustedProxies }: Config['auth']): boolean {
  return jwt !== undefined || trustedProxies.length > 0
}
