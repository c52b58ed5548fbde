// Forms and JSON as frameworks and old clients write them: accepted if their meaning is clear, else named precisely.
import t from 'tap'
import { png } from '../helpers/images.ts'
import { avatarPart } from '../helpers/request-builders.ts'
import {
  boundary, jane, janeParts, multipartBody, send, sendJson, sendMultipart, streamChunks, summarizeErrors,
  type MultipartPart,
} from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

/** A part with this header block. */
const part = (rawHeaders: string, data: string | Buffer): MultipartPart => ({ rawHeaders, data })
const disposition = (parameters: string, type = 'form-data') => `Content-Disposition: ${type}; ${parameters}`
const field = (name: string, data: string | Buffer): MultipartPart => ({ name: `user[${name}]`, data })
const city = (contentType: string, data: Buffer) =>
  part(`${disposition('name="user[city]"')}\r\nContent-Type: ${contentType}`, data)
const avatarHeaders = (parameters: string, type?: string) => disposition(`name="user[avatar]"; ${parameters}`, type)

/** Returns a form of a user with an e-mail address of its own. */
function formOf (index: number, ...parts: MultipartPart[]): Buffer {
  return multipartBody([field('last_name', 'Doe'), field('email_address', `jane${index}@example.com`), ...parts])
}

t.test('a text is decoded by the charset of its part', async t => {
  const { usersUrl, emulator } = await startService(t)
  const latin1 = Buffer.from('Zürich', 'latin1')
  const rows = [
    { name: 'ISO-8859-1', part: city('text/plain; charset=ISO-8859-1', latin1), value: 'Zürich' },
    { name: 'latin1', part: city('text/plain; charset="latin1"', latin1), value: 'Zürich' },
    { name: 'Windows-1252', part: city('text/plain; charset=windows-1252', Buffer.from([0x80, 0xfc])), value: '€ü' },
    { name: 'ISO8859_1', part: city('text/plain; charset=ISO8859_1', latin1), value: 'Zürich' },
    { name: 'ISO_8859-1', part: city('text/plain; charset=ISO_8859-1', latin1), value: 'Zürich' },
    { name: 'ANSI_X3.4-1968', part: city('text/plain; charset=ANSI_X3.4-1968', Buffer.from('Bern')), value: 'Bern' },
    { name: 'US-ASCII', part: city('text/plain; charset=US-ASCII', Buffer.from('Bern')), value: 'Bern' },
    { name: 'UTF-8', part: city('text/plain; charset=utf-8', Buffer.from('Zürich')), value: 'Zürich' },
  ]
  for (const [index, { name, part, value }] of rows.entries()) {
    await t.test(`a text in ${name} is sent as UTF-8`, async t => {
      t.equal((await sendMultipart(usersUrl, formOf(index, part))).status, 201)
      const sent = emulator.apiRequests.at(-1)?.parts?.find(({ name }) => name === 'user[city]')
      t.equal(sent?.data.toString(), value)
    })
  }
  const utf16 = await sendMultipart(usersUrl, formOf(9, city('text/plain; charset=utf-16', Buffer.from('x'))))
  t.match(utf16.json, { status: 415, code: 'unsupported_media_type', detail: /^Part 3 \(user\[city\]\) has a charset/ })
})

t.test('an empty Content-Transfer-Encoding means nothing', async t => {
  const { usersUrl } = await startService(t)
  const text = part(`${disposition('name="user[city]"')}\r\nContent-Transfer-Encoding: `, 'x')
  t.equal((await sendMultipart(usersUrl, formOf(0, text))).status, 201)
})

t.test('US-ASCII is a charset of JSON and of a form', async t => {
  const { usersUrl } = await startService(t)
  const json = await sendJson(usersUrl, { user: jane }, { 'content-type': 'application/json; charset=us-ascii' })
  t.equal(json.status, 201)
  const contentType = `multipart/form-data; boundary=${boundary}; charset=US-ASCII`
  t.equal((await sendMultipart(usersUrl, formOf(0), { 'content-type': contentType })).status, 201)
})

t.test('the name and the type of an avatar never fail a form', async t => {
  const { usersUrl, emulator } = await startService(t)
  const named = avatarHeaders('filename="a.png"')
  const latin1Name = Buffer.concat([
    Buffer.from(`--${boundary}\r\n${avatarHeaders('filename="')}`),
    Buffer.from('Müller.png', 'latin1'),
    Buffer.from('"\r\n\r\n'),
  ])
  const rows: Array<{ name: string, headers: string }> = [
    { name: 'a charset', headers: `${named}\r\nContent-Type: image/png; charset=ISO-8859-1` },
    { name: 'an invalid type', headers: `${named}\r\nContent-Type: image png;;` },
    { name: 'a name with spaces and no quotes', headers: avatarHeaders('filename=my photo.png') },
    { name: 'a name with quotes', headers: avatarHeaders('filename="the "best" one.png"') },
    { name: 'an unterminated name', headers: avatarHeaders('filename="a.png') },
    { name: 'two names', headers: avatarHeaders('filename="a.png"; filename="b.png"') },
    { name: 'a name in pieces', headers: avatarHeaders('filename*0="a"; filename*1=".png"') },
    { name: 'an encoded name in pieces', headers: avatarHeaders('filename*0*=UTF-8\'\'%C3%BC; filename*1=".png"') },
    { name: 'an empty name and an encoded one', headers: avatarHeaders('filename=""; filename*=UTF-8\'\'%C3%BC') },
    { name: 'the disposition attachment', headers: avatarHeaders('filename="a.png"', 'attachment') },
  ]
  for (const [index, { name, headers }] of rows.entries()) {
    await t.test(`an avatar with ${name} is sent`, async t => {
      t.equal((await sendMultipart(usersUrl, formOf(index, part(headers, png())))).status, 201)
      const sent = emulator.apiRequests.at(-1)?.parts?.find(({ name }) => name === 'user[avatar]')
      t.match(sent, { filename: 'avatar.png', contentType: 'image/png' })
    })
  }
  const form = Buffer.concat([latin1Name, png(), Buffer.from('\r\n'), formOf(rows.length)])
  t.equal((await sendMultipart(usersUrl, form)).status, 201, 'a name in ISO-8859-1')
})

t.test('white space after a delimiter is accepted in chunks of any size', async t => {
  const { usersUrl } = await startService(t)
  const padded = (index: number, padding: string) =>
    Buffer.from(formOf(index).toString().replaceAll(`--${boundary}\r\n`, `--${boundary}${padding}\r\n`))
  t.equal((await sendMultipart(usersUrl, padded(0, ' \t '))).status, 201)
  const bytes = [...padded(1, '\t ').values()].map(byte => Buffer.of(byte))
  t.equal((await sendMultipart(usersUrl, streamChunks(...bytes))).status, 201)
  const tooMuch = padded(2, ' '.repeat(300))
  t.match((await sendMultipart(usersUrl, tooMuch)).json, { status: 400, code: 'malformed_form' })
})

t.test('of a boolean that is given more than once, the last value counts', async t => {
  const { usersUrl, emulator } = await startService(t)
  const rows = [
    { name: 'a hidden 0 and a ticked 1', values: ['0', '1'], sent: ['true'] },
    { name: 'a ticked 1 and a hidden 0', values: ['1', '0'], sent: ['false'] },
    { name: 'a value and an empty one', values: ['1', ''], sent: [] },
    { name: 'one value', values: ['1'], sent: ['true'] },
  ]
  for (const [index, { name, values, sent }] of rows.entries()) {
    for (const image of [png(), png(600_000)]) {
      await t.test(`${name}, with an avatar of ${image.length} bytes: ${sent.join()} is sent`, async t => {
        const booleans = values.map(value => field('is_employee', value))
        const form = formOf(index + image.length, ...booleans, avatarPart(image))
        t.equal((await sendMultipart(usersUrl, form)).status, 201)
        const parts = emulator.apiRequests.at(-1)?.parts?.filter(({ name }) => name === 'user[is_employee]') ?? []
        t.strictSame(parts.map(({ data }) => data.toString()), sent)
      })
    }
  }
})

t.test('a refused part is named, and the message says what is wrong', async t => {
  const { usersUrl } = await startService(t)
  const base64 = (name: string) => part(`${disposition(name)}\r\nContent-Transfer-Encoding: base64`, 'eA==')
  const valid = multipartBody(janeParts).toString()
  const rows: Array<{ name: string, body: Buffer | string, detail: string }> = [
    {
      name: 'a base64 text',
      body: formOf(0, base64('name="user[city]"')),
      detail: 'Part 3 (user[city]) has the Content-Transfer-Encoding base64. Send its bytes as they are (binary).',
    },
    {
      name: 'a base64 avatar',
      body: formOf(0, base64('name="user[avatar]"; filename="a.png"')),
      detail: 'Part 3 (user[avatar]) has the Content-Transfer-Encoding base64. Send its bytes as they are (binary).',
    },
    {
      name: 'a part without Content-Disposition',
      body: formOf(0, part('Content-Type: text/plain', 'x')),
      detail: 'Part 3 has no Content-Disposition header.',
    },
    {
      name: 'a text that is an attachment',
      body: formOf(0, part(disposition('name="user[city]"', 'attachment'), 'x')),
      detail: 'Part 3 (user[city]) has a Content-Disposition other than form-data.',
    },
    {
      name: 'a text that is not UTF-8',
      body: formOf(0, field('city', Buffer.from([0xff]))),
      detail: 'Part 3 (user[city]) is not valid UTF-8.',
    },
    {
      name: 'a form without its last delimiter',
      body: valid.replace(`--${boundary}--\r\n`, ''),
      detail: 'The form is incomplete: its last delimiter is missing.',
    },
    {
      name: 'a form whose last delimiter follows a line feed',
      body: valid.replace(`\r\n--${boundary}--`, `\n--${boundary}--`),
      detail: 'The form is incomplete: its last delimiter does not follow CR LF.',
    },
    {
      name: 'a form whose last delimiter has no hyphens after it',
      body: valid.replace(`--${boundary}--\r\n`, `--${boundary}`),
      detail: 'The form is incomplete: its last delimiter is not followed by CR LF or two hyphens.',
    },
    {
      name: 'a form whose last part has no end of its headers',
      body: valid.replace('\r\n\r\njane', '\r\njane'),
      detail: 'Part 2 has no empty line after its headers.',
    },
    {
      name: 'a form whose last delimiter follows a line feed, with lines after it',
      body: `${valid.replace(`\r\n--${boundary}--`, `\n--${boundary}--`)}\r\n\r\n\r\n`,
      detail: 'The form is incomplete: its last delimiter does not follow CR LF.',
    },
    {
      name: 'a form whose last delimiter is like the others',
      body: valid.replace(`--${boundary}--\r\n`, `--${boundary}\r\n`),
      detail: 'The form is incomplete: its last delimiter is not followed by two hyphens.',
    },
    { name: 'an empty form', body: '', detail: 'The form is incomplete: it is empty.' },
    {
      name: 'a part without headers',
      body: valid.replace(/Content-Disposition: [^\r]*email_address.*\r\n/, ''),
      detail: 'Part 2 has no headers.',
    },
    {
      name: 'a part whose headers end in LF',
      body: formOf(0, part(`${disposition('name="user[city]"')}\n\nx\r\nA: b`, 'x')),
      detail: 'Part 3 (user[city]) has a header line that does not end in CR LF.',
    },
    {
      name: 'a part of an earlier form whose headers end in LF',
      body: valid.replace('name="user[last_name]"\r\n\r\n', 'name="user[last_name]"\n\n'),
      detail: 'Part 1 has header lines that end in LF instead of CR LF.',
    },
    {
      name: 'a large avatar whose headers end in LF',
      body: Buffer.concat([
        Buffer.from(`--${boundary}\r\n${avatarHeaders('filename="a.png"')}\n\n`), Buffer.alloc(20_000, 'x'),
      ]),
      detail: 'Part 1 has header lines that end in LF instead of CR LF.',
    },
    {
      name: 'a header on two lines',
      body: formOf(0, part('Content-Disposition: form-data;\r\n name="user[city]"', 'x')),
      detail: 'Part 3 (user[city]) has a header that continues on a second line.',
    },
    {
      name: 'a header line without a colon',
      body: formOf(0, part(`${disposition('name="user[city]"')}\r\nContent-Type text/plain`, 'x')),
      detail: 'Part 3 (user[city]) has a header line without a colon.',
    },
    {
      name: 'a header name with a space',
      body: formOf(0, part(`${disposition('name="user[city]"')}\r\nContent Type: text/plain`, 'x')),
      detail: 'Part 3 (user[city]) has a header with an invalid name or a control character.',
    },
    {
      name: 'two headers of one name',
      body: formOf(0, part(`${disposition('name="user[city]"')}\r\nContent-Type: a/b\r\ncontent-type: a/b`, 'x')),
      detail: 'Part 3 (user[city]) has two content-type headers.',
    },
    {
      name: 'a part without a name',
      body: formOf(0, part(disposition('filename="a.png"'), 'x')),
      detail: 'Part 3 has no name in its Content-Disposition header.',
    },
    {
      name: 'a part with two names',
      body: formOf(0, part(disposition('name="user[city]"; name="user[zip]"'), 'x')),
      detail: 'Part 3 (user[city]) has a Content-Disposition with an empty or repeated parameter, or a value that ' +
        'needs quotes.',
    },
    {
      name: 'a name with brackets and no quotes',
      body: formOf(0, part(disposition('name=user[city]'), 'x')),
      detail: 'Part 3 has a Content-Disposition with an empty or repeated parameter, or a value that needs quotes.',
    },
    {
      name: 'a large form with another boundary',
      body: Buffer.concat([Buffer.from('--other\r\n'), Buffer.alloc(20_000, 'x')]),
      detail: 'The boundary of the content type is not in the first 16384 bytes of the form, after CR LF.',
    },
    {
      name: 'a large epilogue',
      body: Buffer.concat([Buffer.from(valid), Buffer.alloc(20_000, 'x')]),
      detail: 'The form has more than 16384 bytes after its last delimiter.',
    },
    {
      name: 'a form with another boundary',
      body: valid.replaceAll(boundary, 'other'),
      detail: 'The form is incomplete: it does not contain the boundary of the content type after CR LF.',
    },
  ]
  for (const { name, body, detail } of rows) {
    await t.test(`${name} is malformed_form: ${detail}`, async t => {
      t.match((await sendMultipart(usersUrl, body)).json, { status: 400, code: 'malformed_form', detail })
    })
  }
})

t.test('a field at the wrong level or with another spelling is pointed to its place', async t => {
  const { usersUrl, emulator } = await startService(t)
  const atPlace = 'must be sent as user[city], not as'
  const hint = 'is not a known field: it must be sent as user[city]'
  const forms = [
    { name: 'city', pointer: '/user/city', message: `${atPlace} city` },
    { name: 'user[user][city]', pointer: '/user/city', message: `${atPlace} user[user][city]` },
    { name: 'user%5Bcity%5D', pointer: '/user%5Bcity%5D', message: hint },
    { name: 'user.city', pointer: '/user.city', message: hint },
    { name: 'user[City]', pointer: '/user/City', message: hint },
  ]
  for (const { name, pointer, message } of forms) {
    await t.test(`the part ${name} is refused at ${pointer}`, async t => {
      const response = await sendMultipart(usersUrl, formOf(0, { name, data: 'x' }))
      t.match(response.json.errors, [{ pointer, rule: 'unknown', message }])
    })
  }
  const topLevel = await sendJson(usersUrl, { user: jane, city: 'x' })
  t.match(topLevel.json.errors, [{ pointer: '/user/city', field: 'user[city]', message: `${atPlace} city` }])
  const camelCase = await sendJson(usersUrl, { user: { ...jane, jobTitle: 'x' } })
  const jobTitle = 'is not a known field: it must be sent as user[job_title]'
  t.match(camelCase.json.errors, [{ pointer: '/user/jobTitle', rule: 'unknown', message: jobTitle }])
  t.strictSame(summarizeErrors(await sendJson(usersUrl, jane)), [
    'body /user required', 'body /user/last_name unknown', 'body /user/email_address unknown',
  ])
  t.equal(emulator.apiRequests.length, 0)
})

t.test('the query parameter _ is ignored', async t => {
  const { url, usersUrl, emulator } = await startService(t)
  t.equal((await sendJson(`${usersUrl}?_=1700000000000`, { user: jane })).status, 201)
  t.equal(emulator.apiRequests[0]?.path, '/rest/v1.3/companies/101/users')
  t.equal((await send(`${url}/companies/101/users?_=1&per_page=1&_=2`, { method: 'GET' })).status, 200)
})

t.test('a byte order mark before JSON is skipped', async t => {
  const { usersUrl, emulator } = await startService(t)
  t.equal((await sendJson(usersUrl, `\ufeff${JSON.stringify({ user: jane })}`)).status, 201)
  t.strictSame(emulator.apiRequests[0]?.json, { user: jane })
})

t.test('dots anywhere in the local part of an e-mail address are accepted', async t => {
  const { usersUrl } = await startService(t)
  for (const address of ['jane..doe@example.com', 'jane.@example.com', '.jane@example.com']) {
    await t.test(`${address} is accepted`, async t => {
      t.equal((await sendJson(usersUrl, { user: { ...jane, email_address: address } })).status, 201)
    })
  }
  for (const address of ['...@example.com', '@example.com', 'jane@example..com', 'a@b@example.com']) {
    await t.test(`${address} is rejected`, async t => {
      const response = await sendJson(usersUrl, { user: { ...jane, email_address: address } })
      t.strictSame(summarizeErrors(response), ['body /user/email_address format'])
    })
  }
})

t.test('a phone extension with leading zeros is rejected in a form, and a single zero is accepted', async t => {
  const { usersUrl } = await startService(t)
  const rejected = await sendMultipart(usersUrl, formOf(0, field('business_phone_extension', '007')))
  t.strictSame(summarizeErrors(rejected), ['body /user/business_phone_extension format'])
  t.equal((await sendMultipart(usersUrl, formOf(1, field('business_phone_extension', '0')))).status, 201)
})
