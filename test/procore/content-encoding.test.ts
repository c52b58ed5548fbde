// Responses of Procore that a server in between has compressed, although the service asks for none (RFC 9110 §8.4.1).
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { listen } from '../helpers/listen.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { get } from '../helpers/request-builders.ts'
import { startService } from '../helpers/service.ts'

const tokenResponse = '{"access_token":"tok","token_type":"bearer","expires_in":5400}'

interface CompressedResponse {
  status: number
  coding: string
  body: Buffer
}

/** Starts a server that responds to each API request like this. */
async function startUpstream (t: Test, { status, coding, body }: CompressedResponse): Promise<string> {
  const server = createServer(async (request, response) => {
    await buffer(request)
    if (request.url === '/oauth/token') {
      response.writeHead(200, { 'content-type': 'application/json' }).end(tokenResponse)
    } else {
      response.writeHead(status, { 'content-type': 'application/json', 'content-encoding': coding }).end(body)
    }
  })
  return `http://127.0.0.1:${await listen(t, server)}`
}

const codings = [
  { coding: 'gzip', compress: gzipSync },
  { coding: 'x-gzip', compress: gzipSync },
  { coding: 'deflate', compress: deflateSync },
  { coding: ' BR', compress: brotliCompressSync },
] as const

t.test('compressed responses', async t => {
  for (const { coding, compress } of codings) {
    await t.test(`a create whose response is compressed by ${coding} is relayed decoded`, async t => {
      const procoreUrl = await startUpstream(t, { status: 201, coding, body: compress('{"id":7}') })
      const { usersUrl } = await startService(t, { procoreUrl })
      const response = await sendJson(usersUrl, { user: jane })
      t.match(response, { status: 201, text: '{"id":7}' })
      t.equal(response.headers['content-encoding'], undefined)
    })
    await t.test(`a rejection that is compressed by ${coding} has Procore's messages`, async t => {
      const body = compress('{"errors":{"first_name":["is bad"]}}')
      const procoreUrl = await startUpstream(t, { status: 422, coding, body })
      const { usersUrl } = await startService(t, { procoreUrl })
      const { json } = await sendJson(usersUrl, { user: jane })
      t.match(json, { status: 422, code: 'procore_rejected', errors: [{ field: 'user[first_name]' }] })
    })
  }
})

t.test('a list that decompresses to more than the limit is a bad response', async t => {
  const body = gzipSync(Buffer.alloc(limits.upstream.responseMaxBytes + 1, ' '))
  const procoreUrl = await startUpstream(t, { status: 200, coding: 'gzip', body })
  const { url } = await startService(t, { procoreUrl })
  t.match((await get(`${url}/companies/101/trades`)).json, { status: 502, code: 'procore_bad_response' })
})
