/**
 * The settings whose values a JSON Schema can't judge: addresses, networks, lists of ids, and what is required together.
 * It tells faults by the name of the variable and never shows a value, since any of them may be a secret in the wrong place.
 */
import { isIP } from 'node:net'
import { EnvSchema } from './env-schema.ts'

/** What is set, by name; nothing is empty. */
export type RawEnv = Record<string, string>

/** How callers' tokens are verified, where they are (RFC 7519). */
export interface JwtConfig {
  readonly jwksUrl: string
  readonly issuer: string
  readonly audience: string
  /** Name of the claim that lists the companies of a caller; empty: a token limits nobody. */
  readonly companiesClaim: string
  /** What stands before an endpoint's name in a scope; empty: scopes are not looked at. */
  readonly scopePrefix: string
}

/** What was read; where there was a fault, something that nobody is to use. URLs are empty where none is set. */
export interface ParsedEnv {
  apiUrl: string
  loginUrl: string
  proxyUrl: string
  redisUrl: string
  companyIds: ReadonlySet<number>
  permissionTemplateIds: ReadonlySet<number>
  trustedProxies: readonly string[]
  corsOrigins: readonly string[]
  tracesUrl: string
  jwt: JwtConfig | undefined
}

type VariableName = keyof typeof EnvSchema.properties

/** Reads what is set, else the defaults. @param issues gets a line for each fault, and nothing is thrown */
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
      companyIds: this.#ids('PROCORE_COMPANY_IDS'),
      permissionTemplateIds: this.#ids('PERMISSION_TEMPLATE_IDS'),
      trustedProxies: this.#list('TRUSTED_PROXIES', isNetwork, 'addresses or networks'),
      corsOrigins: this.#list('CORS_ORIGINS', isOrigin, 'origins such as https://app.example.com'),
      tracesUrl: this.#httpUrl('OTEL_EXPORTER_OTLP_ENDPOINT', false),
      jwt: this.#rawEnv['CALLER_AUTH'] === 'jwt' ? this.#jwtConfig() : undefined,
    }
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
      companiesClaim: this.#text('JWT_COMPANIES_CLAIM'),
      scopePrefix: this.#text('JWT_SCOPE_PREFIX'),
    }
  }

  #origin (name: VariableName): string {
    const url = this.#secureUrl(name)
    if (url === undefined) return ''
    if (url.pathname !== '/' || url.search !== '' || url.hash !== '') this.#issues.push(`${name}: must be a scheme and a host, without path or query`)
    return url.origin
  }

  /** A secret, a token or a key must not travel in the clear, unless the host is this machine or the operator says so. */
  #secureUrl (name: VariableName): URL | undefined {
    const url = URL.parse(this.#text(name))
    const allowHttp = this.#rawEnv['PROCORE_ALLOW_HTTP'] === 'true'
    if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) this.#issues.push(`${name}: must be an https: URL`)
    else if (url.username !== '' || url.password !== '') this.#issues.push(`${name}: must not hold credentials`)
    else if (url.protocol === 'http:' && !allowHttp && !isLoopback(url.hostname)) this.#issues.push(`${name}: http: is accepted for loopback hosts only, elsewhere with PROCORE_ALLOW_HTTP=true`)
    else return url
    return undefined
  }

  /** Nothing that is a secret goes there in the clear: a proxy carries what is encrypted from end to end, and traces hold ids and times. */
  #httpUrl (name: VariableName, allowUserinfo: boolean): string {
    const text = this.#text(name)
    const url = URL.parse(text)
    if (text !== '' && (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))) this.#issues.push(`${name}: must be an http: or https: URL`)
    else if (!allowUserinfo && url !== null && (url.username !== '' || url.password !== '')) this.#issues.push(`${name}: must not hold credentials`)
    return text
  }

  #redisUrl (name: VariableName): string {
    const text = this.#text(name)
    const protocol = URL.parse(text)?.protocol
    if (text !== '' && protocol !== 'redis:' && protocol !== 'rediss:') this.#issues.push(`${name}: must be a redis: or rediss: URL`)
    return text
  }

  #ids (name: VariableName): ReadonlySet<number> {
    return new Set(this.#list(name, id => /^\d+$/.test(id) && Number(id) >= 1 && Number.isSafeInteger(Number(id)), 'ids from 1 to 2^53-1').map(Number))
  }

  #list (name: VariableName, isValid: (item: string) => boolean, expected: string): string[] {
    const items = this.#text(name).split(',').map(item => item.trim()).filter(item => item !== '')
    if (!items.every(isValid) || (items.length === 0 && this.#text(name) !== '')) this.#issues.push(`${name}: must be ${expected}, separated by commas`)
    return items
  }
}

function isLoopback (hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || (isIP(hostname) === 4 && hostname.startsWith('127.'))
}

function isNetwork (text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/')
  const version = isIP(address)
  return version !== 0 && rest.length === 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128)))
}

function isOrigin (text: string): boolean {
  const url = URL.parse(text)
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:') && url.origin === text
}
