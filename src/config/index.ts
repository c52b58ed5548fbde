/**
 * From the environment to one frozen, typed Config. Every fault is collected and told by the name of its variable;
 * no value is ever shown, since any of them may be a secret put in the wrong place. It opens no connection and starts nothing.
 */
import type { TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { DescriptionOptions } from '../endpoints/fields.ts'
import { EnvironmentSchema, fileVariables, type Environment } from './env-schema.ts'
import { limits } from './limits.ts'
import { readSecretFile, Secret } from './secret.ts'
import { readValues, type JwtConfig, type Values, type Variables } from './parse-env.ts'

/** What every part of the service is told at the start, in groups by who needs it; the unit ends each name. */
export interface Config {
  readonly listen: { readonly host: string, readonly port: number, readonly backlog: number }
  readonly log: { readonly level: Environment['LOG_LEVEL'] }
  readonly observe: {
    /** Base address of an OTLP receiver; nothing: no traces. */
    readonly tracesUrl: string | undefined
    readonly statusPage: boolean
  }
  readonly callers: {
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
  readonly bodies: {
    readonly jsonMaxBytes: number
    readonly avatarMaxBytes: number
    readonly avatarMaxPixels: number
    readonly formHoldBytes: number
    readonly idleTimeoutMs: number
    readonly timeoutMs: number
    /** Forms that may be streamed at a time. */
    readonly maxUploads: number
  }
  readonly endpoints: DescriptionOptions
  /** How long pick-lists are kept; 0: not at all. */
  readonly cache: { readonly lifetimeMs: number }
  readonly state: {
    /** Of the store that replicas share; nothing: this process remembers alone. It may hold a password. */
    readonly redisUrl: Secret | undefined
    /** What becomes of requests with an Idempotency-Key while the store is away. */
    readonly withoutStore: Environment['IDEMPOTENCY_WITHOUT_REDIS']
  }
  /** How outgoing connections leave: empty for no proxy; hosts beside it as in `NO_PROXY`. */
  readonly proxy: { readonly url: Secret, readonly except: string }
  readonly procore: {
    readonly apiUrl: string
    readonly loginUrl: string
    readonly clientId: Secret
    readonly clientSecret: Secret
    readonly connections: number
    readonly timeoutMs: number
    readonly idleTimeoutMs: number
    /** Longest wait for the allowance. */
    readonly waitMs: number
    readonly allowance: Environment['PROCORE_RATE_LIMIT_SCOPE']
  }
  readonly shutdown: { readonly drainDelayMs: number, readonly graceMs: number }
  /** Old names that are set beside the new ones. */
  readonly obsoleteVariables: readonly string[]
}

/** All that is wrong with the environment, a line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor (faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

/**
 * Reads the variables, and the files that `<NAME>_FILE` names; what comes back is frozen. Variables with names of
 * ours that are no settings are faults as well.
 * @throws {ConfigError} with all faults together
 */
export function readConfig (environment: NodeJS.ProcessEnv): Config {
  const faults: string[] = []
  const variables = withoutEmpty(environment)
  readFiles(variables, faults)
  refuseUnknown(variables, faults)
  const obsolete = checkRenamed(variables, faults)
  const checked = checkSchema(variables, faults)
  const values = readValues(variables, faults)
  if (checked === undefined || faults.length > 0) throw new ConfigError(faults)
  return deepFreeze(shape(checked, values, variables, obsolete))
}

/** Compose files and charts hand over unset variables as empty strings: an empty one counts as unset. */
function withoutEmpty (environment: NodeJS.ProcessEnv): Variables {
  const variables: Variables = {}
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && value !== '') variables[name] = value
  }
  return variables
}

function readFiles (variables: Variables, faults: string[]): void {
  for (const name of fileVariables) {
    const path = variables[`${name}_FILE`]
    if (path === undefined) continue
    if (variables[name] !== undefined) faults.push(`${name}_FILE: ${name} is set as well; set one of them`)
    else variables[name] = readSecret(name, path, faults)
  }
}

function readSecret (name: string, path: string, faults: string[]): string {
  try {
    const value = readSecretFile(path)
    if (value === '') faults.push(`${name}_FILE: the file is empty`)
    return value
  } catch (error) {
    faults.push(`${name}_FILE: the file cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'})`)
    return ''
  }
}

/** Names that are ours by prefix; Kubernetes adds `<SERVICE>_PORT…` and `<SERVICE>_SERVICE_…` of its own for a service of that name. */
const ownPrefix = /^(PROCORE|JWT|CALLER|UPSTREAM|UPLOAD|AVATAR|FORM|IDEMPOTENCY|REDIS|TRUSTED|CORS|PERMISSION|CACHE)_/
const injected = /_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_.+)?)$/

/** New names by old name. */
const renamedVariables: Readonly<Record<string, string>> = {
  FORM_HOLD_BYTES: 'FORM_BUFFER_BYTES',
  RATE_WAIT_MS: 'RATE_LIMIT_MAX_WAIT_MS',
  PROCORE_ALLOWANCE: 'PROCORE_RATE_LIMIT_SCOPE',
  CACHE_SECONDS: 'PICK_LIST_CACHE_SECONDS',
}

/** Returns the old names that are set beside the new one with the same value: both are set while a rollout may be rolled back. */
function checkRenamed (variables: Variables, faults: string[]): string[] {
  return Object.entries(renamedVariables).filter(([name, newName]) => {
    if (variables[name] === undefined) return false
    if (variables[newName] === undefined) faults.push(`${name}: was renamed; set ${newName} instead`)
    else if (variables[newName] !== variables[name]) faults.push(`${name}: was renamed to ${newName}, which has another value; remove ${name}`)
    else return true
    return false
  }).map(([name]) => name)
}

function refuseUnknown (variables: Variables, faults: string[]): void {
  const known = new Set<string>([...Object.keys(EnvironmentSchema.properties), ...fileVariables.map(name => `${name}_FILE`)])
  for (const name of Object.keys(variables)) {
    if (known.has(name) || name in renamedVariables) continue
    if (ownPrefix.test(name) && !injected.test(name)) faults.push(`${name}: there is no such setting`)
  }
}

function checkSchema (variables: Variables, faults: string[]): Environment | undefined {
  const values: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries<TSchema>(EnvironmentSchema.properties)) {
    const text = variables[name]
    const value = values[name] = text === undefined ? schema['default'] : typed(schema, text)
    if (value === undefined) faults.push(`${name}: is required`)
    else if (!Value.Check(schema, value)) faults.push(`${name}: must be ${expected(schema)}`)
  }
  return Value.Check(EnvironmentSchema, values) ? values : undefined
}

/** Only what is written as the type is written: `1.5` and `1e3` are no whole numbers, `yes` is no flag. */
function typed ({ type }: TSchema, text: string): unknown {
  if (type === 'integer' && /^-?\d+$/.test(text)) return Number(text)
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}

function expected (schema: TSchema): string {
  if (schema['enum'] !== undefined) return `one of ${schema['enum'].join(', ')}`
  return schema['type'] === 'integer' ? `a whole number from ${schema['minimum']} to ${schema['maximum']}` : 'true or false'
}

function shape (env: Environment, values: Values, variables: Variables, obsoleteVariables: readonly string[]): Config {
  return {
    listen: { host: env.HOST, port: env.PORT, backlog: limits.server.listenBacklog },
    log: { level: env.LOG_LEVEL },
    observe: { tracesUrl: values.tracesUrl === '' ? undefined : values.tracesUrl, statusPage: env.STATUS_PAGE },
    callers: {
      jwt: values.jwt,
      companyIds: values.companyIds,
      trustedProxies: values.trustedProxies,
      ratePerMinute: env.CALLER_RATE_PER_MINUTE,
      maxUploads: env.CALLER_CONCURRENT_UPLOADS,
      corsOrigins: values.corsOrigins,
    },
    bodies: {
      jsonMaxBytes: env.JSON_MAX_BYTES,
      avatarMaxBytes: env.AVATAR_MAX_BYTES,
      avatarMaxPixels: env.AVATAR_MAX_PIXELS,
      formHoldBytes: env.FORM_BUFFER_BYTES,
      idleTimeoutMs: env.UPLOAD_IDLE_TIMEOUT_MS,
      timeoutMs: env.UPLOAD_TIMEOUT_MS,
      maxUploads: env.MAX_CONCURRENT_UPLOADS,
    },
    cache: { lifetimeMs: env.PICK_LIST_CACHE_SECONDS * 1000 },
    endpoints: { stateCodes: env.STATE_CODES, permissionTemplateIds: values.permissionTemplateIds },
    state: { redisUrl: values.redisUrl === '' ? undefined : new Secret(values.redisUrl), withoutStore: env.IDEMPOTENCY_WITHOUT_REDIS },
    proxy: { url: new Secret(values.proxyUrl), except: env.NO_PROXY },
    procore: {
      apiUrl: values.apiUrl,
      loginUrl: values.loginUrl,
      clientId: new Secret(env.PROCORE_CLIENT_ID, variables['PROCORE_CLIENT_ID_FILE']),
      clientSecret: new Secret(env.PROCORE_CLIENT_SECRET, variables['PROCORE_CLIENT_SECRET_FILE']),
      connections: env.UPSTREAM_CONNECTIONS,
      timeoutMs: env.UPSTREAM_TIMEOUT_MS,
      idleTimeoutMs: env.UPLOAD_IDLE_TIMEOUT_MS,
      waitMs: env.RATE_LIMIT_MAX_WAIT_MS,
      allowance: env.PROCORE_RATE_LIMIT_SCOPE,
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
