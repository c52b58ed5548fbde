// Past a limit the answer is overloaded, fast, before the body is read; what is under way goes on.
import { createServer, type ServerResponse } from 'node:http'
import t from 'tap'
import { png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { boundary, multipartBody, jane, janeParts, RawConnection, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const body = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(2_000_000) }, ...janeParts])
const head = (more = '') => `POST /companies/101/users HTTP/1.1\r\nhost: x\r\n${more}content-type: multipart/form-data; boundary=${boundary}\r\ncontent-length: ${body.length}\r\n\r\n`

t.test('uploads at a time: all of them end well, the next one is refused, JSON and small forms go on', async t => {
  const { usersUrl, port, emulator } = await startService(t, { env: { MAX_CONCURRENT_UPLOADS: '2' } })
  const uploads = [new RawConnection(port), new RawConnection(port)]
  for (const upload of uploads) upload.write(head()).write(body.subarray(0, 1_000_000))
  await waitUntil(() => emulator.apiRequests.length === 2)
  const refused = new RawConnection(port)
  refused.write(head('expect: 100-continue\r\n'))
  t.match(await refused.readToEnd(), /^HTTP\/1\.1 503 [^]*retry-after: 1\r\n[^]*"code":"overloaded"/)
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  t.equal((await sendMultipart(usersUrl.replace('101', '102'), multipartBody(janeParts))).status, 201)
  const chunked = await sendMultipart(usersUrl, (async function * () { yield multipartBody(janeParts) })())
  t.match(chunked.json, { code: 'overloaded' }, 'a form that does not say its size may be a large one')
  const [first, second] = uploads
  first?.write(body.subarray(1_000_000))
  t.match(await first?.readUntil('\r\n\r\n{'), /^HTTP\/1\.1 422 /, 'the e-mail is taken by now')
  t.match((await sendMultipart(usersUrl, body)).json, { status: 422, code: 'procore_rejected' }, 'a place came free')
  second?.socket.destroy()
  first?.socket.destroy()
  await waitUntil(() => emulator.apiRequests.filter(({ complete }) => !complete).length === 1)
})

t.test('requests that wait for a connection', async t => {
  // Answers nobody until it is told to, and from then on everybody.
  const held: ServerResponse[] = []
  let isHolding = true
  const answer = (response: ServerResponse) => response.writeHead(201, { 'content-type': 'application/json' }).end('{"id":1}')
  const procore = createServer((request, response) => request.resume().on('end', () => isHolding ? held.push(response) : answer(response)))
  const { usersUrl, app } = await startService(t, { env: { UPSTREAM_CONNECTIONS: '1', PROCORE_API_URL: `http://127.0.0.1:${await listen(t, procore)}` } })
  const crowd = Array.from({ length: 1100 }, (_, index) => sendJson(usersUrl.replace('101', String(index + 1)), { user: jane }))
  await waitUntil(() => app.procore.isAtCapacity)
  const refused = await sendJson(usersUrl, { user: jane })
  t.match(refused, { status: 503, json: { code: 'overloaded' }, headers: { 'retry-after': '1' } })
  isHolding = false
  for (const response of held) answer(response)
  const replies = await Promise.all(crowd)
  t.ok(replies.every(({ status }) => status === 201 || status === 503))
  t.ok(replies.filter(({ status }) => status === 201).length >= 1000)
  t.equal((await sendJson(usersUrl.replace('101', '5000'), { user: jane })).status, 201)
})
