// Each malformed or oversized form gets its code, and Procore never receives one as complete.
import t from 'tap'
import { png } from '../helpers/images.ts'
import { avatarPart, createUserFormHead } from '../helpers/request-builders.ts'
import {
  multipartBody, multipartPart, jane, janeParts, streamChunks, RawConnection, send, sendMultipart, sendJson,
} from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

/** A form whose last part has this header block. */
function formWithPart (rawHeaders: string, data: string | Buffer = 'x'): Buffer {
  return multipartBody([...janeParts, { rawHeaders, data }])
}

/** The Content-Disposition of a field with this parameter list. */
const disposition = (parameters = 'name="user[city]"') => `Content-Disposition: form-data; ${parameters}`

t.test('a malformed form is rejected', async t => {
  const { usersUrl, emulator } = await startService(t)
  const valid = multipartBody(janeParts)
  const rows: Array<{ name: string, body: Buffer }> = [
    { name: 'an empty body', body: Buffer.alloc(0) },
    { name: 'a truncated form', body: valid.subarray(0, -10) },
    {
      name: 'a form truncated in the avatar',
      body: multipartBody([...janeParts, avatarPart(png(1000), 'me.png', 'image/png')]).subarray(0, -500),
    },
    { name: 'a form with LF line endings', body: Buffer.from(valid.toString().replaceAll('\r\n', '\n')) },
    { name: 'a part without Content-Disposition', body: formWithPart('Content-Type: text/plain') },
    { name: 'a part without a name', body: formWithPart('Content-Disposition: form-data') },
    { name: 'a part with two names', body: formWithPart(disposition('name="user[city]"; name="user[zip]"')) },
    {
      name: 'a part with two Content-Dispositions',
      body: formWithPart(`${disposition()}\r\n${disposition('name="user[zip]"')}`),
    },
    {
      name: 'a part that is an attachment',
      body: formWithPart('Content-Disposition: attachment; name="user[city]"'),
    },
    { name: 'a folded header', body: formWithPart('Content-Disposition: form-data;\r\n name="user[city]"') },
    { name: 'an unterminated name', body: formWithPart(disposition('name="user[city]')) },
    { name: 'a NUL in a header', body: formWithPart(disposition('name="user[ci\0ty]"')) },
    { name: 'a header without a colon', body: formWithPart('Content-Disposition form-data') },
    {
      name: 'invalid UTF-8 in a header',
      body: multipartBody([{ rawHeaders: Buffer.from([0x80]).toString('latin1'), data: '' }]).fill(0xff, 20, 21),
    },
    { name: 'invalid UTF-8 in a field', body: formWithPart(disposition(), Buffer.from([0xff, 0xfe])) },
    { name: 'a base64 part', body: formWithPart(`${disposition()}\r\nContent-Transfer-Encoding: base64`) },
    {
      name: 'a header block over 8 KiB',
      body: formWithPart(disposition(`name="user[city]"; x="${'x'.repeat(9000)}"`)),
    },
    {
      name: 'a form of thousands of parts',
      body: multipartBody(Array.from({ length: 5000 }, (_, index) => ({ name: `p${index}`, data: '' }))),
    },
    {
      name: 'a preamble over 16 KiB',
      body: Buffer.concat([Buffer.alloc(17_000, 'x'), Buffer.from('\r\n'), valid]),
    },
    { name: 'an epilogue over 16 KiB', body: Buffer.concat([valid, Buffer.alloc(17_000, 'x')]) },
  ]
  for (const { name, body } of rows) {
    await t.test(`${name} is malformed`, async t => {
      const response = await sendMultipart(usersUrl, body)
      t.match(response.json, { status: 400, code: 'malformed_form' })
      t.notOk('outcome' in response.json)
    })
  }
  t.equal(emulator.apiRequests.length, 0)
  t.equal((await sendMultipart(usersUrl, valid)).status, 201, 'the service still accepts a valid form')
})

t.test('a Content-Type without exactly one valid boundary is malformed', async t => {
  const { usersUrl } = await startService(t)
  const rows = [
    { name: 'no boundary', parameters: '' },
    { name: 'an empty boundary', parameters: '; boundary=' },
    { name: 'an empty quoted boundary', parameters: '; boundary=""' },
    { name: 'an unterminated quoted boundary', parameters: '; boundary="test-boundary' },
    { name: 'an unquoted boundary with a space', parameters: '; boundary=test boundary' },
    { name: 'a boundary over 70 characters', parameters: `; boundary=${'x'.repeat(71)}` },
    { name: 'two boundaries', parameters: '; boundary=a; boundary=test-boundary' },
    { name: 'a boundary outside ASCII', parameters: '; boundary=tëst' },
    { name: 'a boundary that ends in a space', parameters: '; boundary="test-boundary "' },
  ]
  for (const { name, parameters } of rows) {
    await t.test(`${name} is malformed`, async t => {
      const contentType = Buffer.from(`multipart/form-data${parameters}`).toString('latin1')
      const headers = { 'content-type': contentType }
      const response = await send(usersUrl, { body: multipartBody(janeParts), headers })
      t.match(response.json, { status: 400, code: 'malformed_form' })
    })
  }
})

t.test('an unsupported media type is rejected', async t => {
  const { usersUrl } = await startService(t)
  const body = multipartBody(janeParts)
  const utf16Part = {
    rawHeaders: `${disposition()}\r\nContent-Type: text/plain; charset=utf-16`,
    data: 'x',
  }
  const rows: Array<{ name: string, body: Buffer, headers: Record<string, string> }> = [
    { name: 'multipart/mixed', body, headers: { 'content-type': 'multipart/mixed; boundary=test-boundary' } },
    {
      name: 'a form in latin1',
      body,
      headers: { 'content-type': 'multipart/form-data; boundary=test-boundary; charset=latin1' },
    },
    { name: 'a compressed form', body, headers: { 'content-encoding': 'gzip' } },
    { name: 'a field in UTF-16', body: multipartBody([utf16Part]), headers: {} },
  ]
  for (const { name, body, headers } of rows) {
    await t.test(`${name} is unsupported`, async t => {
      t.match((await sendMultipart(usersUrl, body, headers)).json, { code: 'unsupported_media_type' })
    })
  }
})

t.test('an avatar whose first bytes are not an image is rejected, whatever its name', async t => {
  const { usersUrl, emulator } = await startService(t)
  const rows = [
    { name: 'SVG', data: '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>' },
    { name: 'HTML', data: '<html><script>alert(1)</script>' },
    { name: 'text', data: 'BM is not an image' },
    { name: 'PDF', data: '%PDF-1.7' },
    { name: 'WebP', data: 'RIFF\x24\0\0\0WEBPVP8 ' },
    { name: 'a truncated signature', data: '\x89PN' },
    { name: 'a large file', data: 'x'.repeat(1_000_000) },
  ]
  for (const { name, data } of rows) {
    await t.test(`${name} is rejected by its type`, async t => {
      const avatar = avatarPart(Buffer.from(data, 'latin1'), 'me.png', 'image/png')
      const response = await sendMultipart(usersUrl, multipartBody([...janeParts, avatar]))
      t.match(response.json, { status: 415, code: 'avatar_type' })
    })
  }
  t.equal(emulator.apiRequests.length, 0)
})

t.test('an avatar over its limit is rejected by its Content-Length or by its bytes', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { AVATAR_MAX_BYTES: '1000000' } })
  const image = png(900_000)
  const largestImage = Buffer.concat([image, Buffer.alloc(1_000_000 - image.length)])
  const largest = avatarPart(largestImage, 'me.png', 'image/png')
  t.equal((await sendMultipart(usersUrl, multipartBody([...janeParts, largest]))).status, 201)

  const oversized = avatarPart(Buffer.concat([largestImage, Buffer.alloc(1)]), 'me.png', 'image/png')
  const streamed = await sendMultipart(usersUrl, streamChunks(multipartBody([oversized, ...janeParts])))
  t.match(streamed.json, { status: 413, code: 'avatar_too_large', outcome: 'not_sent' })
  t.equal(emulator.api.directory.users.size, 1)

  const requestsBefore = emulator.apiRequests.length
  const declared = await sendMultipart(usersUrl, Buffer.alloc(8_000_000))
  t.match(declared.json, { status: 413, code: 'avatar_too_large' })
  t.equal(emulator.apiRequests.length, requestsBefore, 'a body that is too long by its Content-Length is not read')
  t.strictSame(emulator.apiRequests.map(({ complete }) => complete), [true, false], 'the streamed form was cut off')
})

t.test('an endless text field is reported as too large', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { AVATAR_MAX_BYTES: '1000000' } })
  const endlessForm = async function * () {
    yield Buffer.from(`--test-boundary\r\n${disposition('name="user[notes]"')}\r\n\r\n`)
    for (let index = 0; index < 200; index++) yield Buffer.alloc(65_536, 'x')
  }
  const response = await sendMultipart(usersUrl, endlessForm())
  t.match(response.json, {
    status: 422,
    code: 'validation_failed',
    errors: [{ pointer: '/user/notes', rule: 'size' }],
  })
  t.equal(emulator.apiRequests.length, 0)
})

t.test('a streamed form that ends early, or whose caller disconnects, never reaches Procore complete', async t => {
  const { usersUrl, port, emulator } = await startService(t)
  const form = multipartBody([avatarPart(png(2_000_000), 'me.png', 'image/png'), ...janeParts])
  const truncated = await sendMultipart(usersUrl, form.subarray(0, -300))
  t.match(truncated.json, { code: 'malformed_form', outcome: 'not_sent' })

  const caller = new RawConnection(port)
  caller.write(createUserFormHead(form.length)).write(form.subarray(0, 1_500_000))
  while (emulator.apiRequests.length < 2) await new Promise(resolve => setImmediate(resolve))
  caller.socket.destroy()
  await caller.readToEnd()
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  t.strictSame(emulator.apiRequests.map(({ complete }) => complete), [false, false, true])
})

t.test('a malformed form is rejected before its end', async t => {
  const { port } = await startService(t)
  const caller = new RawConnection(port)
  caller.write(createUserFormHead(1_000_000))
  caller.write(multipartPart({ rawHeaders: 'X', data: '' }))
  t.match(await caller.readUntil('\r\n\r\n{'), /^HTTP\/1.1 400 /)
  caller.socket.destroy()
})
