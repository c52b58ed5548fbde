/** Issues callers' JWTs, and serves the JWKS on a real socket. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { exportJWK, generateKeyPair, SignJWT, type JWK, type JWTPayload } from 'jose'
import type { Test } from 'tap'
import { listen } from './listen.ts'

export interface Issuer {
  /** Environment with which the service verifies its JWTs. */
  env: Record<string, string>
  /** Number of JWKS requests. */
  requestCount: number
  /** Headers of the last JWKS request. */
  requestHeaders: IncomingHttpHeaders
  /** Whether it responds with 503. */
  isDown: boolean
  /** The published keys, oldest first. A test may remove or change them. */
  publicKeys: JWK[]
  /** Sent instead of the published keys. */
  body?: string
  sign (claims?: JWTPayload, options?: SignOptions): Promise<string>
  /** Adds a key, which signs all later JWTs. */
  rotate (algorithm?: string, kid?: string): Promise<void>
}

export interface SignOptions {
  issuer?: string
  audience?: string
  /** Seconds from now. */
  expiresIn?: number
  notBeforeIn?: number
  /** Header `typ`. */
  type?: string
  /** Whether the header has no `kid`. */
  omitKid?: boolean
}

const issuerUrl = 'https://issuer.example.com/'
const audience = 'procore-bff'

export async function startIssuer (t: Test, algorithm = 'ES256'): Promise<Issuer> {
  let keyCount = 0
  let current: { algorithm: string, kid: string, key: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'] }
  const issuer: Issuer = {
    env: {},
    requestCount: 0,
    requestHeaders: {},
    isDown: false,
    publicKeys: [],
    sign: async (claims = {}, options = {}) => {
      const nowSeconds = Math.floor(Date.now() / 1000)
      return new SignJWT({ sub: 'caller', ...claims })
        .setProtectedHeader({
          alg: current.algorithm,
          ...(options.omitKid !== true && { kid: current.kid }),
          ...(options.type !== undefined && { typ: options.type }),
        })
        .setIssuer(options.issuer ?? issuerUrl)
        .setAudience(options.audience ?? audience)
        .setExpirationTime(nowSeconds + (options.expiresIn ?? 600))
        .setNotBefore(nowSeconds + (options.notBeforeIn ?? 0))
        .sign(current.key)
    },
    rotate: async (algorithm = 'ES256', kid = `key-${keyCount}`) => {
      keyCount++
      const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
      current = { algorithm, kid, key: privateKey }
      issuer.publicKeys.push({ ...await exportJWK(publicKey), kid: current.kid, alg: algorithm, use: 'sig' })
    },
  }
  await issuer.rotate(algorithm)
  const server = createServer(({ headers }, response) => {
    issuer.requestCount++
    issuer.requestHeaders = headers
    const body = issuer.body ?? JSON.stringify({ keys: issuer.publicKeys })
    if (issuer.isDown) response.writeHead(503).end('away')
    else response.writeHead(200, { 'content-type': 'application/json' }).end(body)
  })
  issuer.env = {
    CALLER_AUTH: 'jwt',
    JWT_JWKS_URL: `http://127.0.0.1:${await listen(t, server)}/jwks`,
    JWT_ISSUER: issuerUrl,
    JWT_AUDIENCE: audience,
  }
  return issuer
}

export const bearerHeader = (jwt: string) => ({ authorization: `Bearer ${jwt}` })
