/**
 * Sends the access token request to Procore's login host: the client credentials grant of OAuth 2.0 (RFC 6749 §4.4),
 * with the credentials in the body, as Procore requires.
 */
import * as oauth from 'oauth4webapi'
import type { Dispatcher } from 'undici'
import type { Config } from '../../config/index.ts'
import { limits } from '../../config/limits.ts'
import { limitedFetch } from '../../http/limited-fetch.ts'
import { isJsonObject } from '../../util/is-json-object.ts'
import { parseJson } from '../../util/parse-json.ts'
import { getRetryAfterMs, Problem, retryAfterExtras } from '../../server/problem.ts'
import { userAgent } from '../../config/product.ts'
import { retryAfterSeconds } from '../http-dates.ts'

/** An access token (RFC 6749 §1.4). Its value is opaque. */
export interface AccessToken {
  value: string
  /**
   * When it was requested, by `performance.now`: the duration of the request shortens the lifetime rather than
   * extending it, and a change of the wall clock does not change it.
   */
  issuedAtMs: number
  /** `expires_in` of the response (RFC 6749 §5.1), or five minutes. */
  lifetimeMs: number
}

/** Used if the response has no `expires_in`: a fraction of the shortest lifetime that Procore has ever announced. */
const defaultLifetimeMs = 300_000

/**
 * Fetches a new access token, or rejects.
 * @param previousToken the access token to replace, if there was one
 */
export type FetchAccessToken = (previousToken: string | undefined) => Promise<AccessToken>

/**
 * Creates the function that fetches access tokens. If the credentials are refused, it reads them from their files again
 * and retries once if they are new. Each request has `limits.accessToken.timeoutMs`. The function rejects with a
 * Problem with the outcome `not_sent`: `procore_unauthorized` if the credentials are refused, else
 * `procore_unavailable`. It has a `Retry-After` header if the login host asks for a wait.
 * @param recordDuration receives the duration of each call in milliseconds, whether it succeeded or failed
 */
export function createAccessTokenFetcher (
  config: Config['procore'],
  dispatcher: Dispatcher,
  recordDuration: (ms: number) => void
): FetchAccessToken {
  return async () => {
    const startedAt = performance.now()
    try {
      return await fetchWithReloadedCredentials(config, dispatcher)
    } finally {
      recordDuration(performance.now() - startedAt)
    }
  }
}

async function fetchWithReloadedCredentials (config: Config['procore'], dispatcher: Dispatcher): Promise<AccessToken> {
  const usedSecret = config.clientSecret.reveal()
  try {
    return await fetchAccessToken(config, dispatcher)
  } catch (error) {
    const isRejected = error instanceof Problem && error.code === 'procore_unauthorized'
    if (!isRejected || getRetryAfterMs(error) > 0) throw error
    // The credentials may also have been reloaded while the request was in flight.
    if (!reloadCredentials(config) && config.clientSecret.reveal() === usedSecret) throw error
  }
  return fetchAccessToken(config, dispatcher)
}

/** Reads the credentials from their files again, if they came from files. Returns whether any has changed. */
export function reloadCredentials ({ clientId, clientSecret }: Config['procore']): boolean {
  return [clientId, clientSecret].map(secret => secret.reload()).includes(true)
}

async function fetchAccessToken (config: Config['procore'], dispatcher: Dispatcher): Promise<AccessToken> {
  const server: oauth.AuthorizationServer = {
    issuer: config.loginUrl,
    token_endpoint: `${config.loginUrl}/oauth/token`,
  }
  const issuedAtMs = performance.now()
  const client = { client_id: config.clientId.reveal() }
  const clientAuthentication = oauth.ClientSecretPost(config.clientSecret.reveal())
  let retryAfter: number | undefined
  try {
    const response = await oauth.clientCredentialsGrantRequest(server, client, clientAuthentication, {}, {
      // The configuration has already validated which hosts may be used without TLS.
      [oauth.allowInsecureRequests]: config.loginUrl.startsWith('http:'),
      [oauth.customFetch]: (url, options) => loginFetch(dispatcher, url, options.body.toString(), options.headers),
    })
    retryAfter = retryAfterSeconds(Object.fromEntries(response.headers), Date.now())
    const tokenResponse = await oauth.processClientCredentialsResponse(server, client, response)
    return { value: tokenResponse.access_token, issuedAtMs, lifetimeMs: getLifetimeMs(tokenResponse) }
  } catch (error) {
    throw toProblem(error, retryAfter)
  }
}

function getLifetimeMs ({ expires_in: expiresInSeconds }: oauth.TokenEndpointResponse): number {
  if (expiresInSeconds === undefined) return defaultLifetimeMs
  if (expiresInSeconds <= 0) throw new Error('the login host issued an access token that has already expired')
  return expiresInSeconds * 1000
}

/** Sends a request to the login host by our own pool. A redirect would send the secret to another host. */
async function loginFetch (
  dispatcher: Dispatcher,
  url: string,
  body: string,
  headers: Record<string, string>
): Promise<Response> {
  const response = await limitedFetch(url, {
    dispatcher,
    method: 'POST',
    headers: { ...headers, 'user-agent': userAgent },
    body,
    signal: AbortSignal.timeout(limits.accessToken.timeoutMs),
  }, limits.accessToken.responseMaxBytes)
  if (response.status !== 200) return response
  return new Response(completeTokenResponse(await response.text()), { headers: response.headers })
}

/**
 * Removes null members of a token response, which some servers write for members that they do not set, and adds the
 * `token_type` if it is absent (RFC 6749 §5.1 requires it, but only bearer tokens are used here).
 */
function completeTokenResponse (text: string): string {
  const value = parseJson(text)
  if (!isJsonObject(value)) return text
  const members = Object.entries(value).filter(([, member]) => member !== null)
  return JSON.stringify({ token_type: 'bearer', ...Object.fromEntries(members) })
}

/**
 * Whether the login host refused the credentials: with an error body (RFC 6749 §5.2), or with a challenge in addition,
 * as Doorkeeper does.
 */
function isCredentialsRejection (error: unknown): boolean {
  const { ResponseBodyError, WWWAuthenticateChallengeError } = oauth
  const isErrorResponse = error instanceof ResponseBodyError || error instanceof WWWAuthenticateChallengeError
  return isErrorResponse && error.status < 500 && error.status !== 429
}

/** @param retryAfter seconds for which the login host asks to send no request */
function toProblem (error: unknown, retryAfter: number | undefined): Problem {
  const waitMs = Math.min((retryAfter ?? 0) * 1000, limits.accessToken.waitMaxMs)
  const extras = { outcome: 'not_sent', cause: error, ...retryAfterExtras(waitMs) } as const
  return isCredentialsRejection(error)
    ? new Problem('procore_unauthorized', 'Procore\'s login host refused the credentials of this service.', extras)
    : new Problem('procore_unavailable', 'Procore\'s login host did not issue an access token.', extras)
}
