/**
 * The token request to Procore's login host: OAuth 2.0 client credentials (RFC 6749 §4.4) with the credentials in the body,
 * as Procore asks for. It keeps no token, and does not know when one is needed.
 */
import * as oauth from 'oauth4webapi'
import { fetch, type Dispatcher } from 'undici'
import type { Config } from '../../config/index.ts'
import { limits } from '../../config/limits.ts'
import { Problem } from '../../server/problem.ts'
import { userAgent } from '../../config/product.ts'

/** An access token (RFC 6749 §1.4), which nobody here looks into. */
export interface AccessToken {
  value: string
  /** Counted from when it was asked for, so that the time the answer took is on the safe side. */
  issuedAtMs: number
  /** As its `expires_in` says (RFC 6749 §5.1), else five minutes. */
  lifetimeMs: number
}

/** Used when the answer does not say how long a token lives: a fraction of the shortest life that was ever announced. */
const defaultLifetimeMs = 300_000

/** Brings a new token, or throws. @param replaced the token that is no longer wanted, if there was one */
export type FetchAccessToken = (previousToken: string | undefined) => Promise<AccessToken>

/**
 * Credentials that are refused are read again from their files, and tried once more if they are new.
 * Each try has `limits.accessToken.timeoutMs`.
 * @param recordDuration is told how long each request took, in milliseconds, whatever came of it
 * @throws {Problem} (what it returns) `procore_unauthorized` for credentials that are refused, else `procore_unavailable`; both `not_sent`
 */
export function createAccessTokenFetcher (config: Config['procore'], dispatcher: Dispatcher, recordDuration: (ms: number) => void): FetchAccessToken {
  return async () => {
    const startedAt = performance.now()
    try {
      return await fetchWithReloadedCredentials(config, dispatcher)
    } catch (error) {
      throw toProblem(error)
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
    // They may have been read again while this attempt was under way.
    if (!isCredentialsRejection(error) || (!reloadCredentials(config) && config.clientSecret.reveal() === usedSecret)) throw error
  }
  return fetchAccessToken(config, dispatcher)
}

/** Reads the credentials from their files again, where they came from files; returns whether any is new. */
export function reloadCredentials ({ clientId, clientSecret }: Config['procore']): boolean {
  return [clientId, clientSecret].map(secret => secret.reload()).includes(true)
}

async function fetchAccessToken (config: Config['procore'], dispatcher: Dispatcher): Promise<AccessToken> {
  const server: oauth.AuthorizationServer = { issuer: config.loginUrl, token_endpoint: `${config.loginUrl}/oauth/token` }
  const issuedAtMs = Date.now()
  const client = { client_id: config.clientId.reveal() }
  const response = await oauth.clientCredentialsGrantRequest(server, client, oauth.ClientSecretPost(config.clientSecret.reveal()), {}, {
    // Which hosts may be addressed without TLS was judged when the configuration was read.
    [oauth.allowInsecureRequests]: config.loginUrl.startsWith('http:'),
    [oauth.customFetch]: (url, options) => loginFetch(dispatcher, url, options.body.toString(), options.headers),
  })
  const tokenResponse = await oauth.processClientCredentialsResponse(server, client, response)
  if (tokenResponse.expires_in !== undefined && tokenResponse.expires_in <= 0) throw new Error('the login host gave a token that is over')
  return { value: tokenResponse.access_token, issuedAtMs, lifetimeMs: tokenResponse.expires_in === undefined ? defaultLifetimeMs : tokenResponse.expires_in * 1000 }
}

/** undici's own `fetch` on our own pool; a redirect would carry the secret to another host, so it is an error. */
async function loginFetch (dispatcher: Dispatcher, url: string, body: string, headers: Record<string, string>): Promise<Response> {
  const response = await fetch(url, {
    dispatcher,
    method: 'POST',
    redirect: 'error',
    headers: { ...headers, 'user-agent': userAgent },
    body,
    signal: AbortSignal.timeout(limits.accessToken.timeoutMs),
  })
  return new Response(await response.text(), { status: response.status, headers: [...response.headers] })
}

/** An error body (RFC 6749 §5.2), or a challenge beside it, which Doorkeeper sends along. */
function isCredentialsRejection (error: unknown): boolean {
  const isErrorResponse = error instanceof oauth.ResponseBodyError || error instanceof oauth.WWWAuthenticateChallengeError
  return isErrorResponse && error.status < 500 && error.status !== 429
}

function toProblem (error: unknown): Problem {
  return isCredentialsRejection(error)
    ? new Problem('procore_unauthorized', 'Procore\'s login host does not accept the credentials of this service.', { outcome: 'not_sent', cause: error })
    : new Problem('procore_unavailable', 'Procore\'s login host gave no token.', { outcome: 'not_sent', cause: error })
}
