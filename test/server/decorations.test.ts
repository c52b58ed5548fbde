// What the service adds to Fastify's requests has the declared type on every request, also before and without the hooks
// that set it.
import Fastify, { type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { handleFrameworkError } from '../../src/server/client-error.ts'
import { getPort } from '../helpers/listen.ts'
import { get } from '../helpers/request-builders.ts'
import { RawConnection } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

t.test('a request that Fastify rejects before any hook is not in flight', async t => {
  const rejectedUrls = [
    { name: 'a URL that cannot be decoded', url: '/%', status: 400 },
    { name: 'a URL with an invalid escape', url: '/a/%zz', status: 400 },
    { name: 'a parameter that is too long', url: `/items/${'x'.repeat(200)}`, status: 414 },
  ]
  // Fastify creates these requests without any decoration.
  const rejected: FastifyRequest[] = []
  const frameworkErrors = (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    handleFrameworkError(error, request, reply)
    rejected.push(request)
  }
  const fastify = Fastify({ frameworkErrors })
  fastify.decorate('corsHeaders', () => ({}))
  fastify.get('/items/:id', async () => '')
  t.teardown(() => fastify.close())
  await fastify.listen({ host: '127.0.0.1', port: 0 })
  const url = `http://127.0.0.1:${getPort(fastify.server)}`
  for (const { name, url: path, status } of rejectedUrls) {
    await t.test(`${name} is answered with ${status}, and its request says so`, async t => {
      t.equal((await get(url + path)).status, status)
      t.equal(rejected.at(-1)?.inFlight, null)
    })
  }
  t.equal(rejected.length, rejectedUrls.length)
})

t.test('a request that Fastify rejects before any hook is logged and counted', async t => {
  const service = await startService(t)
  t.match(await get(`${service.url}/%`, { 'x-request-id': 'undecodable' }), {
    status: 400,
    json: { code: 'bad_request', request_id: 'undecodable' },
  })
  await waitUntil(() => service.lines.some(({ msg }) => msg === 'request'))
  t.match(service.lines.filter(({ msg }) => msg === 'request'), [
    { requestId: 'undecodable', method: 'GET', status: 400, code: 'bad_request' },
  ])
  t.match((await get(`${service.url}/metrics`)).text, /^procore_bff_requests_total\{.*code="bad_request"\} 1$/m)
})

/** Starts a service with a route that does not authenticate callers. Returns the requests to it, too. */
async function startWithOpenRoute (t: Test, env: Record<string, string> = {}) {
  const requests: FastifyRequest[] = []
  const service: Service = await startService(t, {
    env,
    extend: async fastify => {
      fastify.get('/open', async request => {
        requests.push(request)
        return ''
      })
    },
  })
  return { service, requests }
}

t.test('a request to a route without authentication has no identity and no caller id', async t => {
  const { service, requests } = await startWithOpenRoute(t)
  t.equal((await get(`${service.url}/open`)).status, 200)
  const [request] = requests
  t.equal(request?.identity, null)
  t.equal(request?.callerId, undefined)
  t.match(request?.inFlight?.record, { requestId: String })
})

t.test('the identity of one request is not left to the next one on the same connection', async t => {
  const { service, requests } = await startWithOpenRoute(t, { TRUSTED_PROXIES: '127.0.0.1' })
  const caller = new RawConnection(service.port)
  caller.write('GET /companies/101/trades HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.1\r\n\r\n')
  await caller.readUntil('200 OK')
  caller.write('GET /open HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.1\r\n\r\n')
  await caller.readUntil('200 OK', 2)
  caller.socket.destroy()
  t.equal(requests[0]?.identity, null)
  t.equal(requests[0]?.callerId, undefined)
})
