// Tests forms as the libraries of other languages write them, byte by byte.
import t from 'tap'
import { png } from '../helpers/images.ts'
import { send } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const image = png(3000)

type Part = [headers: string, data: string | Buffer]
interface FormOptions { preamble?: string, epilogue?: string }

function join (boundary: string, parts: Part[], { preamble = '', epilogue = '\r\n' }: FormOptions = {}): Buffer {
  const encodedParts = parts.flatMap(([headers, data]) => [
    Buffer.from(`--${boundary}\r\n${headers}\r\n\r\n`), Buffer.from(data), Buffer.from('\r\n'),
  ])
  return Buffer.concat([Buffer.from(preamble), ...encodedParts, Buffer.from(`--${boundary}--${epilogue}`)])
}

const headerBlock = (...lines: string[]) => lines.join('\r\n')

const boundary70 = `${'='.repeat(20)}${'7'.repeat(50)}`
const ascii = '\'()+_,-./:=?'

const forms: Record<string, { contentType: string, body: Buffer }> = {
  'Python requests and urllib3: no Content-Type on scalars, filename* for what is not ASCII': {
    contentType: 'multipart/form-data; boundary=5a0c6f0d0e7f4a6fb0a3b5f8c1d2e3f4',
    body: join('5a0c6f0d0e7f4a6fb0a3b5f8c1d2e3f4', [
      ['Content-Disposition: form-data; name="user[last_name]"', 'Doe'],
      ['Content-Disposition: form-data; name="user[email_address]"', 'jane@example.com'],
      ['Content-Disposition: form-data; name="user[avatar]"; filename*=utf-8\'\'Zo%C3%AB.png', image],
    ]),
  },
  'Python http.client recipes: text/plain with a charset, MIME-Version, a quoted boundary': {
    contentType: 'multipart/form-data; boundary="===============1234567890=="',
    body: join('===============1234567890==', [
      [headerBlock(
        'Content-Type: text/plain; charset="utf-8"',
        'MIME-Version: 1.0',
        'Content-Transfer-Encoding: 8bit',
        'Content-Disposition: form-data; name="user[last_name]"'
      ), 'Doe'],
      [headerBlock(
        'Content-Type: text/plain; charset="us-ascii"',
        'Content-Disposition: form-data; name="user[email_address]"'
      ), 'jane@example.com'],
      ['Content-Type: image/png\r\nContent-Disposition: form-data; name="user[avatar]"; filename="a.png"', image],
    ], { epilogue: '' }),
  },
  'Ruby rest-client and multipart-post: file with transfer encoding, Content-Length in parts, an epilogue': {
    contentType: 'multipart/form-data; boundary=----RubyFormBoundaryA1b2C3d4E5f6G7h8',
    body: join('----RubyFormBoundaryA1b2C3d4E5f6G7h8', [
      [headerBlock(
        'Content-Disposition: form-data; name="user[avatar]"; filename="a.png"',
        `Content-Length: ${image.length}`,
        'Content-Type: image/png',
        'Content-Transfer-Encoding: binary'
      ), image],
      ['Content-Disposition: form-data; name="user[last_name]"', 'Doe'],
      ['Content-Disposition: form-data; name="user[email_address]"', 'jane@example.com'],
    ], { epilogue: '\r\n\r\n' }),
  },
  'header names in any case, parameters unquoted, white space at will': {
    contentType: 'Multipart/Form-Data ;  Boundary=aAbB',
    body: join('aAbB', [
      ['CONTENT-DISPOSITION:form-data;name="user[last_name]"', 'Doe'],
      ['content-disposition:   Form-Data ; Name="user[email_address]"  ', 'jane@example.com'],
      ['cOnTeNt-DiSpOsItIoN: form-data; filename=a.png; name="user[avatar]"\r\nX-Unknown: yes', image],
    ]),
  },
  'a preamble and an epilogue': {
    contentType: 'multipart/form-data; boundary=edges',
    body: join('edges', [
      ['Content-Disposition: form-data; name="user[last_name]"', 'Doe'],
      ['Content-Disposition: form-data; name="user[email_address]"', 'jane@example.com'],
      ['Content-Disposition: form-data; name="user[avatar]"; filename="a.png"', image],
    ], { preamble: 'This is a message in MIME format.\r\n--edge\r\n', epilogue: '\r\nthe end\r\n--edge\r\n' }),
  },
  'a boundary of 70 characters': {
    contentType: `multipart/form-data; boundary="${boundary70}"`,
    body: join(boundary70, [
      ['Content-Disposition: form-data; name="user[last_name]"', 'Doe'],
      ['Content-Disposition: form-data; name="user[email_address]"', 'jane@example.com'],
      ['Content-Disposition: form-data; name="user[avatar]"; filename="a.png"', image],
    ]),
  },
  'a boundary of every special character, and a space within': {
    contentType: `multipart/form-data; charset=utf-8; boundary="a b${ascii}"`,
    body: join(`a b${ascii}`, [
      ['Content-Disposition: form-data; name="user[last_name]"', 'Doe'],
      ['Content-Disposition: form-data; name="user[email_address]"', 'jane@example.com'],
      ['Content-Disposition: form-data; name="user[avatar]"; filename="a.png"', image],
    ]),
  },
}

for (const [name, { contentType, body }] of Object.entries(forms)) {
  t.test(`a form is accepted: ${name}`, async t => {
    const { usersUrl, emulator } = await startService(t)
    const reply = await send(usersUrl, { headers: { 'content-type': contentType }, body })
    t.equal(reply.status, 201, reply.text)
    const user = emulator.api.directory.list(101)[0]
    t.match(user?.values, { last_name: 'Doe', email_address: 'jane@example.com' })
    t.ok(user?.avatar?.equals(image))
  })
}
