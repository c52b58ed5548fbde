/**
 * Fetches files whose URL is in a record of Procore. Only here are redirects followed: Procore redirects to the storage
 * that has the file. The rate limiter and the circuit breaker are not used, because they are about the API.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { errors, type Dispatcher } from 'undici'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import { userAgent } from '../config/product.ts'
import { createFileDispatcher, type ProxyConfig } from '../http/connection-pool.ts'
import { ForbiddenAddressError } from '../http/public-addresses.ts'
import { isAbortReason, raceWithAbort, type AbortReason } from '../server/abort.ts'
import { toError } from '../server/errors.ts'
import { Problem } from '../server/problem.ts'
import type { AccessTokenProvider } from './auth/token-provider.ts'
import { fileUrlProblem, parseFileUrl, type FileHosts, type FileUrl } from './file-url.ts'
import { withoutAccessToken } from './redact-access-token.ts'

export interface FileRequest {
  /** Absolute, or relative to the API host. */
  url: string
  /** The company of the record. */
  companyId: number
  signal: AbortSignal
}

/** A file whose content has yet to be read. */
export interface FileResponse {
  headers: IncomingHttpHeaders
  /** Must be read or destroyed. */
  body: Readable
  /** Returns the reason of an error of the body. */
  toAbortReason: (error: Error) => AbortReason
}

type HopResponse = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers' | 'body'>

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** The rest of a response without a file is read up to this size, so that its connection can be used again. */
const discardedMaxBytes = 16_384

/** Owns the connections to the hosts of files. */
export class FileFetcher {
  readonly #config: Config['procore']
  readonly #accessTokens: AccessTokenProvider
  readonly #hosts: FileHosts
  readonly #dispatcher: Dispatcher

  constructor (config: Config['procore'], proxy: ProxyConfig, accessTokens: AccessTokenProvider) {
    const { apiUrl, files: { hosts, allowLoopback }, connectionLifetimeMs } = config
    const usesProxy = proxy.url.reveal() !== ''
    this.#config = config
    this.#accessTokens = accessTokens
    this.#hosts = { apiOrigin: apiUrl, tokenHosts: hosts, allowLoopback, usesProxy }
    const { connectionsMax: maxConnections, originsMax } = limits.file
    const poolLimits = { maxConnections, connectionLifetimeMs }
    this.#dispatcher = createFileDispatcher({ trustedOrigin: apiUrl, allowLoopback, poolLimits, originsMax }, proxy)
  }

  /**
   * Follows the redirects of a URL and returns the response with the file.
   * @throws {AbortReason} if there is no file
   */
  async fetch ({ url, companyId, signal }: FileRequest): Promise<FileResponse> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(this.#config.files.timeoutMs)])
    const toAbortReason = (error: Error) => interpretError(error, deadline)
    try {
      const { headers, body } = await this.#followRedirects(url, companyId, deadline)
      return { headers, body, toAbortReason }
    } catch (error) {
      throw toAbortReason(toError(error))
    }
  }

  /** Aborts the requests in flight. */
  close (): Promise<void> {
    return this.#dispatcher.destroy()
  }

  async #followRedirects (url: string, companyId: number, signal: AbortSignal): Promise<HopResponse> {
    let hop = parseFileUrl(url, this.#hosts.apiOrigin, this.#hosts)
    for (let requests = 1; requests <= limits.file.requestsMax; requests++) {
      const response = await this.#request(hop, companyId, signal)
      if (response.statusCode === 200) return response
      discard(response)
      if (!redirectStatuses.has(response.statusCode)) throw statusProblem(response.statusCode, hop)
      const { location } = response.headers
      if (typeof location !== 'string') throw fileUrlProblem('redirects without a Location')
      hop = parseFileUrl(location, hop.url.href, this.#hosts)
    }
    throw fileUrlProblem(`needs more than ${limits.file.requestsMax} requests`)
  }

  /** The access token depends on the host of this request only, so no redirect can carry it to another host. */
  async #request (
    { url, isApi, receivesAccessToken }: FileUrl, companyId: number, signal: AbortSignal
  ): Promise<HopResponse> {
    const { idleTimeoutMs } = this.#config.files
    const accessToken = receivesAccessToken ? await raceWithAbort(this.#accessTokens.get(), signal) : undefined
    const { statusCode, headers, body } = await this.#dispatcher.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'GET',
      headers: {
        accept: 'image/*',
        // The type is detected from the first bytes, and the size is limited, so the content must not be compressed.
        'accept-encoding': 'identity',
        'user-agent': userAgent,
        ...(accessToken !== undefined && { authorization: `Bearer ${accessToken}` }),
        ...(isApi && { 'procore-company-id': String(companyId) }),
      },
      signal,
      headersTimeout: idleTimeoutMs,
      bodyTimeout: idleTimeoutMs,
    })
    return { statusCode, body, headers: accessToken === undefined ? headers : withoutAccessToken(headers, accessToken) }
  }
}

/** The time limits of the request apply to what is discarded, too. */
function discard ({ body }: HopResponse): void {
  body.dump({ limit: discardedMaxBytes }).catch(() => {})
}

function statusProblem (status: number, { receivesAccessToken }: FileUrl): Problem {
  switch (status) {
    case 404:
    case 410: return new Problem('not_found', 'Procore has the URL of a file, but not the file.')
    case 429:
    case 503: return new Problem('procore_unavailable', 'The host of the file is not available.')
    case 504: return new Problem('procore_timeout', 'The host of the file did not respond in time.')
  }
  return status === 401 && receivesAccessToken
    ? new Problem('procore_unauthorized', 'The host of the file does not accept the access token.')
    : new Problem('procore_bad_response', `The host of the file responded with status ${status}.`)
}

function interpretError (error: Error, signal: AbortSignal): AbortReason {
  if (isAbortReason(error)) return error
  if (signal.aborted) {
    return isAbortReason(signal.reason) ? signal.reason : timeoutProblem(error)
  }
  if (error instanceof ForbiddenAddressError) return fileUrlProblem('names a host that is not public', error)
  if (timeoutErrors.some(TimeoutError => error instanceof TimeoutError)) return timeoutProblem(error)
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError) {
    return new Problem('procore_bad_response', 'The host of the file sent a response that is not valid HTTP.', {
      cause: error,
    })
  }
  return new Problem('procore_unreachable', 'The connection to the host of the file failed.', { cause: error })
}

const timeoutProblem = (cause: Error) =>
  new Problem('procore_timeout', 'The file did not arrive in time.', { cause })

const timeoutErrors = [errors.ConnectTimeoutError, errors.HeadersTimeoutError, errors.BodyTimeoutError]
