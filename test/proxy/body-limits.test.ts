// Past a limit the service responds with `overloaded` before it reads the body. Requests in flight continue.
import { createServer, type ServerResponse } from 'node:http'
import t from 'tap'
import { png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { avatarPart, createUserFormHead } from '../helpers/request-builders.ts'
import { multipartBody, jane, janeParts, RawConnection, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const form = multipartBody([avatarPart(png(2_000_000)), ...janeParts])

t.test('an upload beyond MAX_CONCURRENT_UPLOADS is refused, while JSON and small forms are accepted', async t => {
  const { usersUrl, port, emulator } = await startService(t, { env: { MAX_CONCURRENT_UPLOADS: '2' } })
  const uploads = [new RawConnection(port), new RawConnection(port)]
  for (const upload of uploads) upload.write(createUserFormHead(form.length)).write(form.subarray(0, 1_000_000))
  await waitUntil(() => emulator.apiRequests.length === 2)

  const refused = new RawConnection(port)
  refused.write(createUserFormHead(form.length, 'expect: 100-continue'))
  t.match(await refused.readToEnd(), /^HTTP\/1\.1 503 [^]*retry-after: 1\r\n[^]*"code":"overloaded"/)
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  t.equal((await sendMultipart(usersUrl.replace('/101/', '/102/'), multipartBody(janeParts))).status, 201)
  const sendChunked = (companyId: string, body: Buffer) => {
    return sendMultipart(usersUrl.replace('/101/', `/${companyId}/`), (async function * () { yield body })())
  }
  t.equal((await sendChunked('103', multipartBody(janeParts))).status, 201, 'a small form without Content-Length')
  t.match((await sendChunked('104', form)).json, { code: 'overloaded' }, 'a large form without Content-Length')

  const [first, second] = uploads
  first?.write(form.subarray(1_000_000))
  t.match(await first?.readUntil('\r\n\r\n{'), /^HTTP\/1\.1 422 /, 'the e-mail is taken by now')
  const third = await sendMultipart(usersUrl, form)
  t.match(third.json, { status: 422, code: 'procore_rejected' }, 'the first upload has ended')
  second?.socket.destroy()
  first?.socket.destroy()
  await waitUntil(() => emulator.apiRequests.filter(({ complete }) => !complete).length === 1)
})

t.test('a request is refused once the queue for a connection to Procore is full', async t => {
  // Holds every response until the test releases them.
  const pendingResponses: ServerResponse[] = []
  let holdsResponses = true
  const respond = (response: ServerResponse) => {
    response.writeHead(201, { 'content-type': 'application/json' }).end('{"id":1}')
  }
  const procore = createServer((request, response) => request.resume().on('end', () => {
    if (holdsResponses) pendingResponses.push(response)
    else respond(response)
  }))
  const procoreUrl = `http://127.0.0.1:${await listen(t, procore)}`
  const env = { UPSTREAM_CONNECTIONS: '1', PROCORE_API_URL: procoreUrl }
  const { usersUrl, app } = await startService(t, { env })
  const queued = Array.from({ length: 1100 }, (_, index) => {
    return sendJson(usersUrl.replace('/101/', `/${index + 1}/`), { user: jane })
  })
  await waitUntil(() => app.procore.isAtCapacity)
  const refused = await sendJson(usersUrl, { user: jane })
  t.match(refused, { status: 503, json: { code: 'overloaded' }, headers: { 'retry-after': '1' } })

  holdsResponses = false
  for (const response of pendingResponses) respond(response)
  const responses = await Promise.all(queued)
  t.ok(responses.every(({ status }) => status === 201 || status === 503))
  t.ok(responses.filter(({ status }) => status === 201).length >= 1000)
  t.equal((await sendJson(usersUrl.replace('/101/', '/5000/'), { user: jane })).status, 201)
})
