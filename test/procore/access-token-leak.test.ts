// Tests responses that contain the access token of this service, as those of a server that echoes requests.
import { createServer, type OutgoingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { listen } from '../helpers/listen.ts'
import { get } from '../helpers/request-builders.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const accessToken = 'access/token+of-this.service='

interface Echo {
  status: number
  headers?: OutgoingHttpHeaders
  chunks: Array<string | Buffer>
  /** Response to a lookup. */
  list?: unknown
}

async function startUpstream (t: Test, { status, headers = {}, chunks, list }: Echo) {
  const server = createServer(async (request, response) => {
    await buffer(request)
    const jsonHeaders = { 'content-type': 'application/json' }
    if (request.url === '/oauth/token') {
      response.writeHead(200, jsonHeaders)
      return response.end(JSON.stringify({ access_token: accessToken, token_type: 'bearer', expires_in: 5400 }))
    }
    if (request.method === 'GET' && list !== undefined) {
      return response.writeHead(200, jsonHeaders).end(JSON.stringify(list))
    }
    response.writeHead(status, { ...jsonHeaders, ...headers })
    for (const chunk of chunks) {
      await new Promise(resolve => response.write(chunk, resolve))
      await new Promise(resolve => setImmediate(resolve))
    }
    response.end()
  })
  return startService(t, { procoreUrl: `http://127.0.0.1:${await listen(t, server)}` })
}

const body = JSON.stringify({ id: 7, notes: accessToken })
const echoes: Array<Echo & { name: string, outcome: string }> = [
  { name: 'a success', status: 201, chunks: [body], outcome: 'unknown' },
  { name: 'a success in chunks', status: 201, chunks: [...body], outcome: 'unknown' },
  {
    name: 'a compressed success',
    status: 201,
    headers: { 'content-encoding': 'gzip' },
    chunks: [gzipSync(body)],
    outcome: 'unknown'
  },
  { name: 'a success with escaped slashes', status: 201, chunks: [body.replaceAll('/', '\\/')], outcome: 'unknown' },
  {
    name: 'a success with a header',
    status: 201,
    headers: { 'x-request-id': accessToken },
    chunks: ['{"id":7}'],
    outcome: 'unknown'
  },
  { name: 'a rejection', status: 422, chunks: [`{"errors":["Bearer ${accessToken}"]}`], outcome: 'rejected' },
  {
    name: 'a rejection as text',
    status: 403,
    headers: { 'content-type': 'text/plain' },
    chunks: [accessToken],
    outcome: 'rejected'
  },
  {
    name: 'a rejection that names it as a field',
    status: 400,
    chunks: [`{"errors":{"${accessToken}":["bad"]}}`],
    outcome: 'rejected'
  },
  {
    name: 'a rejection with a header',
    status: 404,
    headers: { 'x-request-id': accessToken },
    chunks: ['{}'],
    outcome: 'rejected'
  },
  { name: 'a 500', status: 500, headers: { 'x-request-id': accessToken }, chunks: [body], outcome: 'unknown' },
]

for (const { name, outcome, ...echo } of echoes) {
  t.test(`${name} that contains the access token is a bad response with the outcome ${outcome}`, async t => {
    const { usersUrl, lines } = await startUpstream(t, echo)
    const response = await sendJson(usersUrl, { user: jane })
    t.match(response.json, { status: 502, code: 'procore_bad_response', outcome })
    t.notOk(JSON.stringify([response, lines]).includes('of-this.service'))
  })
}

t.test('a create whose success contains the access token is recovered if a lookup finds the record', async t => {
  const record = { ...jane, id: 7, created_at: new Date().toISOString() }
  const { usersUrl } = await startUpstream(t, { status: 201, chunks: [body], list: [record] })
  const response = await sendJson(usersUrl, { user: jane })
  t.match(response, { status: 201, headers: { 'x-outcome': 'recovered' }, json: { id: 7 } })
})

t.test('a lookup that finds the access token in the record leaves the outcome unknown', async t => {
  const record = { ...jane, id: 7, created_at: new Date().toISOString(), notes: accessToken }
  const { usersUrl } = await startUpstream(t, { status: 201, chunks: [body], list: [record] })
  const response = await sendJson(usersUrl, { user: jane })
  t.match(response.json, { status: 502, code: 'procore_bad_response', outcome: 'unknown' })
  t.notOk(response.text.includes('of-this.service'))
})

t.test('a list that contains the access token is a bad response', async t => {
  const { url } = await startUpstream(t, { status: 200, chunks: [`[${body}]`] })
  const response = await get(`${url}/companies/101/trades`)
  t.match(response.json, { status: 502, code: 'procore_bad_response' })
})

t.test('a list with a Link header that contains the access token is a bad response', async t => {
  const headers = { link: `<https://x/?page=2&token=${accessToken}>; rel="next"` }
  const { url } = await startUpstream(t, { status: 200, headers, chunks: ['[]'] })
  t.match((await get(`${url}/companies/101/trades`)).json, { status: 502, code: 'procore_bad_response' })
})
