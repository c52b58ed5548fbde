/**
 * From the environment to one frozen, typed Config. Every fault is collected and told by the name of its variable;
 * no value is ever shown, since any of them may be a secret put in the wrong place. It opens no connection and starts nothing.
 */
import type { TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { EndpointOptions } from '../endpoints/fields.ts'
import { EnvSchema, secretFileVariables, type Env } from './env-schema.ts'
import { limits } from './limits.ts'
import { readSecretFile, Secret } from './secret.ts'
import { parseEnv, type JwtConfig, type ParsedEnv, type RawEnv } from './parse-env.ts'

/** What every part of the service is told at the start, in groups by who needs it; the unit ends each name. */
export interface Config {
  readonly listen: { readonly host: string, readonly port: number, readonly backlog: number }
  readonly log: { readonly level: Env['LOG_LEVEL'] }
  readonly telemetry: {
    /** Base address of an OTLP receiver; nothing: no traces. */
    readonly tracesUrl: string | undefined
    readonly statusPage: boolean
  }
  readonly auth: {
    /** How callers are verified; nothing when the network is trusted. */
    readonly jwt: JwtConfig | undefined
    /** Empty: any company. */
    readonly companyIds: ReadonlySet<number>
    /** Addresses or networks whose `X-Forwarded-For` is believed. */
    readonly trustedProxies: readonly string[]
    /** 0: no limit. */
    readonly ratePerMinute: number
    /** Forms that one caller may stream at a time. */
    readonly maxUploads: number
    /** Origins whose pages may call from a browser. */
    readonly corsOrigins: readonly string[]
  }
  readonly body: {
    readonly jsonMaxBytes: number
    readonly avatarMaxBytes: number
    readonly avatarMaxPixels: number
    readonly formBufferBytes: number
    readonly idleTimeoutMs: number
    readonly timeoutMs: number
    /** Forms that may be streamed at a time. */
    readonly maxUploads: number
  }
  readonly endpoints: EndpointOptions
  /** How long pick-lists are kept; 0: not at all. */
  readonly cache: { readonly ttlMs: number }
  readonly storage: {
    /** Of the store that replicas share; nothing: this process remembers alone. It may hold a password. */
    readonly redisUrl: Secret | undefined
    /** What becomes of requests with an Idempotency-Key while the store is away. */
    readonly redisOutagePolicy: Env['IDEMPOTENCY_WITHOUT_REDIS']
  }
  /** How outgoing connections leave: empty for no proxy; hosts beside it as in `NO_PROXY`. */
  readonly proxy: { readonly url: Secret, readonly noProxy: string }
  readonly procore: {
    readonly apiUrl: string
    readonly loginUrl: string
    readonly clientId: Secret
    readonly clientSecret: Secret
    readonly connections: number
    readonly timeoutMs: number
    readonly idleTimeoutMs: number
    /** Longest wait for the allowance. */
    readonly rateLimitMaxWaitMs: number
    readonly rateLimitScope: Env['PROCORE_RATE_LIMIT_SCOPE']
  }
  readonly shutdown: { readonly drainDelayMs: number, readonly graceMs: number }
  /** Old names that are set beside the new ones. */
  readonly obsoleteVariables: readonly string[]
}

/** All that is wrong with the environment, a line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly issues: readonly string[]

  constructor (issues: readonly string[]) {
    super(issues.join('\n'))
    this.issues = issues
  }
}

/**
 * Reads the variables, and the files that `<NAME>_FILE` names; what comes back is frozen. Variables with names of
 * ours that are no settings are faults as well.
 * @throws {ConfigError} with all faults together
 */
export function loadConfig (processEnv: NodeJS.ProcessEnv): Config {
  const issues: string[] = []
  const rawEnv = dropEmpty(processEnv)
  loadSecretFiles(rawEnv, issues)
  rejectUnknown(rawEnv, issues)
  const obsolete = checkRenamed(rawEnv, issues)
  const env = validateEnv(rawEnv, issues)
  const parsedEnv = parseEnv(rawEnv, issues)
  if (env === undefined || issues.length > 0) throw new ConfigError(issues)
  return deepFreeze(toConfig(env, parsedEnv, rawEnv, obsolete))
}

/** Compose files and charts hand over unset variables as empty strings: an empty one counts as unset. */
function dropEmpty (processEnv: NodeJS.ProcessEnv): RawEnv {
  const rawEnv: RawEnv = {}
  for (const [name, value] of Object.entries(processEnv)) {
    if (value !== undefined && value !== '') rawEnv[name] = value
  }
  return rawEnv
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
    issues.push(`${name}_FILE: the file cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'})`)
    return ''
  }
}

/** Names that are ours by prefix; Kubernetes adds `<SERVICE>_PORT…` and `<SERVICE>_SERVICE_…` of its own for a service of that name. */
const settingPrefix = /^(PROCORE|JWT|CALLER|UPSTREAM|UPLOAD|AVATAR|FORM|IDEMPOTENCY|REDIS|TRUSTED|CORS|PERMISSION|CACHE)_/
const kubernetesVariable = /_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_.+)?)$/

/** New names by old name. */
const renamedVariables: Readonly<Record<string, string>> = {
  FORM_HOLD_BYTES: 'FORM_BUFFER_BYTES',
  RATE_WAIT_MS: 'RATE_LIMIT_MAX_WAIT_MS',
  PROCORE_ALLOWANCE: 'PROCORE_RATE_LIMIT_SCOPE',
  CACHE_SECONDS: 'PICK_LIST_CACHE_SECONDS',
}

/** Returns the old names that are set beside the new one with the same value: both are set while a rollout may be rolled back. */
function checkRenamed (variables: RawEnv, faults: string[]): string[] {
  return Object.entries(renamedVariables).filter(([name, newName]) => {
    if (variables[name] === undefined) return false
    if (variables[newName] === undefined) faults.push(`${name}: was renamed; set ${newName} instead`)
    else if (variables[newName] !== variables[name]) faults.push(`${name}: was renamed to ${newName}, which has another value; remove ${name}`)
    else return true
    return false
  }).map(([name]) => name)
}

function rejectUnknown (rawEnv: RawEnv, issues: string[]): void {
  const known = new Set<string>([...Object.keys(EnvSchema.properties), ...secretFileVariables.map(name => `${name}_FILE`)])
  for (const name of Object.keys(rawEnv)) {
    if (known.has(name) || name in renamedVariables) continue
    if (settingPrefix.test(name) && !kubernetesVariable.test(name)) issues.push(`${name}: there is no such setting`)
  }
}

function validateEnv (rawEnv: RawEnv, issues: string[]): Env | undefined {
  const values: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries<TSchema>(EnvSchema.properties)) {
    const text = rawEnv[name]
    const value = values[name] = text === undefined ? schema['default'] : coerce(schema, text)
    if (value === undefined) issues.push(`${name}: is required`)
    else if (!Value.Check(schema, value)) issues.push(`${name}: must be ${describeType(schema)}`)
  }
  return Value.Check(EnvSchema, values) ? values : undefined
}

/** Only what is written as the type is written: `1.5` and `1e3` are no whole numbers, `yes` is no flag. */
function coerce ({ type }: TSchema, text: string): unknown {
  if (type === 'integer' && /^-?\d+$/.test(text)) return Number(text)
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}

function describeType (schema: TSchema): string {
  if (schema['enum'] !== undefined) return `one of ${schema['enum'].join(', ')}`
  return schema['type'] === 'integer' ? `a whole number from ${schema['minimum']} to ${schema['maximum']}` : 'true or false'
}

function toConfig (env: Env, parsedEnv: ParsedEnv, rawEnv: RawEnv, obsoleteVariables: readonly string[]): Config {
  return {
    listen: { host: env.HOST, port: env.PORT, backlog: limits.server.listenBacklog },
    log: { level: env.LOG_LEVEL },
    telemetry: { tracesUrl: parsedEnv.tracesUrl === '' ? undefined : parsedEnv.tracesUrl, statusPage: env.STATUS_PAGE },
    auth: {
      jwt: parsedEnv.jwt,
      companyIds: parsedEnv.companyIds,
      trustedProxies: parsedEnv.trustedProxies,
      ratePerMinute: env.CALLER_RATE_PER_MINUTE,
      maxUploads: env.CALLER_CONCURRENT_UPLOADS,
      corsOrigins: parsedEnv.corsOrigins,
    },
    body: {
      jsonMaxBytes: env.JSON_MAX_BYTES,
      avatarMaxBytes: env.AVATAR_MAX_BYTES,
      avatarMaxPixels: env.AVATAR_MAX_PIXELS,
      formBufferBytes: env.FORM_BUFFER_BYTES,
      idleTimeoutMs: env.UPLOAD_IDLE_TIMEOUT_MS,
      timeoutMs: env.UPLOAD_TIMEOUT_MS,
      maxUploads: env.MAX_CONCURRENT_UPLOADS,
    },
    cache: { ttlMs: env.PICK_LIST_CACHE_SECONDS * 1000 },
    endpoints: { stateCodes: env.STATE_CODES, permissionTemplateIds: parsedEnv.permissionTemplateIds },
    storage: { redisUrl: parsedEnv.redisUrl === '' ? undefined : new Secret(parsedEnv.redisUrl), redisOutagePolicy: env.IDEMPOTENCY_WITHOUT_REDIS },
    proxy: { url: new Secret(parsedEnv.proxyUrl), noProxy: env.NO_PROXY },
    procore: {
      apiUrl: parsedEnv.apiUrl,
      loginUrl: parsedEnv.loginUrl,
      clientId: new Secret(env.PROCORE_CLIENT_ID, rawEnv['PROCORE_CLIENT_ID_FILE']),
      clientSecret: new Secret(env.PROCORE_CLIENT_SECRET, rawEnv['PROCORE_CLIENT_SECRET_FILE']),
      connections: env.UPSTREAM_CONNECTIONS,
      timeoutMs: env.UPSTREAM_TIMEOUT_MS,
      idleTimeoutMs: env.UPLOAD_IDLE_TIMEOUT_MS,
      rateLimitMaxWaitMs: env.RATE_LIMIT_MAX_WAIT_MS,
      rateLimitScope: env.PROCORE_RATE_LIMIT_SCOPE,
    },
    shutdown: { drainDelayMs: env.DRAIN_DELAY_MS, graceMs: env.SHUTDOWN_GRACE_MS },
    obsoleteVariables,
  }
}

function deepFreeze<T extends object> (value: T): T {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) deepFreeze(member)
  }
  return Object.freeze(value)
}
