/**
 * Rejects requests that a browser sends for a page of another site. With `CALLER_AUTH=none` such a request needs no
 * credential: any page that the browser opens could create users (CSRF), or read and write under a name of its own that
 * resolves to this service (DNS rebinding).
 */
import { isIP } from 'node:net'
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from '../config/index.ts'
import { Problem } from '../server/problem.ts'
import { toHostName } from '../util/host-name.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route holds nothing personal and changes nothing, and is called by monitors: it accepts every Host. */
    acceptsAnyHost?: true
  }
}

/**
 * Hosts that are accepted by default with `CALLER_AUTH=none`, beside addresses, names without a dot and `HOST`. DNS
 * rebinding needs a public name, and none of these is one.
 */
const privateNames = ['*.local', '*.internal', '*.svc', '*.svc.cluster.local']

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Must be registered before the routes. */
export const originPlugin = fp<{ config: Pick<Config, 'auth' | 'listen'> }>(async (app, { config }) => {
  const { auth, listen } = config
  const isAllowedHost = createHostCheck(auth, listen.host)
  const corsOrigins = new Set(auth.corsOrigins)
  const check = ({ method, headers }: FastifyRequest): Problem | undefined => {
    if (!isAllowedHost(headers.host)) return hostProblem()
    // A page of another site has no bearer token of the caller, so only `none` needs the check.
    if (auth.jwt !== undefined || safeMethods.has(method)) return undefined
    return isForeign(headers, corsOrigins) ? originProblem() : undefined
  }
  app.addHook('onRequest', (request, _reply, done) => {
    const problem = check(request)
    done(problem === undefined || request.routeOptions.config.acceptsAnyHost === true ? undefined : problem)
  })
})

function createHostCheck (
  { jwt, allowedHosts }: Pick<Config['auth'], 'jwt' | 'allowedHosts'>, listenHost: string
): (host: string | undefined) => boolean {
  if (allowedHosts.length === 0 && jwt !== undefined) return () => true
  const acceptsPrivate = allowedHosts.length === 0
  const patterns = acceptsPrivate ? [...privateNames, listenHost.toLowerCase()] : allowedHosts
  const names = new Set(patterns.filter(pattern => !pattern.startsWith('*')))
  const suffixes = patterns.filter(pattern => pattern.startsWith('*')).map(pattern => pattern.slice(1))
  return host => {
    // HTTP/1.0 has no Host. Every browser sends one.
    if (host === undefined) return true
    const name = toHostName(host)
    if (acceptsPrivate && (!name.includes('.') || isIP(name) !== 0)) return true
    return names.has(name) || suffixes.some(suffix => name.endsWith(suffix))
  }
}

/** Whether a page of another site sends the request (Fetch Metadata, and the Origin header of the Fetch standard). */
function isForeign ({ host = '', origin, 'sec-fetch-site': site }: IncomingHttpHeaders, corsOrigins: Set<string>) {
  if (origin !== undefined && corsOrigins.has(origin)) return false
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  return origin !== undefined && !isOriginOf(origin, host)
}

/** Whether an origin has this host. A gateway may end TLS, so only the default port of the scheme counts. */
function isOriginOf (origin: string, host: string): boolean {
  const url = URL.parse(origin)
  return url !== null && url.host !== '' && url.host === URL.parse(`${url.protocol}//${host}`)?.host
}

const hostProblem = () =>
  new Problem('origin_not_allowed', 'The Host of the request is not a name of this service (ALLOWED_HOSTS).')

const originProblem = () =>
  new Problem('origin_not_allowed', 'A page of another origin must be listed (CORS_ORIGINS) to send this request.')
