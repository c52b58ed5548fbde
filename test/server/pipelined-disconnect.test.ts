// Pipelined requests (RFC 9112 §9.3.2) whose caller disconnects: each of them ends, although only the response to
// the first one is assigned to the socket.
import t from 'tap'
import { png } from '../helpers/images.ts'
import { parseSamples } from '../helpers/prometheus-samples.ts'
import { avatarPart, createUserFormHead, createUserJson, get } from '../helpers/request-builders.ts'
import { requestHead } from '../helpers/request-head.ts'
import { jane, janeParts, multipartBody, RawConnection } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const requestLines = ({ lines }: Service) => lines.filter(({ msg }) => msg === 'request')
const getRequest = (path: string, id: string) => requestHead(path, { 'x-request-id': id }, 'GET')
const createRequest = (emailAddress: string, id: string) => {
  return createUserJson(JSON.stringify({ user: { ...jane, email_address: emailAddress } }), `x-request-id: ${id}`)
}

/** A form that is streamed and lacks its end. */
function streamedForm (id: string): string {
  const form = multipartBody([avatarPart(png(600_000)), ...janeParts])
  const head = createUserFormHead(form.length, `x-request-id: ${id}`)
  return head + form.toString('latin1', 0, form.length - 100)
}

interface PipelinedRequests {
  name: string
  requests: string[]
  /** How many of them Procore receives before the caller disconnects. */
  sentCount: number
}

const rows: PipelinedRequests[] = [
  {
    name: 'two lists',
    requests: [getRequest('/companies/101/trades', 'first'), getRequest('/companies/101/vendors', 'second')],
    sentCount: 2,
  },
  {
    name: 'two creates',
    requests: [createRequest('a@example.com', 'first'), createRequest('b@example.com', 'second')],
    sentCount: 2,
  },
  {
    name: 'a list and a request that is answered at once',
    requests: [getRequest('/companies/101/trades', 'first'), getRequest('/livez', 'second')],
    sentCount: 1,
  },
  {
    name: 'a create and an invalid create',
    requests: [createRequest('a@example.com', 'first'), createUserJson('{"user":{}}', 'x-request-id: second')],
    sentCount: 1,
  },
  {
    name: 'a create and a form that is not complete',
    requests: [createRequest('a@example.com', 'first'), streamedForm('second')],
    sentCount: 2,
  },
]

/** Sends the requests at once and destroys the connection when the service has received all of them. */
async function sendAndDisconnect (service: Service, { requests, sentCount }: PipelinedRequests): Promise<void> {
  const { emulator, app, port } = service
  emulator.faults.add({ kind: 'delay', delayMs: 300, times: sentCount })
  let receivedCount = 0
  app.fastify.server.on('request', () => { receivedCount++ })
  const caller = new RawConnection(port)
  caller.write(Buffer.from(requests.join(''), 'latin1'))
  await waitUntil(() => emulator.apiRequests.length === sentCount && receivedCount === requests.length)
  caller.socket.resetAndDestroy()
}

for (const row of rows) {
  t.test(`when the caller of ${row.name}, pipelined, disconnects, both end with 499`, async t => {
    const service = await startService(t)
    await sendAndDisconnect(service, row)
    const isIdle = await service.app.inFlight.waitUntilIdle(3000)
    t.equal(isIdle, true, 'no request stays in flight')
    t.strictSame(
      requestLines(service).map(({ requestId, status }) => `${requestId} ${status}`).sort(),
      ['first 499', 'second 499']
    )
    const samples = parseSamples((await get(`${service.url}/metrics`)).text)
    const gauge = samples.find(({ name }) => name === 'procore_bff_requests_in_flight')
    t.equal(gauge?.value, 1, 'the request for the metrics itself')
  })
}
