// Forms that are no forms, or over a limit: each has its code, Procore never sees one complete, and the service goes on serving.
import t from 'tap'
import { png } from '../helpers/images.ts'
import { multipartBody, multipartPart, jane, janeParts, streamChunks, RawConnection, send, sendMultipart, sendJson, type MultipartPart } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const avatar = (data: Buffer | string, filename = 'me.png'): MultipartPart => ({ name: 'user[avatar]', filename, type: 'image/png', data })

t.test('malformed_form', async t => {
  const { usersUrl, emulator } = await startService(t)
  const part = (rawHeaders: string, data: string | Buffer = 'x') => multipartBody([...janeParts, { rawHeaders, data }])
  const valid = multipartBody(janeParts)
  const bodies = {
    empty: Buffer.alloc(0),
    'cut off': valid.subarray(0, -10),
    'cut off in the avatar': multipartBody([...janeParts, avatar(png(1000))]).subarray(0, -500),
    'LF only': Buffer.from(valid.toString().replaceAll('\r\n', '\n')),
    'no disposition': part('Content-Type: text/plain'),
    'no name': part('Content-Disposition: form-data'),
    'two names': part('Content-Disposition: form-data; name="user[city]"; name="user[zip]"'),
    'two dispositions': part('Content-Disposition: form-data; name="user[city]"\r\nContent-Disposition: form-data; name="user[zip]"'),
    'not form-data': part('Content-Disposition: attachment; name="user[city]"'),
    'folded header': part('Content-Disposition: form-data;\r\n name="user[city]"'),
    'unterminated name': part('Content-Disposition: form-data; name="user[city]'),
    'NUL in a header': part('Content-Disposition: form-data; name="user[ci\0ty]"'),
    'no colon': part('Content-Disposition form-data'),
    'invalid UTF-8 in a header': multipartBody([{ rawHeaders: Buffer.from([0x80]).toString('latin1'), data: '' }]).fill(0xff, 20, 21),
    'invalid UTF-8 in a field': part('Content-Disposition: form-data; name="user[city]"', Buffer.from([0xff, 0xfe])),
    base64: part('Content-Disposition: form-data; name="user[city]"\r\nContent-Transfer-Encoding: base64'),
    'headers over 8 KiB': part(`Content-Disposition: form-data; name="user[city]"; x="${'x'.repeat(9000)}"`),
    'thousands of parts': multipartBody(Array.from({ length: 5000 }, (_, index) => ({ name: `p${index}`, data: '' }))),
    'a preamble over 16 KiB': Buffer.concat([Buffer.alloc(17_000, 'x'), Buffer.from('\r\n'), valid]),
    'an epilogue over 16 KiB': Buffer.concat([valid, Buffer.alloc(17_000, 'x')]),
  }
  for (const [name, body] of Object.entries(bodies)) {
    const reply = await sendMultipart(usersUrl, body)
    t.match(reply.json, { status: 400, code: 'malformed_form' }, name)
    t.notOk('outcome' in reply.json, name)
  }
  t.equal(emulator.apiRequests.length, 0)
  t.equal((await sendMultipart(usersUrl, valid)).status, 201)
})

t.test('boundaries', async t => {
  const { usersUrl } = await startService(t)
  const refused = async (type: string) => t.match((await send(usersUrl, { body: multipartBody(janeParts), headers: { 'content-type': type } })).json, { status: 400, code: 'malformed_form' }, type)
  for (const boundary of ['', '; boundary=', '; boundary=""', '; boundary="test-boundary', '; boundary=test boundary', `; boundary=${'x'.repeat(71)}`, '; boundary=a; boundary=test-boundary', '; boundary=tëst', '; boundary="test-boundary "']) await refused(Buffer.from(`multipart/form-data${boundary}`).toString('latin1'))
  t.match((await send(usersUrl, { body: multipartBody(janeParts), headers: { 'content-type': 'multipart/mixed; boundary=test-boundary' } })).json, { code: 'unsupported_media_type' })
  t.match((await send(usersUrl, { body: multipartBody(janeParts), headers: { 'content-type': 'multipart/form-data; boundary=test-boundary; charset=latin1' } })).json, { code: 'unsupported_media_type' })
  t.match((await sendMultipart(usersUrl, multipartBody(janeParts), { 'content-encoding': 'gzip' })).json, { code: 'unsupported_media_type' })
  t.match((await sendMultipart(usersUrl, multipartBody([{ rawHeaders: 'Content-Disposition: form-data; name="user[city]"\r\nContent-Type: text/plain; charset=iso-8859-1', data: 'x' }]))).json, { code: 'unsupported_media_type' })
})

t.test('avatar_type: told by the first bytes, not by the name', async t => {
  const { usersUrl, emulator } = await startService(t)
  const fakes = { svg: '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', html: '<html><script>alert(1)</script>', text: 'BM is not an image', pdf: '%PDF-1.7', webp: 'RIFF\x24\0\0\0WEBPVP8 ', short: '\x89PN', big: 'x'.repeat(1_000_000) }
  for (const [name, data] of Object.entries(fakes)) {
    t.match((await sendMultipart(usersUrl, multipartBody([...janeParts, avatar(Buffer.from(data, 'latin1'))]))).json, { status: 415, code: 'avatar_type' }, name)
  }
  t.equal(emulator.apiRequests.length, 0)
})

t.test('avatar_too_large: by what is declared, and by what comes', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { AVATAR_MAX_BYTES: '1000000' } })
  const exact = png(900_000)
  const padded = Buffer.concat([exact, Buffer.alloc(1_000_000 - exact.length)])
  t.equal((await sendMultipart(usersUrl, multipartBody([...janeParts, avatar(padded)]))).status, 201)
  const over = Buffer.concat([padded, Buffer.alloc(1)])
  const streamed = await sendMultipart(usersUrl, streamChunks(multipartBody([avatar(over), ...janeParts])))
  t.match(streamed.json, { status: 413, code: 'avatar_too_large', outcome: 'not_sent' })
  t.equal(emulator.api.directory.users.size, 1)
  const before = emulator.apiRequests.length
  t.match((await sendMultipart(usersUrl, Buffer.alloc(8_000_000))).json, { status: 413, code: 'avatar_too_large' })
  t.equal(emulator.apiRequests.length, before, 'what can\'t fit by its Content-Length is not read')
  t.ok(emulator.apiRequests.slice(1).every(({ complete }) => !complete))
})

t.test('a text part over its limit is a fault like others, and an endless one has an end', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { AVATAR_MAX_BYTES: '1000000' } })
  const endless = async function * () {
    yield Buffer.from('--test-boundary\r\nContent-Disposition: form-data; name="user[notes]"\r\n\r\n')
    for (let index = 0; index < 200; index++) yield Buffer.alloc(65_536, 'x')
  }
  const reply = await sendMultipart(usersUrl, endless())
  t.match(reply.json, { status: 422, code: 'validation_failed', errors: [{ pointer: '/user/notes', rule: 'size' }] })
  t.equal(emulator.apiRequests.length, 0)
})

t.test('a form that is cut off while it streams: malformed when it ends, nothing complete when the caller leaves', async t => {
  const { usersUrl, port, emulator } = await startService(t)
  const bytes = multipartBody([avatar(png(2_000_000)), ...janeParts])
  t.match((await sendMultipart(usersUrl, bytes.subarray(0, -300))).json, { code: 'malformed_form', outcome: 'not_sent' })
  const caller = new RawConnection(port)
  caller.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=test-boundary\r\ncontent-length: ${bytes.length}\r\n\r\n`).write(bytes.subarray(0, 1_500_000))
  while (emulator.apiRequests.length < 2) await new Promise(resolve => setImmediate(resolve))
  caller.socket.destroy()
  await caller.readToEnd()
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  t.strictSame(emulator.apiRequests.map(({ complete }) => complete), [false, false, true])
})

t.test('a malformed form ends at once, although more would come', async t => {
  const { port } = await startService(t)
  const caller = new RawConnection(port)
  caller.write('POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=test-boundary\r\ncontent-length: 1000000\r\n\r\n')
  caller.write(multipartPart({ rawHeaders: 'X', data: '' }))
  t.match(await caller.readUntil('\r\n\r\n{'), /^HTTP\/1.1 400 /)
  caller.socket.destroy()
})
