/** The smallest Procore there can be, so that the upstream costs little beside what is measured: a token, and 201 to everything else. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const token = JSON.stringify({ access_token: 'token', token_type: 'bearer', expires_in: 5400 })
const user = JSON.stringify({ id: 381006, name: 'Jane Doe', email_address: 'jane.doe@example.com', created_at: '2016-10-23T21:39:40Z' })

const server = createServer((request, response) => {
  const body = request.url === '/oauth/token' ? token : user
  request.resume().on('end', () => {
    response.writeHead(body === token ? 200 : 201, {
      'content-type': 'application/json',
      'content-length': body.length,
      'x-rate-limit-limit': '100000000',
      'x-rate-limit-remaining': '99999999',
      'x-rate-limit-reset': String(Math.ceil(Date.now() / 3_600_000) * 3600),
    })
    response.end(body)
  })
}).listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })}\n`)
})
