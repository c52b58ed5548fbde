/** Defines the environment variables of the service as one TypeBox schema: names, types, defaults and ranges. */
import { Type, type Static } from '@sinclair/typebox'
import { stringEnum } from '../endpoints/string-enum.ts'

const milliseconds = (fallback: number, minimum = 1) =>
  Type.Integer({ minimum, maximum: 86_400_000, default: fallback })
const bytes = (fallback: number, maximum: number) => Type.Integer({ minimum: 1, maximum, default: fallback })
/** A list separated by commas. */
const commaSeparated = () => Type.String({ default: '' })

const mebibyte = 1_048_576

/**
 * All variables by name. A variable without a default is required. A value that JSON Schema cannot validate is a string
 * here, and parse-env.ts parses it.
 */
export const EnvSchema = Type.Object({
  HOST: Type.String({ default: '127.0.0.1' }),
  PORT: Type.Integer({ minimum: 0, maximum: 65_535, default: 3000 }),
  PROCORE_API_URL: Type.String({ default: 'https://api.procore.com' }),
  PROCORE_LOGIN_URL: Type.String({ default: 'https://login.procore.com' }),
  PROCORE_ALLOW_HTTP: Type.Boolean({ default: false }),
  PROCORE_CLIENT_ID: Type.String(),
  PROCORE_CLIENT_SECRET: Type.String(),
  PROCORE_COMPANY_IDS: commaSeparated(),
  CALLER_AUTH: stringEnum(['jwt', 'none']),
  JWT_JWKS_URL: Type.String({ default: '' }),
  JWT_ISSUER: Type.String({ default: '' }),
  JWT_AUDIENCE: Type.String({ default: '' }),
  JWT_AUDIENCE_CLAIM: Type.String({ default: 'aud' }),
  JWT_TYPES: Type.String({ default: 'at+jwt,JWT' }),
  JWT_MAX_AGE_SECONDS: Type.String({ default: '' }),
  JWT_COMPANIES_CLAIM: Type.String({ default: '' }),
  JWT_SCOPE_PREFIX: Type.String({ default: '' }),
  PERMISSION_TEMPLATE_IDS: commaSeparated(),
  ALLOWED_HOSTS: commaSeparated(),
  TRUSTED_PROXIES: commaSeparated(),
  CALLER_RATE_PER_MINUTE: Type.Integer({ minimum: 0, maximum: 10_000_000, default: 600 }),
  CALLER_CONCURRENT_REQUESTS: Type.Integer({ minimum: 1, maximum: 100_000, default: 64 }),
  CALLER_CONCURRENT_UPLOADS: Type.Integer({ minimum: 1, maximum: 100_000, default: 16 }),
  MAX_CONCURRENT_UPLOADS: Type.Integer({ minimum: 1, maximum: 100_000, default: 64 }),
  UPLOAD_TIMEOUT_MS: milliseconds(300_000),
  KEEP_ALIVE_TIMEOUT_MS: milliseconds(72_000),
  REDIS_URL: Type.String({ default: '' }),
  REDIS_ALLOW_PLAINTEXT: Type.Boolean({ default: false }),
  IDEMPOTENCY_WITHOUT_REDIS: stringEnum(['refuse', 'proceed'], { default: 'refuse' }),
  JSON_MAX_BYTES: bytes(262_144, 64 * mebibyte),
  AVATAR_MAX_BYTES: bytes(10_485_760, 4096 * mebibyte),
  AVATAR_MAX_PIXELS: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, default: 50_000_000 }),
  AVATAR_METADATA: stringEnum(['strip', 'keep'], { default: 'strip' }),
  FORM_BUFFER_BYTES: bytes(262_144, 1024 * mebibyte),
  UPSTREAM_TIMEOUT_MS: milliseconds(20_000),
  UPSTREAM_FORM_TIMEOUT_MS: milliseconds(60_000),
  UPLOAD_IDLE_TIMEOUT_MS: milliseconds(15_000),
  UPSTREAM_CONNECTIONS: Type.Integer({ minimum: 1, maximum: 10_000, default: 128 }),
  UPSTREAM_CONNECTION_LIFETIME_MS: milliseconds(300_000),
  RATE_LIMIT_MAX_WAIT_MS: milliseconds(3_000, 0),
  PROCORE_RATE_LIMIT_SCOPE: stringEnum(['company', 'service'], { default: 'company' }),
  PROCORE_FILE_HOSTS: Type.String({
    default: 'api.procore.com,sandbox.procore.com,api-monthly.procore.com,api.procoregov.com',
  }),
  PROCORE_FILE_ALLOW_LOOPBACK: Type.Boolean({ default: false }),
  STATE_CODES: stringEnum(['iso', 'any'], { default: 'iso' }),
  STATE_KEYS: commaSeparated(),
  ORIGIN_ID_PREFIX: Type.String({ default: '' }),
  PICK_LIST_CACHE_SECONDS: Type.Integer({ minimum: 0, maximum: 3600, default: 60 }),
  DRAIN_DELAY_MS: milliseconds(0, 0),
  SHUTDOWN_GRACE_MS: milliseconds(25_000, 0),
  CORS_ORIGINS: commaSeparated(),
  HTTPS_PROXY: Type.String({ default: '' }),
  NO_PROXY: Type.String({ default: '' }),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.String({ default: '' }),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: Type.String({ default: '' }),
  OTEL_TRACES_EXPORTER: stringEnum(['otlp', 'none'], { default: 'otlp' }),
  OTEL_SDK_DISABLED: Type.Boolean({ default: false }),
  OTEL_SERVICE_NAME: Type.String({ default: 'procore-bff' }),
  OTEL_RESOURCE_ATTRIBUTES: commaSeparated(),
  OTEL_TRACES_SAMPLER: stringEnum([
    'always_on', 'always_off', 'traceidratio',
    'parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio',
  ], { default: 'parentbased_always_on' }),
  OTEL_TRACES_SAMPLER_ARG: Type.String({ default: '1' }),
  STATUS_PAGE: Type.Boolean({ default: false }),
  LOG_LEVEL: stringEnum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], { default: 'info' }),
})

/** The validated variables. */
export type Env = Static<typeof EnvSchema>

/** Variables that can also be set as `<NAME>_FILE`, the path of a file that contains the value. */
export const secretFileVariables = [
  'PROCORE_CLIENT_ID', 'PROCORE_CLIENT_SECRET', 'REDIS_URL', 'STATE_KEYS',
] as const

/** New names of renamed variables, by old name. */
export const renamedVariables: Readonly<Record<string, string>> = {
  FORM_HOLD_BYTES: 'FORM_BUFFER_BYTES',
  RATE_WAIT_MS: 'RATE_LIMIT_MAX_WAIT_MS',
  PROCORE_ALLOWANCE: 'PROCORE_RATE_LIMIT_SCOPE',
  CACHE_SECONDS: 'PICK_LIST_CACHE_SECONDS',
}
