/**
 * Fetches files whose URL is in a record of Procore. Only here are redirects followed: Procore redirects to the storage
 * that has the file. A request to the API host counts for its rate limit. The circuit breaker is not used, because a
 * file that cannot be fetched does not show that the API host is down.
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
import { errorType, startSpan } from '../telemetry/spans.ts'
import type { UpstreamRecord } from '../telemetry/request-record.ts'
import type { AccessTokenProvider } from './auth/token-provider.ts'
import { rateLimitedProblem } from './classify.ts'
import { fileUrlProblem, parseFileUrl, type FileHosts, type FileUrl } from './file-url.ts'
import { parseRateLimitUpdate, type RateLimitUpdate } from './rate-limit/headers.ts'
import { withoutAccessToken } from './redact-access-token.ts'
import type { UpstreamSender } from './send.ts'

export interface FileRequest {
  /** Absolute, or relative to the API host. */
  url: string
  /** The company of the record. */
  companyId: number
  /** The caller that it is fetched for, for limits by caller. */
  callerId: string | undefined
  /** Durations and statuses are recorded in it, but no URL. */
  record: UpstreamRecord
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
  readonly #sender: UpstreamSender
  readonly #hosts: FileHosts
  readonly #dispatcher: Dispatcher

  /** @param sender has the rate limiter of the API host */
  constructor (
    config: Config['procore'], proxy: ProxyConfig, accessTokens: AccessTokenProvider, sender: UpstreamSender
  ) {
    const { apiUrl, files: { hosts, allowLoopback }, connectionLifetimeMs } = config
    const usesProxy = proxy.url.reveal() !== ''
    this.#config = config
    this.#accessTokens = accessTokens
    this.#sender = sender
    this.#hosts = { apiOrigin: apiUrl, tokenHosts: hosts, allowLoopback, usesProxy }
    const { connectionsMax: maxConnections, originsMax } = limits.file
    const poolLimits = { maxConnections, connectionLifetimeMs }
    this.#dispatcher = createFileDispatcher({ trustedOrigin: apiUrl, allowLoopback, poolLimits, originsMax }, proxy)
  }

  /**
   * Follows the redirects of a URL and returns the response with the file.
   * @throws {AbortReason} if there is no file
   */
  async fetch (request: FileRequest): Promise<FileResponse> {
    const deadline = AbortSignal.any([request.signal, AbortSignal.timeout(this.#config.files.timeoutMs)])
    const toAbortReason = (error: Error) => interpretError(error, deadline)
    try {
      const { headers, body } = await this.#followRedirects({ ...request, signal: deadline })
      return { headers, body, toAbortReason }
    } catch (error) {
      throw toAbortReason(toError(error))
    }
  }

  /** Aborts the requests in flight. */
  close (): Promise<void> {
    return this.#dispatcher.destroy()
  }

  async #followRedirects (request: FileRequest): Promise<HopResponse> {
    let hop = parseFileUrl(request.url, this.#hosts.apiOrigin, this.#hosts)
    for (let requests = 1; requests <= limits.file.requestsMax; requests++) {
      const response = await this.#request(hop, request)
      if (response.statusCode === 200) return expectLength(response)
      discard(response)
      if (!redirectStatuses.has(response.statusCode)) throw statusProblem(response.statusCode, hop)
      const { location } = response.headers
      if (typeof location !== 'string') throw fileUrlProblem('redirects without a Location')
      const next = parseFileUrl(location, hop.url.href, this.#hosts)
      // A host that does not receive the access token must not choose a URL that this service requests with it.
      hop = hop.host === 'other' ? { ...next, host: 'other' } : next
    }
    throw fileUrlProblem(`needs more than ${limits.file.requestsMax} requests`)
  }

  /** The access token is added to each request by the kind of its host, so no redirect can carry it to another host. */
  async #request (hop: FileUrl, request: FileRequest): Promise<HopResponse> {
    switch (hop.host) {
      case 'other': return this.#send(hop, request, undefined)
      case 'listed': return this.#send(hop, request, await this.#getAccessToken(request.signal))
      case 'api': break
    }
    const first = await this.#requestFromApi(hop, request)
    // Another host may refuse an access token that is valid, so only a 401 of the API host invalidates it.
    if (first.response.statusCode !== 401) return first.response
    this.#accessTokens.invalidate(first.accessToken)
    if (this.#accessTokens.current() === first.accessToken) return first.response
    discard(first.response)
    return (await this.#requestFromApi(hop, request)).response
  }

  /** @throws {Problem} `procore_rate_limited` and others of the rate limiter */
  async #requestFromApi (hop: FileUrl, request: FileRequest): Promise<{ response: HopResponse, accessToken: string }> {
    const { signal } = request
    // A request that waits for an access token must not hold a rate-limit permit meanwhile.
    await this.#getAccessToken(signal)
    const permit = await this.#sender.acquirePermit({ ...request, method: 'GET' }, this.#config.rateLimitMaxWaitMs)
    let update: RateLimitUpdate | undefined
    try {
      const accessToken = await this.#getAccessToken(signal)
      // A request without a response may have been counted.
      update = parseRateLimitUpdate({ kind: 'failure', requestSent: true }, Date.now())
      const response = await this.#send(hop, request, accessToken)
      const { statusCode: status, headers } = response
      update = parseRateLimitUpdate({ kind: 'response', status, headers }, Date.now())
      if (update.throttle?.reason !== 'rate') return { response, accessToken }
      discard(response)
      throw rateLimitedProblem(update.throttle.durationMs)
    } finally {
      permit.release(update)
    }
  }

  #getAccessToken (signal: AbortSignal): Promise<string> {
    return raceWithAbort(this.#accessTokens.get(), signal)
  }

  /** Sends one request and records its result. */
  async #send (
    { url, host }: FileUrl, { companyId, record, signal }: FileRequest, accessToken: string | undefined
  ): Promise<HopResponse> {
    const { idleTimeoutMs } = this.#config.files
    const startedAt = performance.now()
    const endSpan = startSpan(record, 'file')
    record.fileHost = host
    try {
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
          ...(host === 'api' && { 'procore-company-id': String(companyId) }),
        },
        signal,
        headersTimeout: idleTimeoutMs,
        bodyTimeout: idleTimeoutMs,
      })
      record.fileStatus = statusCode
      endSpan({ method: 'GET', status: statusCode, fileHost: host })
      const safeHeaders = accessToken === undefined ? headers : withoutAccessToken(headers, accessToken)
      return { statusCode, headers: safeHeaders, body }
    } catch (error) {
      endSpan({ method: 'GET', error: errorType(error), fileHost: host })
      throw error
    } finally {
      record.fileMs = (record.fileMs ?? 0) + performance.now() - startedAt
    }
  }
}

/**
 * Refuses a file whose end is marked only by the end of the connection: if the connection is lost, it looks complete
 * (RFC 9112 §8).
 */
function expectLength (response: HopResponse): HopResponse {
  const { 'content-length': length, 'transfer-encoding': coding } = response.headers
  if (length !== undefined || coding !== undefined) return response
  response.body.on('error', () => {}).destroy()
  throw new Problem('procore_bad_response', 'The host of the file does not say where the file ends.')
}

/** The time limits of the request apply to what is discarded, too. */
function discard ({ body }: HopResponse): void {
  body.dump({ limit: discardedMaxBytes }).catch(() => {})
}

function statusProblem (status: number, { host }: FileUrl): Problem {
  switch (status) {
    case 404:
    case 410: return new Problem('not_found', 'Procore has the URL of a file, but not the file.')
    case 429:
    case 503: return new Problem('procore_unavailable', 'The host of the file is not available.')
    case 504: return new Problem('procore_timeout', 'The host of the file did not respond in time.')
  }
  return status === 401 && host !== 'other'
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
