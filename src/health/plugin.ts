/** Registers `/livez` (the process runs) and `/readyz` (it can serve requests). Neither calls another system. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type Static } from '@sinclair/typebox'
import { stringEnum } from '../endpoints/string-enum.ts'
import { markAsProbe } from '../server/in-flight.ts'
import type { DependencyStatus } from '../telemetry/dependency-status.ts'
import { mapDependencies, getPhase, type ObservedComponents } from '../telemetry/dependencies.ts'

const LiveSchema = Type.Object({ status: Type.Literal('live') }, { description: 'The process runs.' })
const DependencySchema = Type.Object({
  state: stringEnum(['up', 'down']),
  since: Type.String({
    format: 'date-time',
    description: 'Time at which this replica observed the change to this state.',
  }),
  warning: Type.Optional(Type.String({
    description: 'A configuration of the dependency that endangers the service.',
  })),
})
const ReadySchema = Type.Object({
  status: stringEnum(['ready', 'starting', 'stopping']),
  dependencies: Type.Object({
    login: DependencySchema,
    api: DependencySchema,
    identity: Type.Optional(DependencySchema),
    redis: Type.Optional(DependencySchema),
  }),
}, { title: 'Readiness', description: 'The state of the service and of its dependencies.' })

const livezRouteSchema = {
  operationId: 'livez',
  summary: 'Liveness of the process',
  tags: ['operation'],
  response: { 200: LiveSchema },
}
const readyzRouteSchema = {
  operationId: 'readyz',
  summary: 'Readiness and state of the dependencies',
  tags: ['operation'],
  response: { 200: ReadySchema, 503: ReadySchema },
}

/** `/livez` always returns 200. `/readyz` returns 200 when the service is ready, and 503 while it starts or stops. */
export const healthPlugin: FastifyPluginAsyncTypebox<ObservedComponents> = async (app, components) => {
  const config = { acceptsAnyHost: true } as const
  app.get('/livez', { schema: livezRouteSchema, config }, async (request, reply) => {
    markAsProbe(request)
    return reply.header('cache-control', 'no-store').send({ status: 'live' })
  })

  app.get('/readyz', { schema: readyzRouteSchema, config }, async (request, reply) => {
    markAsProbe(request)
    const status = getPhase(components)
    const dependencies = mapDependencies(components, serializeDependency)
    return reply.code(status === 'ready' ? 200 : 503).header('cache-control', 'no-store').send({ status, dependencies })
  })
}

function serializeDependency ({ isUp, sinceMs, warning }: DependencyStatus): Static<typeof DependencySchema> {
  return {
    state: isUp ? 'up' : 'down',
    since: new Date(sinceMs).toISOString(),
    ...(warning !== undefined && { warning }),
  }
}
