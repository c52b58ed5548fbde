/** An issuer of callers' tokens: a JWKS on a real socket, and what signs with its keys. */
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose'
import type { Test } from 'tap'
import { listen } from './listen.ts'

export interface Issuer {
  /** What the service needs to verify its tokens. */
  env: Record<string, string>
  /** How often the keys were asked for. */
  requestCount: number
  /** Whether it answers with an error. */
  isDown: boolean
  sign (claims?: JWTPayload, options?: SignOptions): Promise<string>
  /** Adds a key that later tokens are signed with. */
  rotate (algorithm?: string): Promise<void>
}

export interface SignOptions {
  issuer?: string
  audience?: string
  /** Seconds from now. */
  expiresIn?: number
  notBeforeIn?: number
}

const issuerUrl = 'https://issuer.example.com/'
const audience = 'procore-bff'

export async function startIssuer (t: Test, algorithm = 'ES256'): Promise<Issuer> {
  const publicKeys: object[] = []
  let current: { algorithm: string, kid: string, key: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'] }
  const issuer: Issuer = {
    env: {},
    requestCount: 0,
    isDown: false,
    sign: async (claims = {}, { issuer = issuerUrl, audience: to = audience, expiresIn = 600, notBeforeIn = 0 } = {}) => {
      const nowSeconds = Math.floor(Date.now() / 1000)
      return new SignJWT({ sub: 'caller', ...claims }).setProtectedHeader({ alg: current.algorithm, kid: current.kid })
        .setIssuer(issuer).setAudience(to).setExpirationTime(nowSeconds + expiresIn).setNotBefore(nowSeconds + notBeforeIn).sign(current.key)
    },
    rotate: async (algorithm = 'ES256') => {
      const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
      current = { algorithm, kid: `key-${publicKeys.length}`, key: privateKey }
      publicKeys.push({ ...await exportJWK(publicKey), kid: current.kid, alg: algorithm, use: 'sig' })
    },
  }
  await issuer.rotate(algorithm)
  const server = createServer((_request, response) => {
    issuer.requestCount++
    if (issuer.isDown) response.writeHead(503).end('away')
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: publicKeys }))
  })
  issuer.env = { CALLER_AUTH: 'jwt', JWT_JWKS_URL: `http://127.0.0.1:${await listen(t, server)}/jwks`, JWT_ISSUER: issuerUrl, JWT_AUDIENCE: audience }
  return issuer
}

export const bearerHeader = (jwt: string) => ({ authorization: `Bearer ${jwt}` })
