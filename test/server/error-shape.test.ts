// Every failure is answered with a problem (RFC 9457), whichever code fails: a handler, a hook, a serializer, Fastify,
// or the code that answers errors.
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { Problem } from '../../src/server/problem.ts'
import { get } from '../helpers/request-builders.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const secretText = 'a text that no caller may see'
const fail = () => { throw new Error(secretText) }

const cyclic: Record<string, unknown> = {}
cyclic['self'] = cyclic

interface FailingRoute {
  name: string
  status?: number
  code?: string
  register: (app: FastifyInstance) => void
}

const rows: FailingRoute[] = [
  { name: 'a handler that throws', register: app => app.get('/fails', fail) },
  { name: 'an async handler that rejects', register: app => app.get('/fails', async () => fail()) },
  { name: 'a handler that throws a text', register: app => app.get('/fails', () => { throw secretText }) },
  { name: 'an onRequest hook that throws', register: app => app.get('/fails', { onRequest: fail }, () => 'ok') },
  {
    name: 'a preHandler hook that fails',
    register: app => app.get('/fails', { preHandler: async () => fail() }, () => 'ok'),
  },
  {
    name: 'a preSerialization hook that fails',
    register: app => app.get('/fails', {
      preSerialization: async () => fail(),
    }, async () => ({ a: 1 }))
  },
  {
    name: 'an onSend hook that always fails',
    register: app => app.get('/fails', { onSend: async () => fail() }, () => 'ok'),
  },
  {
    name: 'an onSend hook that fails after an error',
    register: app => app.get('/fails', { onSend: async () => fail() }, fail),
  },
  { name: 'an onError hook that fails', register: app => app.get('/fails', { onError: async () => fail() }, fail) },
  { name: 'a payload that JSON cannot contain', register: app => app.get('/fails', async () => cyclic) },
  {
    name: 'a payload of the wrong type',
    register: app => app.get('/fails', (_request, reply) => {
      reply.type('text/plain').send({ a: 1 })
    })
  },
  {
    name: 'a serializer that throws',
    register: app => app.get('/fails', (_request, reply) => {
      reply.serializer(fail).send({})
    })
  },
  {
    name: 'a header that HTTP cannot contain',
    register: app => app.get('/fails', (_request, reply) => {
      reply.header('x-text', 'a\r\nb').send('ok')
    })
  },
  {
    name: 'a status that HTTP cannot have',
    register: app => app.get('/fails', (_request, reply) => {
      reply.code(1000).send('ok')
    })
  },
  {
    name: 'a problem whose header HTTP cannot contain',
    status: 503,
    code: 'overloaded',
    register: app => app.get('/fails', () => {
      throw new Problem('overloaded', 'Busy.', { headers: { 'retry-after': 'a\r\nb' } })
    }),
  },
  {
    name: 'a problem that JSON cannot contain',
    register: app => app.get('/fails', () => {
      throw new Problem('procore_rejected', 'Rejected.', { procore: { status: 422, body: cyclic } })
    })
  },
  {
    name: 'a problem with a status that HTTP cannot have',
    register: app => app.get('/fails', () => {
      throw new Problem('procore_rejected', 'Rejected.', { status: 1000 })
    })
  },
  {
    name: 'an error of Fastify about the request',
    status: 400,
    code: 'bad_request',
    register: app => app.get('/fails', () => { throw Object.assign(new Error(secretText), { statusCode: 400 }) }),
  },
]

for (const { name, status = 500, code = 'internal', register } of rows) {
  t.test(`${name} is answered with a problem`, async t => {
    const { url } = await startService(t, { extend: async app => register(app) })
    const response = await get(`${url}/fails`)
    t.match(response, {
      status,
      headers: {
        'content-type': 'application/problem+json; charset=utf-8',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
        'x-request-id': String,
      },
      json: {
        type: `/docs/problems#${code}`, status, code, request_id: response.headers['x-request-id'],
      },
    })
    t.notMatch(response.text, secretText)
  })
}

t.test('a create whose response cannot be sent is answered with the outcome unknown', async t => {
  const { usersUrl, lines, emulator } = await startService(t, {
    extend: async app => {
      app.addHook('onSend', async ({ routeOptions }) => { if (routeOptions.url?.endsWith('/users') === true) fail() })
    },
  })
  const response = await sendJson(usersUrl, { user: jane })
  t.match(response, { status: 500, json: { code: 'internal', outcome: 'unknown' } })
  t.equal(emulator.apiRequests.length, 1)
  t.match(lines.filter(({ msg }) => msg === 'request'), [{ status: 500, code: 'internal', outcome: 'created' }])
})
