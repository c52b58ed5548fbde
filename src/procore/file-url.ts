/**
 * Validates the URLs of files and of their redirects, which Procore chooses: which hosts may be asked, and which of
 * them receive the access token. Errors do not contain the URL, because a signed one is a credential.
 */
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import type { FileHostKind } from '../telemetry/spans.ts'
import { isLoopbackHost } from '../util/host-name.ts'

/** The hosts that files may come from. */
export interface FileHosts {
  /** The API host, as the operator configured it. */
  apiOrigin: string
  /** Other hosts that receive the access token. */
  tokenHosts: ReadonlySet<string>
  allowLoopback: boolean
  /** The proxy resolves the names, so that addresses cannot be checked. */
  usesProxy: boolean
}

/** One request for a file, or for the next redirect. */
export interface FileUrl {
  url: URL
  /** All but `other` receive the access token. */
  host: FileHostKind
}

/**
 * @param base resolves a relative URL: the URL that redirected, or the API host
 * @throws {Problem} `procore_bad_response`
 */
export function parseFileUrl (text: string, base: string, hosts: FileHosts): FileUrl {
  const url = text.length <= limits.file.urlMaxLength ? URL.parse(text, base) : null
  if (url === null) throw fileUrlProblem('is not valid')
  if (url.username !== '' || url.password !== '') throw fileUrlProblem('contains credentials')
  if (url.origin === hosts.apiOrigin) return { url, host: 'api' }
  const isListed = hosts.tokenHosts.has(url.hostname)
  if (hosts.usesProxy && !isListed) {
    throw fileUrlProblem('names a host that is not in PROCORE_FILE_HOSTS, as is needed behind HTTPS_PROXY')
  }
  if (hosts.allowLoopback && isHttp(url) && isLoopbackHost(url.hostname)) {
    return { url, host: 'other' }
  }
  if (url.protocol !== 'https:') throw fileUrlProblem('does not use https:')
  if (url.port !== '') throw fileUrlProblem('names a port')
  return { url, host: isListed ? 'listed' : 'other' }
}

const isHttp = ({ protocol }: URL) => protocol === 'http:' || protocol === 'https:'

/** @param fault completes a sentence about the URL */
export function fileUrlProblem (fault: string, cause?: unknown): Problem {
  return new Problem('procore_bad_response', `The URL of the file in Procore, or one that it redirects to, ${fault}.`, {
    ...(cause !== undefined && { cause }),
  })
}
