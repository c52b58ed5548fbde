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
import { CreationForm } from './user-form.ts'
import type { Forms } from './body/upload-limiter.ts'
import { HeldBytes } from './body/memory-budget.ts'
import type { KeptAnswers } from './response-cache.ts'
import type { Keys } from './idempotency/idempotency.ts'
import { Mount, type Send } from './route.ts'
import { rehearsal } from './dry-run.ts'
import { Uploads } from './body/upload-limiter.ts'
import { Upstream, type UpstreamParts } from './endpoint-client.ts'

/** What is mirrored, and the parts of the service that it needs for that. */
export interface MirrorOptions {
  endpoints: readonly Endpoint[]
  bodies: Config['body']
  /** Forms that one caller may stream at a time. */
  maxUploadsOfCaller: number
  procore: ProcoreClient
  keys: Keys
  audit: Audit
  kept: KeptAnswers
  forms: Forms
}

/** Bodies are read by the mirror itself, as streams: the parsers only let them through to it. */
export async function mirror (app: FastifyInstance, { endpoints, maxUploadsOfCaller, keys, audit, kept, ...rest }: MirrorOptions): Promise<void> {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', (_request, _payload, done) => done(null))
  // Where there is no body to be had, none is looked at; where there is, its type was judged before.
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  await takeForms(app)
  app.decorateRequest('target', null)
  const uploads = new Uploads(rest.bodies.maxUploads, maxUploadsOfCaller)
  const held = new HeldBytes(limits.body.bufferedMaxBytes)
  const parts = { procore: rest.procore, keys, audit, kept }
  for (const endpoint of endpoints) {
    const needsRoom = isMirrored(endpoint) && endpoint.cache === undefined
    new Mount({ ...rest, endpoint, needsRoom, uploads, held, send: senderOf(endpoint, parts, rest.bodies) }).register(app)
  }
}

/**
 * @fastify/multipart without its hooks: they delete files that it was told to save, which nothing here tells it, and would have each request
 * wait for two promises.
 */
function takeForms (app: FastifyInstance): Promise<void> {
  const withoutHooks = new Proxy(app, { get: (target, name) => name === 'addHook' ? () => withoutHooks : Reflect.get(target, name) })
  return new Promise((resolve, reject) => multipart(withoutHooks, {}, error => error === undefined ? resolve() : reject(error)))
}

/** Where a valid request goes, by what its description says. */
function senderOf (endpoint: Endpoint, parts: UpstreamParts, bodies: Config['body']): Send {
  if (isMirrored(endpoint)) {
    const upstream = new Upstream(endpoint, parts)
    return (outgoing, envelope) => upstream.send(outgoing, envelope)
  }
  if (endpoint.formMetadata === undefined) return rehearsal(endpoint.dryRunResponse)
  const form = new CreationForm(endpoint.formMetadata, parts, bodies)
  return (_outgoing, envelope) => form.gather(envelope)
}

function isMirrored (endpoint: Endpoint): endpoint is ProxiedEndpoint {
  return endpoint.procorePath !== undefined
}
