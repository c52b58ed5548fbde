/** `/livez` says that the process is up, `/readyz` whether it is able to serve. Neither asks another system. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { Callers } from '../callers/callers.ts'
import { choice } from '../choice.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Procore } from '../procore/procore.ts'
import type { SharedStore } from '../state/redis.ts'

const LiveSchema = Type.Object({ status: Type.Literal('live') })
const DependencySchema = Type.Object({ state: choice(['up', 'down']) })
const ReadySchema = Type.Object({
  status: choice(['ready', 'starting', 'stopping']),
  dependencies: Type.Object({ login: DependencySchema, api: DependencySchema, identity: Type.Optional(DependencySchema), redis: Type.Optional(DependencySchema) }),
})

export interface HealthOptions {
  lifecycle: Lifecycle
  procore: Procore
  callers: Callers
  store: SharedStore | undefined
}

export const health: FastifyPluginAsyncTypebox<HealthOptions> = async (app, { lifecycle, procore, callers, store }) => {
  app.get('/livez', {
    schema: { operationId: 'livez', summary: 'Is the process up?', tags: ['operation'], response: { 200: LiveSchema } },
  }, async (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'live' }))

  app.get('/readyz', {
    schema: { operationId: 'readyz', summary: 'Is it able to serve?', tags: ['operation'], response: { 200: ReadySchema, 503: ReadySchema } },
  }, async (_request, reply) => {
    const { tokens } = procore
    const status = lifecycle.stopping ? 'stopping' : tokens.ready ? 'ready' : 'starting'
    const login = { state: tokens.current() === undefined ? 'down' as const : 'up' as const }
    const api = { state: procore.isDown ? 'down' as const : 'up' as const }
    const identity = callers.keys === undefined ? {} : { identity: { state: callers.keys.isUp ? 'up' as const : 'down' as const } }
    const redis = store === undefined ? {} : { redis: { state: store.isUp ? 'up' as const : 'down' as const } }
    // Once it was ready, an outage of Procore's is no reason to leave: the other replicas are no better off.
    return reply.code(status === 'ready' ? 200 : 503).header('cache-control', 'no-store').send({ status, dependencies: { login, api, ...identity, ...redis } })
  })
}
