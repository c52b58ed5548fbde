/**
 * From the environment to one frozen, typed Config. Every fault is collected and told by the name of its variable;
 * no value is ever shown, since any of them may be a secret put in the wrong place.
 */
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import envSchema from 'env-schema'
import type { StateCodes } from './endpoints/fields.ts'
import { EnvironmentSchema, fileVariables, plannedVariables, type Environment } from './environment.ts'
import { Secret } from './secret.ts'

/** What no variable changes, but a reader must be able to find. */
export const limits = Object.freeze({
  /** Parts of one form, known or not. */
  formMaxParts: 64,
  /** Header lines of one part. */
  partHeaderMaxBytes: 8192,
  /** What may stand before the first and after the last delimiter of a form, each. */
  formMarginMaxBytes: 16_384,
  /** All that a form may hold beside the avatar: texts, headers, delimiters and margins. */
  formTextMaxBytes: 64 * (65_536 + 8192 + 128) + 2 * 16_384,
  /** Largest answer of Procore's that is read. */
  answerMaxBytes: 8_388_608,
  /** Largest header block, of a caller's request and of Procore's answer. */
  headersMaxBytes: 16_384,
  /** Longest time for the header block of a caller's request. */
  headersTimeoutMs: 10_000,
  /** Idle connections of callers; longer than gateways keep theirs, so that the gateway closes first. */
  keepAliveTimeoutMs: 72_000,
  /** Idle connections to Procore; shorter than load balancers keep theirs, so that we close first. */
  upstreamKeepAliveMs: 4_000,
  connectTimeoutMs: 5_000,
  tokenTimeoutMs: 10_000,
  /** A token is renewed when this part of its life is over. */
  tokenRenewAt: 0.8,
  /** Pause between attempts at a token: first, and at most. */
  tokenPauseMs: 500,
  tokenPauseMaxMs: 30_000,
  /** How many tokens that the API refuses may be dropped in a row, and how soon one more. */
  tokenDropsMax: 10,
  tokenDropEveryMs: 1_000,
  /** How often the log says that the credentials are refused. */
  tokenComplaintMs: 60_000,
  /** After so many failures in a row requests to a host are refused at once; then one may try at intervals from the first to the second. */
  breakerFailures: 10,
  breakerIntervalMs: 1_000,
  breakerIntervalMaxMs: 30_000,
  /** After a reset of Procore's allowance: how long one request goes ahead of the others to learn the new count. */
  allowanceProbeMs: 1_000,
  /** Requests that may wait for Procore's allowance or for a connection: of all companies, and of one. */
  waitingMax: 1_024,
  waitingOfCompanyMax: 256,
  /** Companies whose allowance is remembered. */
  companiesMax: 10_000,
  /** Time for looking a user up whose create has an unknown outcome, all of its requests together. */
  lookUpTimeoutMs: 5_000,
  /** Idempotency keys: how long one is remembered, and how many with how many bytes of answers. */
  keyLifetimeMs: 86_400_000,
  keysMax: 100_000,
  keysMaxBytes: 67_108_864,
  /** How long an error in writing to Procore is held back, so that an answer that has arrived is read before it. */
  writeErrorHoldMs: 100,
  /** What is read and thrown away of a body that was answered before its end. */
  lingerMaxBytes: 67_108_864,
  lingerTimeoutMs: 10_000,
})

export interface Config {
  readonly listen: { readonly host: string, readonly port: number }
  readonly log: { readonly level: Environment['LOG_LEVEL'] }
  readonly callers: {
    readonly auth: Environment['CALLER_AUTH']
    /** Empty: any company. */
    readonly companyIds: ReadonlySet<number>
  }
  readonly bodies: {
    readonly jsonMaxBytes: number
    readonly avatarMaxBytes: number
    readonly formHoldBytes: number
    readonly idleTimeoutMs: number
    readonly timeoutMs: number
    /** Forms that may be streamed at a time. */
    readonly maxUploads: number
  }
  readonly endpoints: { readonly stateCodes: StateCodes }
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
    readonly allowance: Environment['PROCORE_ALLOWANCE']
  }
  readonly shutdown: { readonly drainDelayMs: number, readonly graceMs: number }
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

type Variables = Record<string, string>

/** @throws {ConfigError} */
export function readConfig (environment: NodeJS.ProcessEnv): Config {
  const faults: string[] = []
  const variables = withoutEmpty(environment)
  readFiles(variables, faults)
  refuseUnknown(variables, faults)
  const checked = checkSchema(variables, faults)
  const allowHttp = variables['PROCORE_ALLOW_HTTP'] === 'true'
  const apiUrl = checkOrigin('PROCORE_API_URL', variables['PROCORE_API_URL'] ?? EnvironmentSchema.properties.PROCORE_API_URL.default, allowHttp, faults)
  const loginUrl = checkOrigin('PROCORE_LOGIN_URL', variables['PROCORE_LOGIN_URL'] ?? EnvironmentSchema.properties.PROCORE_LOGIN_URL.default, allowHttp, faults)
  const companyIds = checkIds('PROCORE_COMPANY_IDS', variables['PROCORE_COMPANY_IDS'], faults)
  if (checked === undefined || faults.length > 0) throw new ConfigError(faults)
  return deepFreeze(shape(checked, { apiUrl, loginUrl, companyIds }))
}

function shape (env: Environment, derived: { apiUrl: string, loginUrl: string, companyIds: ReadonlySet<number> }): Config {
  return {
    listen: { host: env.HOST, port: env.PORT },
    log: { level: env.LOG_LEVEL },
    callers: { auth: env.CALLER_AUTH, companyIds: derived.companyIds },
    bodies: {
      jsonMaxBytes: env.JSON_MAX_BYTES,
      avatarMaxBytes: env.AVATAR_MAX_BYTES,
      formHoldBytes: env.FORM_HOLD_BYTES,
      idleTimeoutMs: env.UPLOAD_IDLE_TIMEOUT_MS,
      timeoutMs: env.UPLOAD_TIMEOUT_MS,
      maxUploads: env.MAX_CONCURRENT_UPLOADS,
    },
    endpoints: { stateCodes: env.STATE_CODES },
    procore: {
      apiUrl: derived.apiUrl,
      loginUrl: derived.loginUrl,
      clientId: new Secret(env.PROCORE_CLIENT_ID),
      clientSecret: new Secret(env.PROCORE_CLIENT_SECRET),
      connections: env.UPSTREAM_CONNECTIONS,
      timeoutMs: env.UPSTREAM_TIMEOUT_MS,
      idleTimeoutMs: env.UPLOAD_IDLE_TIMEOUT_MS,
      waitMs: env.RATE_WAIT_MS,
      allowance: env.PROCORE_ALLOWANCE,
    },
    shutdown: { drainDelayMs: env.DRAIN_DELAY_MS, graceMs: env.SHUTDOWN_GRACE_MS },
  }
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
    else variables[name] = readSecretFile(name, path, faults)
  }
}

function readSecretFile (name: string, path: string, faults: string[]): string {
  try {
    const value = readFileSync(path, 'utf8').trim()
    if (value === '') faults.push(`${name}_FILE: the file is empty`)
    return value
  } catch (error) {
    faults.push(`${name}_FILE: the file cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'})`)
    return ''
  }
}

/** Names that are ours by prefix; Kubernetes adds `<SERVICE>_PORT…` and `<SERVICE>_SERVICE_…` of its own for a service of that name. */
const ownPrefix = /^(PROCORE|JWT|CALLER|UPSTREAM|UPLOAD|AVATAR|FORM|IDEMPOTENCY)_/
const injected = /_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_.+)?)$/

function refuseUnknown (variables: Variables, faults: string[]): void {
  const known = new Set<string>([...Object.keys(EnvironmentSchema.properties), ...fileVariables.map(name => `${name}_FILE`)])
  const planned = new Set<string>(plannedVariables)
  for (const name of Object.keys(variables)) {
    if (known.has(name)) continue
    if (planned.has(name)) faults.push(`${name}: this version does not have this setting yet`)
    else if (ownPrefix.test(name) && !injected.test(name)) faults.push(`${name}: there is no such setting`)
  }
}

function checkSchema (variables: Variables, faults: string[]): Environment | undefined {
  try {
    return envSchema<Environment>({
      // env-schema writes `additionalProperties` into the schema it is given.
      schema: { ...EnvironmentSchema },
      data: { ...variables },
      env: false,
    })
  } catch (error) {
    if (!(error instanceof Error) || !('errors' in error) || !Array.isArray(error.errors)) throw error
    for (const fault of error.errors) faults.push(describeFault(fault))
    return undefined
  }
}

interface SchemaFault { instancePath: string, keyword: string, message?: string, params: Record<string, unknown> }

function describeFault ({ instancePath, keyword, message, params }: SchemaFault): string {
  if (keyword === 'required') return `${String(params['missingProperty'])}: is required`
  const name = instancePath.slice(1)
  if (name === 'CALLER_AUTH') return 'CALLER_AUTH: must be none (jwt is not in this version yet)'
  if (keyword === 'enum' && Array.isArray(params['allowedValues'])) return `${name}: must be one of ${params['allowedValues'].join(', ')}`
  return `${name}: ${message ?? 'is not valid'}`
}

/** A secret or a token must not travel in the clear, unless the host is this machine or the operator says so. */
function checkOrigin (name: string, value: string, allowHttp: boolean, faults: string[]): string {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) faults.push(`${name}: must be an https: URL`)
  else if (url.username !== '' || url.password !== '') faults.push(`${name}: must not hold credentials`)
  else if (url.pathname !== '/' || url.search !== '' || url.hash !== '') faults.push(`${name}: must be a scheme and a host, without path or query`)
  else if (url.protocol === 'http:' && !allowHttp && !isLoopback(url.hostname)) faults.push(`${name}: http: is accepted for loopback hosts only, elsewhere with PROCORE_ALLOW_HTTP=true`)
  else return url.origin
  return ''
}

function isLoopback (hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || (isIP(hostname) === 4 && hostname.startsWith('127.'))
}

function checkIds (name: string, value: string | undefined, faults: string[]): ReadonlySet<number> {
  const ids = (value ?? '').split(',').map(id => id.trim()).filter(id => id !== '')
  const numbers = ids.map(id => /^\d+$/.test(id) ? Number(id) : 0)
  if (numbers.some(id => id < 1 || !Number.isSafeInteger(id))) faults.push(`${name}: must be ids from 1 to 2^53-1, separated by commas`)
  return new Set(numbers)
}

function deepFreeze<T extends object> (value: T): T {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) deepFreeze(member)
  }
  return Object.freeze(value)
}
