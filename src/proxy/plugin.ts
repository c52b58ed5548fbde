/** Registers the routes of all endpoints, each under the service's own path and under Procore's. */
import multipart from '@fastify/multipart'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../config/index.ts'
import { hasForm, type Endpoint, type ProxiedEndpoint } from '../endpoints/endpoint.ts'
import type { Audit } from '../telemetry/audit.ts'
import type { ProcoreClient } from '../procore/client.ts'
import { UserFormBuilder } from './user-form.ts'
import type { ActiveForms } from './body/active-forms.ts'
import type { UsageLimiter } from './usage.ts'
import type { ResponseCache } from './response-cache.ts'
import type { Idempotency } from './idempotency/idempotency.ts'
import type { OriginIds } from './idempotency/origin-ids.ts'
import { assertDescriptions } from './validation/description.ts'
import { EndpointRoute, type EndpointHandler } from './route.ts'
import { dryRun } from './dry-run.ts'
import { Importer, type ImportEndpoint, type ImportServices } from './import/importer.ts'
import { createFileClient, type FileEndpoint } from './file-client.ts'
import { createEndpointClient, type ProxyServices } from './endpoint-client.ts'
import type { EndpointResult, Send } from './context.ts'

/** The endpoints to register, and the services that their routes use. */
export interface ProxyOptions {
  endpoints: readonly Endpoint[]
  bodyLimits: Config['body']
  fileMaxBytes: number
  responseLimits: Config['response']
  procore: ProcoreClient
  idempotency: Idempotency
  audit: Audit
  responseCache: ResponseCache
  activeForms: ActiveForms
  usageLimiter: UsageLimiter
  originIds: OriginIds
  imports: Pick<ImportServices, 'log' | 'importStore' | 'exchangeMaxMs' | 'onDraining'>
}

/** Replaces Fastify's content type parsers, because the routes read and validate bodies themselves, as streams. */
export async function proxyPlugin (
  app: FastifyInstance,
  { endpoints, idempotency, audit, responseCache, fileMaxBytes, imports, ...rest }: ProxyOptions
): Promise<void> {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', (_request, _payload, done) => done(null))
  // Accepts every type: `parseRequestHead` has rejected unsupported types, and bodies that are not needed are ignored.
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  app.decorateRequest('head', null)
  app.decorateRequest('usage', null)
  const services = { procore: rest.procore, idempotency, audit, responseCache }
  assertDescriptions(endpoints)
  for (const endpoint of endpoints) {
    const isUncached = isProxied(endpoint) && endpoint.cache === undefined
    const needsCapacity = hasFile(endpoint) || isImport(endpoint) || isUncached
    const handler: EndpointHandler = isImport(endpoint)
      ? { kind: 'import', importer: new Importer(endpoint, { ...services, ...imports }) }
      : { kind: 'send', send: createSend(endpoint, services, rest.bodyLimits, fileMaxBytes) }
    const route = new EndpointRoute({ ...rest, endpoint, needsCapacity, handler })
    await app.register(async scope => {
      if (hasForm(endpoint.body) || isImport(endpoint)) await scope.register(multipart)
      route.register(scope)
    })
  }
}

function createSend (
  endpoint: Exclude<Endpoint, ImportEndpoint>, services: ProxyServices, bodyLimits: Config['body'], fileMaxBytes: number
): Send<EndpointResult> {
  if (isProxied(endpoint)) return createEndpointClient(endpoint, services)
  if (hasFile(endpoint)) return createFileClient(endpoint, services, fileMaxBytes)
  if (endpoint.formMetadata === undefined) return dryRun(endpoint.dryRunResponse)
  const userForm = new UserFormBuilder(endpoint.formMetadata, services, bodyLimits)
  return request => userForm.build(request)
}

function hasFile (endpoint: Endpoint): endpoint is FileEndpoint {
  return endpoint.file !== undefined
}

function isImport (endpoint: Endpoint): endpoint is ImportEndpoint {
  return endpoint.import !== undefined
}

function isProxied (endpoint: Endpoint): endpoint is ProxiedEndpoint {
  return endpoint.procorePath !== undefined
}
