/**
 * Parses the variables that JSON Schema cannot validate: URLs, networks, lists of ids, and variables that are required
 * together. Issues name the variable and never contain its value, which may be a secret set in the wrong variable.
 */
import { isIP, isIPv6 } from 'node:net'
import { isLoopbackHost, toHostName } from '../util/host-name.ts'
import { normalizeMediaType } from '../util/media-type.ts'
import { EnvSchema } from './env-schema.ts'

/** The variables that are set, by name; no value is empty. */
export type RawEnv = Record<string, string>

/** Settings for the verification of callers' JWTs (RFC 7519). */
export interface JwtConfig {
  readonly jwksUrl: string
  readonly issuer: string
  readonly audience: string
  /** Name of the claim that contains the audience. */
  readonly audienceClaim: string
  /** Accepted `typ` headers, in lower case and without `application/`. */
  readonly types: ReadonlySet<string>
  /** Longest time since `iat`; undefined: not checked. */
  readonly maxAgeSeconds: number | undefined
  /** Name of the claim that lists the companies of a caller; empty: JWTs do not restrict companies. */
  readonly companiesClaim: string
  /** Prefix of an endpoint's name in a scope; empty: scopes are not checked. */
  readonly scopePrefix: string
}

/** The parsed variables; a variable with an issue has a placeholder value. A URL that is not set is empty. */
export interface ParsedEnv {
  apiUrl: string
  loginUrl: string
  proxyUrl: string
  redisUrl: string
  fileHosts: ReadonlySet<string>
  stateKeys: readonly string[]
  originIdPrefix: string
  companyIds: ReadonlySet<number>
  permissionTemplateIds: ReadonlySet<number>
  allowedHosts: readonly string[]
  trustedProxies: readonly string[]
  corsOrigins: readonly string[]
  /** The receiver's URL for traces. */
  tracesUrl: string
  traceAttributes: Readonly<Record<string, string>>
  traceRatio: number
  jwt: JwtConfig | undefined
}

type VariableName = keyof typeof EnvSchema.properties

/** Parses the variables that are set, and defaults for the others. @param issues receives a line for each issue */
export function parseEnv (rawEnv: RawEnv, issues: string[]): ParsedEnv {
  return new EnvParser(rawEnv, issues).parse()
}

class EnvParser {
  readonly #rawEnv: RawEnv
  readonly #issues: string[]

  constructor (rawEnv: RawEnv, issues: string[]) {
    this.#rawEnv = rawEnv
    this.#issues = issues
  }

  parse (): ParsedEnv {
    return {
      apiUrl: this.#origin('PROCORE_API_URL'),
      loginUrl: this.#origin('PROCORE_LOGIN_URL'),
      proxyUrl: this.#httpUrl('HTTPS_PROXY', true),
      redisUrl: this.#redisUrl('REDIS_URL'),
      fileHosts: new Set(this.#list('PROCORE_FILE_HOSTS', isHostName, 'names of hosts').map(toHostName)),
      stateKeys: this.#list('STATE_KEYS', () => true, 'keys'),
      originIdPrefix: this.#originIdPrefix('ORIGIN_ID_PREFIX'),
      companyIds: this.#ids('PROCORE_COMPANY_IDS'),
      permissionTemplateIds: this.#ids('PERMISSION_TEMPLATE_IDS'),
      allowedHosts: this.#list('ALLOWED_HOSTS', isHostPattern, 'host names, addresses or *.suffix').map(toHostName),
      trustedProxies: this.#list('TRUSTED_PROXIES', isNetwork, 'addresses or networks'),
      corsOrigins: this.#list('CORS_ORIGINS', isOrigin, 'origins such as https://app.example.com'),
      tracesUrl: this.#tracesUrl(),
      traceAttributes: this.#traceAttributes('OTEL_RESOURCE_ATTRIBUTES'),
      traceRatio: this.#ratio('OTEL_TRACES_SAMPLER_ARG'),
      jwt: this.#rawEnv['CALLER_AUTH'] === 'jwt' ? this.#jwtConfig() : undefined,
    }
  }

  /** The URL for traces is used as it is, and the base URL with the path of traces (OTLP Exporter Configuration). */
  #tracesUrl (): string {
    const baseUrl = this.#httpUrl('OTEL_EXPORTER_OTLP_ENDPOINT', false)
    const url = this.#httpUrl('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', false)
    return url !== '' || baseUrl === '' ? url : `${baseUrl.replace(/\/$/, '')}/v1/traces`
  }

  /** Pairs of a name and a percent-encoded value (OpenTelemetry, Resource SDK). */
  #traceAttributes (name: VariableName): Readonly<Record<string, string>> {
    const pairs = this.#list(name, isResourceAttribute, 'pairs such as deployment.environment.name=production')
    return Object.fromEntries(pairs.filter(isResourceAttribute).map(pair => {
      const separator = pair.indexOf('=')
      return [pair.slice(0, separator).trim(), decodeURIComponent(pair.slice(separator + 1).trim())]
    }))
  }

  #ratio (name: VariableName): number {
    const text = this.#text(name)
    const ratio = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN
    if (!(ratio <= 1)) this.#issues.push(`${name}: must be a number from 0 to 1`)
    return ratio
  }

  #text (name: VariableName): string {
    return this.#rawEnv[name] ?? String(EnvSchema.properties[name]['default'] ?? '')
  }

  #jwtConfig (): JwtConfig {
    for (const name of ['JWT_JWKS_URL', 'JWT_ISSUER', 'JWT_AUDIENCE'] as const) {
      if (this.#text(name) === '') this.#issues.push(`${name}: is required with CALLER_AUTH=jwt`)
    }
    return {
      jwksUrl: this.#text('JWT_JWKS_URL') === '' ? '' : this.#secureUrl('JWT_JWKS_URL')?.href ?? '',
      issuer: this.#text('JWT_ISSUER'),
      audience: this.#text('JWT_AUDIENCE'),
      audienceClaim: this.#text('JWT_AUDIENCE_CLAIM'),
      types: new Set(this.#list('JWT_TYPES', isMediaType, 'types such as at+jwt').map(normalizeMediaType)),
      maxAgeSeconds: this.#optionalSeconds('JWT_MAX_AGE_SECONDS'),
      companiesClaim: this.#text('JWT_COMPANIES_CLAIM'),
      scopePrefix: this.#scopePrefix('JWT_SCOPE_PREFIX'),
    }
  }

  /** A prefix that no scope can have would reject every caller, or break the header WWW-Authenticate. */
  #scopePrefix (name: VariableName): string {
    const text = this.#text(name)
    if (!/^[\x21\x23-\x5b\x5d-\x7e]*$/.test(text)) {
      this.#issues.push(`${name}: must be printable ASCII without space, quote and backslash (RFC 6749 §3.3)`)
    }
    return text
  }

  /** The ids are sent in JSON, in forms and in URLs, and people may search for them. */
  #originIdPrefix (name: VariableName): string {
    const text = this.#text(name)
    if (!/^[\w.:-]{0,32}$/.test(text)) {
      this.#issues.push(`${name}: must have at most 32 characters of A-Z a-z 0-9 . _ : -`)
    }
    return text
  }

  #optionalSeconds (name: VariableName): number | undefined {
    const text = this.#text(name)
    if (text === '') return undefined
    if (!/^[1-9]\d{0,8}$/.test(text)) this.#issues.push(`${name}: must be a number of seconds from 1 to 999999999`)
    return Number(text)
  }

  #origin (name: VariableName): string {
    const url = this.#secureUrl(name)
    if (url === undefined) return ''
    if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
      this.#issues.push(`${name}: must be a scheme and a host, without path or query`)
    }
    return url.origin
  }

  /**
   * Requires https:, because secrets, access tokens and keys are sent there. Allows http: for this machine or if the
   * operator opts in.
   */
  #secureUrl (name: VariableName): URL | undefined {
    const url = URL.parse(this.#text(name))
    const allowHttp = this.#rawEnv['PROCORE_ALLOW_HTTP'] === 'true'
    if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
      this.#issues.push(`${name}: must be an https: URL`)
    } else if (url.username !== '' || url.password !== '') {
      this.#issues.push(`${name}: must not contain credentials`)
    } else if (url.protocol === 'http:' && !allowHttp && !isLoopbackHost(url.hostname)) {
      this.#issues.push(`${name}: must use https:; http: needs a loopback host or PROCORE_ALLOW_HTTP=true`)
    } else {
      return url
    }
    return undefined
  }

  /**
   * Accepts http: as well, because no secret is sent unencrypted: a proxy relays TLS, and traces contain only ids and
   * times.
   */
  #httpUrl (name: VariableName, allowUserinfo: boolean): string {
    const text = this.#text(name)
    const url = URL.parse(text)
    if (text !== '' && (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))) {
      this.#issues.push(`${name}: must be an http: or https: URL`)
    } else if (!allowUserinfo && url !== null && (url.username !== '' || url.password !== '')) {
      this.#issues.push(`${name}: must not contain credentials`)
    } else if (url !== null) {
      this.#checkUserinfo(name, url)
    }
    return text
  }

  /**
   * Clients decode the user name and the password (RFC 3986 §3.2.1), which fails for a `%` without two hexadecimal
   * digits.
   */
  #checkUserinfo (name: VariableName, { username, password }: URL): void {
    try {
      decodeURIComponent(username)
      decodeURIComponent(password)
    } catch {
      this.#issues.push(`${name}: the user name and the password must be percent-encoded`)
    }
  }

  /**
   * Requires TLS, unless the operator opts out: the password of Redis travels there. Returns the URL with a scheme in
   * lower case, because the client of Redis uses no TLS for `REDISS:`.
   */
  #redisUrl (name: VariableName): string {
    const text = this.#text(name)
    if (text === '') return text
    const url = URL.parse(text)
    const allowPlaintext = this.#rawEnv['REDIS_ALLOW_PLAINTEXT'] === 'true'
    const isRedisUrl = url?.protocol === 'redis:' || url?.protocol === 'rediss:'
    if (url === null || !isRedisUrl || url.hostname === '') {
      this.#issues.push(`${name}: must be a redis: or rediss: URL with a host`)
      return ''
    }
    this.#checkUserinfo(name, url)
    if (url.protocol === 'redis:' && !allowPlaintext && !isLoopbackHost(url.hostname)) {
      this.#issues.push(`${name}: must use rediss:; redis: needs a loopback host or REDIS_ALLOW_PLAINTEXT=true`)
    }
    return url.href
  }

  #ids (name: VariableName): ReadonlySet<number> {
    return new Set(this.#list(name, isId, 'ids from 1 to 2^53-1').map(Number))
  }

  #list (name: VariableName, isValid: (item: string) => boolean, expected: string): string[] {
    const text = this.#text(name)
    const items = text.split(',').map(item => item.trim()).filter(item => item !== '')
    if (!items.every(isValid) || (items.length === 0 && text !== '')) {
      this.#issues.push(`${name}: must be ${expected}, separated by commas`)
    }
    return items
  }
}

/** A subtype, or a whole media type (RFC 7515 §4.1.9). */
function isMediaType (text: string): boolean {
  return /^[\w!#$&^.+-]+(?:\/[\w!#$&^.+-]+)?$/.test(text)
}

function isResourceAttribute (text: string): boolean {
  if (!/^[^=\s]+\s*=/.test(text)) return false
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

function isId (text: string): boolean {
  return /^\d+$/.test(text) && Number(text) >= 1 && Number.isSafeInteger(Number(text))
}

/** A host name that is not an address, without a port and a wildcard. */
function isHostName (text: string): boolean {
  const isName = /^[\w-]+(?:\.[\w-]+)*$/.test(text)
  return isName && isIP(text) === 0 && URL.parse(`https://${text}`)?.hostname === text.toLowerCase()
}

/** A host name, an address (IPv6 in brackets), each with or without a port, or `*.` and a suffix. */
function isHostPattern (text: string): boolean {
  const isName = /^(?:\*\.)?[\w-]+(?:\.[\w-]+)*\.?(?::\d+)?$/.test(text)
  return isName || isIPv6(toHostName(text))
}

function isNetwork (text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128))
}

/**
 * Whether the text is an origin as browsers and apps send it, such as https://app.example.com or capacitor://localhost.
 * A wildcard would match no origin.
 */
function isOrigin (text: string): boolean {
  const url = URL.parse(text)
  return url !== null && url.host !== '' && !text.includes('*') && `${url.protocol}//${url.host}` === text
}
