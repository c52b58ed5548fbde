/**
 * The engine: from the description of an endpoint it makes the routes that mirror it, under our path and under Procore's own.
 * What it does with their requests is in mount.ts.
 */
import multipart from '@fastify/multipart'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../config/index.ts'
import type { Endpoint, ProxiedEndpoint } from '../endpoints/endpoint.ts'
import type { Audit } from '../telemetry/audit.ts'
import { limits } from '../config/limits.ts'
import type { ProcoreClient } from '../procore/client.ts'
import { UserFormBuilder } from './user-form.ts'
import type { ActiveForms } from './body/upload-limiter.ts'
import { MemoryBudget } from './body/memory-budget.ts'
import type { ResponseCache } from './response-cache.ts'
import type { Idempotency } from './idempotency/idempotency.ts'
import { EndpointRoute, type EndpointHandler } from './route.ts'
import { dryRun } from './dry-run.ts'
import { UploadLimiter } from './body/upload-limiter.ts'
import { EndpointClient, type ProxyServices } from './endpoint-client.ts'

/** What is mirrored, and the parts of the service that it needs for that. */
export interface ProxyOptions {
  endpoints: readonly Endpoint[]
  bodyLimits: Config['body']
  /** Forms that one caller may stream at a time. */
  maxUploadsPerCaller: number
  procore: ProcoreClient
  idempotency: Idempotency
  audit: Audit
  responseCache: ResponseCache
  activeForms: ActiveForms
}

/** Bodies are read by the mirror itself, as streams: the parsers only let them through to it. */
export async function proxyPlugin (app: FastifyInstance, { endpoints, maxUploadsPerCaller, idempotency, audit, responseCache, ...rest }: ProxyOptions): Promise<void> {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', (_request, _payload, done) => done(null))
  // Where there is no body to be had, none is looked at; where there is, its type was judged before.
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  await registerMultipart(app)
  app.decorateRequest('head', null)
  const uploadLimiter = new UploadLimiter(rest.bodyLimits.maxUploads, maxUploadsPerCaller)
  const memoryBudget = new MemoryBudget(limits.body.bufferedMaxBytes)
  const services = { procore: rest.procore, idempotency, audit, responseCache }
  for (const endpoint of endpoints) {
    const needsCapacity = isProxied(endpoint) && endpoint.cache === undefined
    new EndpointRoute({ ...rest, endpoint, needsCapacity, uploadLimiter, memoryBudget, send: createHandler(endpoint, services, rest.bodyLimits) }).register(app)
  }
}

/**
 * @fastify/multipart without its hooks: they delete files that it was told to save, which nothing here tells it, and would have each request
 * wait for two promises.
 */
function registerMultipart (app: FastifyInstance): Promise<void> {
  const withoutHooks = new Proxy(app, { get: (target, name) => name === 'addHook' ? () => withoutHooks : Reflect.get(target, name) })
  return new Promise((resolve, reject) => multipart(withoutHooks, {}, error => error === undefined ? resolve() : reject(error)))
}

/** Where a valid request goes, by what its description says. */
function createHandler (endpoint: Endpoint, services: ProxyServices, bodyLimits: Config['body']): EndpointHandler {
  if (isProxied(endpoint)) {
    const upstream = new EndpointClient(endpoint, services)
    return (outgoing, envelope) => upstream.send(outgoing, envelope)
  }
  if (endpoint.formMetadata === undefined) return dryRun(endpoint.dryRunResponse)
  const form = new UserFormBuilder(endpoint.formMetadata, services, bodyLimits)
  return (_outgoing, envelope) => form.build(envelope)
}

function isProxied (endpoint: Endpoint): endpoint is ProxiedEndpoint {
  return endpoint.procorePath !== undefined
}
