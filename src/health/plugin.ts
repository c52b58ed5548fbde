/** `/livez` says that the process is up, `/readyz` whether it is able to serve. Neither asks another system. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type Static } from '@sinclair/typebox'
import { stringEnum } from '../endpoints/string-enum.ts'
import type { DependencyStatus } from '../telemetry/dependency-status.ts'
import { mapDependencies, getPhase, type ObservedComponents } from './dependencies.ts'

const LiveSchema = Type.Object({ status: Type.Literal('live') })
const DependencySchema = Type.Object({
  state: stringEnum(['up', 'down']),
  since: Type.String({ format: 'date-time', description: 'When it became so, as this process saw it.' }),
})
const ReadySchema = Type.Object({
  status: stringEnum(['ready', 'starting', 'stopping']),
  dependencies: Type.Object({ login: DependencySchema, api: DependencySchema, identity: Type.Optional(DependencySchema), redis: Type.Optional(DependencySchema) }),
})

/** The two routes: `/livez` is always 200; `/readyz` is 200 when ready, else 503 (starting, stopping), and tells of each dependency since when it is up or down. */
export const healthPlugin: FastifyPluginAsyncTypebox<ObservedComponents> = async (app, components) => {
  app.get('/livez', {
    schema: { operationId: 'livez', summary: 'Is the process up?', tags: ['operation'], response: { 200: LiveSchema } },
  }, async (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'live' }))

  app.get('/readyz', {
    schema: { operationId: 'readyz', summary: 'Is it able to serve?', tags: ['operation'], response: { 200: ReadySchema, 503: ReadySchema } },
  }, async (_request, reply) => {
    const status = getPhase(components)
    return reply.code(status === 'ready' ? 200 : 503).header('cache-control', 'no-store').send({ status, dependencies: mapDependencies(components, serializeDependency) })
  })
}

const serializeDependency = ({ isUp, sinceMs }: DependencyStatus): Static<typeof DependencySchema> => ({ state: isUp ? 'up' : 'down', since: new Date(sinceMs).toISOString() })
