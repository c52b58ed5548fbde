// Creates by multipart form: fields and avatar in any order. Small forms are buffered, large ones are streamed.
import { createHash } from 'node:crypto'
import t from 'tap'
import { bmp, gif, jpeg, png, tiff } from '../helpers/images.ts'
import { avatarPart } from '../helpers/request-builders.ts'
import {
  summarizeErrors, multipartBody, multipartPart, janeParts, streamChunks, sendMultipart, type MultipartPart,
} from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'

const sha256 = (bytes: Buffer | undefined) => createHash('sha256').update(bytes ?? '').digest('hex')

/** A text field of the user. */
const field = (name: string, data: string): MultipartPart => ({ name: `user[${name}]`, data })

const lastName = field('last_name', 'Doe')

/** Returns the avatar that the emulator stored with a user. */
function findStoredAvatar ({ emulator }: Service, id: unknown): Buffer | undefined {
  return emulator.api.directory.users.get(Number(id))?.avatar
}

t.test('a 200 KB PNG after the fields is buffered and sent with a Content-Length', async t => {
  const service = await startService(t)
  const image = png(200_000)
  const form = multipartBody([...janeParts, avatarPart(image, 'me.png', 'image/png')])
  const response = await sendMultipart(service.usersUrl, form)
  t.equal(response.status, 201)
  const [received] = service.emulator.apiRequests
  t.equal(Number(received?.headers['content-length']), received?.body.length)
  t.equal(received?.headers['transfer-encoding'], undefined)
  t.equal(sha256(findStoredAvatar(service, response.json['id'])), sha256(image))
  t.match(service.lines.at(-1), { bodyMode: 'buffered', status: 201 })
})

t.test('a 9 MB JPEG before the fields is streamed', async t => {
  const service = await startService(t)
  const image = jpeg(9_000_000)
  const form = multipartBody([avatarPart(image, 'me.jpeg', 'image/jpeg'), ...janeParts])
  const response = await sendMultipart(service.usersUrl, form)
  t.equal(response.status, 201)
  const [received] = service.emulator.apiRequests
  t.equal(received?.headers['transfer-encoding'], 'chunked')
  t.equal(received?.headers['content-length'], undefined)
  t.match(received?.headers['content-type'], /^multipart\/form-data; boundary=procore-bff-[0-9a-f-]{36}$/)
  t.equal(sha256(findStoredAvatar(service, response.json['id'])), sha256(image))
  const logLine = service.lines.at(-1)
  t.match(logLine, { bodyMode: 'streamed', status: 201 })
  t.ok(Number(logLine?.['bytesIn']) > 9_000_000)
})

t.test('an avatar between the fields is sent with a name and a type of the service\'s own', async t => {
  const { usersUrl, emulator } = await startService(t)
  const rows = [
    { extension: 'png', image: png(), mediaType: 'image/png' },
    { extension: 'jpg', image: jpeg(), mediaType: 'image/jpeg' },
    { extension: 'gif', image: gif(), mediaType: 'image/gif' },
    { extension: 'bmp', image: bmp(), mediaType: 'image/bmp' },
    { extension: 'tiff', image: tiff(), mediaType: 'image/tiff' },
  ]
  for (const { extension, image, mediaType } of rows) {
    await t.test(`${mediaType} is sent as avatar.${extension}`, async t => {
      const response = await sendMultipart(usersUrl, multipartBody([
        field('email_address', `${extension}@example.com`),
        avatarPart(image, '../../è\\"%22;\\.exe', 'application/x-thing'),
        lastName,
      ]))
      t.equal(response.status, 201)
      const part = emulator.apiRequests.at(-1)?.parts?.find(({ name }) => name === 'user[avatar]')
      t.match(part, { filename: `avatar.${extension}`, contentType: mediaType })
      t.equal(sha256(part?.data), sha256(image))
    })
  }
})

t.test('text fields are parsed by the schema and serialized as Rails reads them', async t => {
  const { usersUrl, emulator } = await startService(t)
  const response = await sendMultipart(usersUrl, multipartBody([
    ...janeParts,
    field('business_phone_extension', '7'),
    field('work_classification_id', '007'),
    field('vendor_id', '9007199254740991'),
    field('is_active', '1'),
    field('is_employee', 'false'),
    field('bid_contact', 'true'),
    field('notes', 'line\r\n--test-bounder\r\n😀'),
    field('country_code', 'US'),
    field('state_code', 'CA'),
  ]))
  t.equal(response.status, 201)
  const parts = emulator.apiRequests[0]?.parts ?? []
  t.strictSame(Object.fromEntries(parts.map(({ name, data }) => [name, data.toString()])), {
    'user[last_name]': 'Doe',
    'user[email_address]': 'jane.doe@example.com',
    'user[business_phone_extension]': '7',
    'user[work_classification_id]': '7',
    'user[vendor_id]': '9007199254740991',
    'user[is_active]': 'true',
    'user[is_employee]': 'false',
    'user[bid_contact]': 'true',
    'user[notes]': 'line\r\n--test-bounder\r\n😀',
    'user[country_code]': 'US',
    'user[state_code]': 'CA',
  })
})

t.test('the empty values that browsers send for untouched inputs count as absent', async t => {
  const { usersUrl, emulator } = await startService(t)
  const response = await sendMultipart(usersUrl, multipartBody([
    ...janeParts,
    avatarPart('', '', 'application/octet-stream'),
    field('vendor_id', ''),
    field('is_active', ''),
    field('country_code', ''),
    field('state_code', ''),
    field('city', ''),
  ]))
  t.equal(response.status, 201)
  const names = emulator.apiRequests[0]?.parts?.map(({ name }) => name)
  t.strictSame(names, ['user[last_name]', 'user[email_address]', 'user[city]'])
})

t.test('all errors of a form are reported at once, in the order of the schema', async t => {
  const { usersUrl, emulator } = await startService(t)
  const response = await sendMultipart(`${usersUrl}?foo=1`, multipartBody([
    field('zzz', 'x'),
    field('bid_contact', 'yes'),
    avatarPart('', 'me.png', 'image/png'),
    field('vendor_id', '-5'),
    field('email_address', 'no'),
    field('notes', 'x'.repeat(65_537)),
    field('city', 'a\0'),
    field('city', 'b'),
    { name: 'last_name', data: 'Doe' },
    { name: 'user[a][b]', data: '' },
    field('work_classification_id', '9007199254740992'),
    { name: 'user[zip]', filename: 'zip.txt', data: '93013' },
  ]))
  t.equal(response.status, 422)
  t.strictSame(summarizeErrors(response), [
    'body /user/last_name required',
    'body /user/email_address format',
    'body /user/city format',
    'body /user/city duplicate',
    'body /user/zip type',
    'body /user/notes size',
    'body /user/vendor_id type',
    'body /user/work_classification_id size',
    'body /user/bid_contact type',
    'body /user/avatar size',
    'query /foo unknown',
    'body /user/zzz unknown',
    'body /user/last_name unknown',
    'body /user/a/b unknown',
  ])
  t.equal(emulator.apiRequests.length, 0)
})

t.test('a repeated field and an avatar that is not one file are rejected', async t => {
  const { usersUrl, emulator } = await startService(t)
  const rows = [
    {
      name: 'a form with two e-mail addresses',
      parts: [...janeParts, field('email_address', 'jane.doe@example.com')],
      error: 'body /user/email_address duplicate',
    },
    {
      name: 'a form with two avatars',
      parts: [avatarPart(png()), ...janeParts, avatarPart(png())],
      error: 'body /user/avatar duplicate',
    },
    {
      name: 'an avatar without a file name',
      parts: [...janeParts, { name: 'user[avatar]', data: png() }],
      error: 'body /user/avatar type',
    },
    {
      name: 'an avatar with an empty file name',
      parts: [...janeParts, avatarPart(png(), '')],
      error: 'body /user/avatar type',
    },
  ]
  for (const { name, parts, error } of rows) {
    await t.test(`${name} is rejected with "${error}"`, async t => {
      t.strictSame(summarizeErrors(await sendMultipart(usersUrl, multipartBody(parts))), [error])
    })
  }
  t.equal(emulator.apiRequests.length, 0)
})

t.test('an error after the start of a streamed avatar never becomes a complete request', async t => {
  const { usersUrl, emulator } = await startService(t)
  const rows: Array<{ name: string, parts: MultipartPart[] }> = [
    { name: 'an invalid e-mail address', parts: [lastName, field('email_address', 'no')] },
    { name: 'an unknown field', parts: [...janeParts, field('nickname', 'x')] },
    { name: 'a missing field', parts: [lastName] },
    { name: 'a second avatar', parts: [...janeParts, avatarPart(png())] },
    { name: 'a repeated field', parts: [...janeParts, lastName] },
    { name: 'a missing dependency', parts: [...janeParts, field('bid_contact', '1')] },
  ]
  for (const { name, parts } of rows) {
    await t.test(`${name} is rejected as not sent`, async t => {
      const response = await sendMultipart(usersUrl, multipartBody([avatarPart(png(2_000_000)), ...parts]))
      t.match(response.json, { status: 422, code: 'validation_failed', outcome: 'not_sent' })
      t.equal(response.json.errors?.length, 1)
    })
  }
  t.equal(emulator.apiRequests.length, rows.length, 'each of them was being streamed')
  t.ok(emulator.apiRequests.every(({ complete }) => !complete))
  t.equal(emulator.api.directory.users.size, 0)
})

t.test('an error before the avatar is reported without a call to Procore', async t => {
  const { usersUrl, emulator } = await startService(t)
  const avatar = avatarPart(png(2_000_000))
  const rows: Array<{ name: string, parts: MultipartPart[] }> = [
    { name: 'an invalid e-mail address', parts: [field('email_address', 'no'), avatar, lastName] },
    {
      name: 'a state of another country',
      parts: [...janeParts, field('country_code', 'US'), field('state_code', 'NSW'), avatar],
    },
    { name: 'an unknown field', parts: [...janeParts, field('nickname', 'x'), avatar] },
  ]
  for (const { name, parts } of rows) {
    await t.test(`${name} is rejected without an outcome`, async t => {
      const response = await sendMultipart(usersUrl, multipartBody(parts))
      t.match(response.json, { status: 422, code: 'validation_failed' })
      t.notOk('outcome' in response.json)
    })
  }
  const invalidCompany = await sendMultipart(usersUrl.replace('/101/', '/x/'), multipartBody([...janeParts, avatar]))
  t.strictSame(summarizeErrors(invalidCompany), ['path /company_id type'])
  t.equal(emulator.apiRequests.length, 0)
})

t.test('errors before and after a large avatar are reported together', async t => {
  const { usersUrl } = await startService(t)
  const form = multipartBody([field('vendor_id', 'x'), avatarPart(png(1_000_000)), field('is_active', 'x')])
  t.strictSame(summarizeErrors(await sendMultipart(usersUrl, form)), [
    'body /user/last_name required',
    'body /user/email_address required',
    'body /user/is_active type',
    'body /user/vendor_id type',
  ])
})

t.test('with FORM_BUFFER_BYTES above AVATAR_MAX_BYTES, forms reach a Procore that refuses chunked bodies', async t => {
  const service = await startService(t, { env: { FORM_BUFFER_BYTES: '20000000' }, emulator: { refuseChunked: true } })
  const image = jpeg(9_000_000)
  const response = await sendMultipart(service.usersUrl, multipartBody([avatarPart(image), ...janeParts]))
  t.equal(response.status, 201)
  t.equal(sha256(findStoredAvatar(service, response.json['id'])), sha256(image))
})

t.test('a form that arrives in single bytes is accepted', async t => {
  const { usersUrl, emulator } = await startService(t)
  const image = png()
  const form = multipartBody([avatarPart(image), ...janeParts])
  const response = await sendMultipart(usersUrl, streamChunks(...Array.from(form, byte => Buffer.of(byte))))
  t.equal(response.status, 201)
  const part = emulator.apiRequests[0]?.parts?.find(({ name }) => name === 'user[avatar]')
  t.equal(sha256(part?.data), sha256(image))
})

t.test('a form of text fields over FORM_BUFFER_BYTES is streamed', async t => {
  const { usersUrl, emulator, lines } = await startService(t, { env: { FORM_BUFFER_BYTES: '1000' } })
  const form = Buffer.concat([multipartPart(field('notes', 'x'.repeat(5000))), multipartBody(janeParts)])
  const response = await sendMultipart(usersUrl, form)
  t.equal(response.status, 201)
  const notes = emulator.apiRequests[0]?.parts?.find(({ name }) => name === 'user[notes]')
  t.equal(notes?.data.length, 5000)
  t.match(lines.at(-1), { bodyMode: 'streamed' })
})

/** A JPEG with a video behind its end, as phones write it. */
const motionPhoto = (image: Buffer, videoBytes: number) => Buffer.concat([image, Buffer.from([0xff, 0xd9]),
  Buffer.alloc(videoBytes, 'GPS')])

t.test('metadata that is longer than the image is received, and not sent', async t => {
  const service = await startService(t, { env: { AVATAR_MAX_BYTES: '20000000' } })
  const image = jpeg(300_000)
  const rows = [
    { name: 'before the fields', parts: [avatarPart(motionPhoto(image, 19_000_000)), ...janeParts] },
    {
      name: 'behind the fields',
      parts: [lastName, field('email_address', 'a@example.com'),
        avatarPart(motionPhoto(image, 19_000_000))]
    },
  ]
  for (const { name, parts } of rows) {
    await t.test(`an avatar ${name} is sent without it`, async t => {
      const response = await sendMultipart(service.usersUrl, multipartBody(parts))
      t.equal(response.status, 201)
      t.equal(sha256(findStoredAvatar(service, response.json['id'])), sha256(motionPhoto(image, 0)))
    })
  }
  const tooLarge = multipartBody([avatarPart(motionPhoto(image, 20_000_000)), ...janeParts])
  t.match((await sendMultipart(service.usersUrl, tooLarge)).json, { code: 'avatar_too_large' })
})

t.test('a buffered form has the Content-Length without the metadata', async t => {
  const { usersUrl, emulator } = await startService(t)
  const form = multipartBody([avatarPart(motionPhoto(jpeg(), 50_000)), ...janeParts])
  t.equal((await sendMultipart(usersUrl, form)).status, 201)
  const [received] = emulator.apiRequests
  t.equal(Number(received?.headers['content-length']), received?.body.length)
  t.ok(Number(received?.headers['content-length']) < 2000)
})

t.test('with AVATAR_METADATA=keep the avatar is sent byte for byte', async t => {
  const service = await startService(t, { env: { AVATAR_METADATA: 'keep' } })
  const image = motionPhoto(jpeg(), 500_000)
  const response = await sendMultipart(service.usersUrl, multipartBody([avatarPart(image), ...janeParts]))
  t.equal(sha256(findStoredAvatar(service, response.json['id'])), sha256(image))
})

t.test('an idempotency key covers the metadata, too', async t => {
  const { usersUrl } = await startService(t)
  for (const [name, videoBytes] of [['buffered', 1000], ['streamed', 400_000]] as const) {
    await t.test(`the same image with other metadata in a ${name} form is another request`, async t => {
      const formOf = (bytes: number) => multipartBody([avatarPart(motionPhoto(jpeg(), bytes)), lastName,
        field('email_address', `${name}@example.com`)])
      const headers = { 'idempotency-key': name }
      const first = await sendMultipart(usersUrl, formOf(videoBytes), headers)
      t.equal(first.status, 201)
      const repeat = await sendMultipart(usersUrl, formOf(videoBytes), headers)
      t.match(repeat, { status: 201, text: first.text, headers: { 'idempotency-replayed': 'true' } })
      const other = await sendMultipart(usersUrl, formOf(videoBytes + 1), headers)
      t.match(other.json, { code: 'idempotency_key_reused' })
    })
  }
})
