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

t.test('an avatar that is not of the five types is rejected with a detail that names what it is', async t => {
  const { usersUrl, emulator } = await startService(t)
  const other = 'The content of the avatar is not a PNG, JPEG, GIF, BMP or TIFF image.'
  const heic = 'The avatar is an iPhone photo in HEIC: ' +
    "choose 'Most Compatible' in the camera settings, or convert it to JPEG."
  const video = 'The avatar is a video: choose a photo.'
  const webp = 'The avatar is a WebP image: convert it to JPEG or PNG.'
  const svg = 'The avatar is an SVG drawing: export it as PNG.'
  const xml = 'The avatar is an XML document, such as an SVG drawing: export it as PNG.'
  const html = 'The avatar is a web page: download the picture itself.'
  const raw = 'The avatar is a raw file of a camera: export it as JPEG.'
  const ftyp = (brand: string) => `\0\0\0\x18ftyp${brand}\0\0\0\0mif1heic`
  const rows = [
    { name: 'an iPhone photo in HEIC', data: ftyp('heic'), detail: heic },
    { name: 'an iPhone photo in HEIC with 10 bits', data: ftyp('heix'), detail: heic },
    { name: 'an iPhone sequence in HEIC', data: ftyp('hevc'), detail: heic },
    { name: 'HEIF', data: ftyp('mif1'), detail: 'The avatar is a HEIF image: convert it to JPEG.' },
    { name: 'AVIF', data: ftyp('avif'), detail: 'The avatar is an AVIF image: convert it to JPEG or PNG.' },
    { name: 'animated AVIF', data: ftyp('avis'), detail: 'The avatar is an AVIF image: convert it to JPEG or PNG.' },
    { name: 'WebP', data: 'RIFF\x24\0\0\0WEBPVP8 ', detail: webp },
    { name: 'the start of a WebP', data: 'RIFF\x24\0\0\0WEBP', detail: webp },
    {
      name: 'a JPEG XL container',
      data: '\0\0\0\x0cJXL \r\n\x87\n',
      detail: 'The avatar is a JPEG XL image: convert it to JPEG.',
    },
    {
      name: 'a JPEG XL codestream',
      data: '\xff\x0a\xfa\x7f',
      detail: 'The avatar is a JPEG XL image: convert it to JPEG.',
    },
    {
      name: 'JPEG 2000',
      data: '\0\0\0\x0cjP  \r\n\x87\n',
      detail: 'The avatar is a JPEG 2000 image: convert it to JPEG.',
    },
    { name: 'BigTIFF', data: 'II+\0\x08\0\0\0', detail: 'The avatar is a BigTIFF image: convert it to TIFF or JPEG.' },
    { name: 'SVG', data: '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', detail: svg },
    { name: 'SVG with a document type', data: '\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN">', detail: svg },
    { name: 'SVG with an XML declaration', data: '\xef\xbb\xbf<?xml version="1.0"?><svg/>', detail: xml },
    { name: 'SVG with a comment first', data: '<!-- Created with Inkscape -->\n<svg/>', detail: xml },
    { name: 'HTML', data: '<html><script>alert(1)</script>', detail: html },
    { name: 'HTML with a document type', data: '<!doctype html><img>', detail: html },
    { name: 'PDF', data: '%PDF-1.7', detail: 'The avatar is a PDF document: export the picture as JPEG or PNG.' },
    {
      name: 'PostScript',
      data: '%!PS-Adobe-3.0',
      detail: 'The avatar is a PostScript document: export the picture as JPEG or PNG.',
    },
    {
      name: 'a Photoshop document',
      data: '8BPS\0\x01',
      detail: 'The avatar is a Photoshop document: export it as JPEG or PNG.',
    },
    { name: 'an icon', data: '\0\0\x01\0\x01\0\x10\x10', detail: 'The avatar is an icon (ICO): convert it to PNG.' },
    { name: 'MP4', data: ftyp('mp42'), detail: video },
    { name: 'QuickTime', data: ftyp('qt  '), detail: video },
    { name: 'QuickTime without a file type', data: '\0\0\0\x08wide\0\0\0\x01mdat', detail: video },
    { name: 'AVI', data: 'RIFF\x24\0\0\0AVI LIST', detail: video },
    { name: 'WebM', data: '\x1aE\xdf\xa3\x9fB\x86\x81\x01', detail: video },
    { name: 'a sound recording', data: ftyp('M4A '), detail: 'The avatar is a sound recording: choose a photo.' },
    { name: "Canon's raw file", data: ftyp('crx '), detail: raw },
    { name: "Panasonic's raw file", data: 'IIU\0\x18\0\0\0', detail: raw },
    { name: "Fujifilm's raw file", data: 'FUJIFILMCCD-RAW 0201', detail: raw },
    {
      name: 'an office document',
      data: 'PK\x03\x04\x14\0\x06\0',
      detail: 'The avatar is a ZIP archive or an office document: choose the picture itself.',
    },
    { name: 'text', data: 'BM is not an image', detail: other },
    { name: 'the name of a format in a text', data: 'an svg, <svg> or WEBP', detail: other },
    { name: 'a truncated signature', data: '\x89PN', detail: other },
    { name: 'a large file', data: 'x'.repeat(1_000_000), detail: other },
  ]
  for (const { name, data, detail } of rows) {
    await t.test(`${name} is rejected by its type, whatever its name`, async t => {
      const avatar = avatarPart(Buffer.from(data, 'latin1'), 'me.png', 'image/png')
      const response = await sendMultipart(usersUrl, multipartBody([...janeParts, avatar]))
      t.match(response.json, { status: 415, code: 'avatar_type', detail })
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

t.test('a value over the limit of texts is too large, also if its last chunk exceeds the limit', async t => {
  const { usersUrl } = await startService(t)
  const form = multipartBody([...janeParts, { name: 'user[is_active]', data: 'x'.repeat(65_537) }])
  const response = await sendMultipart(usersUrl, streamChunks(form.subarray(0, 40_000), form.subarray(40_000)))
  t.match(response.json, {
    status: 422, code: 'validation_failed', errors: [{ pointer: '/user/is_active', rule: 'size' }],
  })
})

t.test('an avatar without a file name is an error of its field, whatever its content', async t => {
  const { usersUrl } = await startService(t)
  const response = await sendMultipart(usersUrl, multipartBody([...janeParts, { name: 'user[avatar]', data: 'x' }]))
  t.match(response.json, {
    status: 422, code: 'validation_failed', errors: [{ pointer: '/user/avatar', rule: 'type' }],
  })
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
