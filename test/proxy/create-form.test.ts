// A create by form: fields and avatar in any order, small ones held and sent whole, large ones streamed, the same bytes at the other end.
import { createHash } from 'node:crypto'
import t from 'tap'
import { bmp, gif, jpeg, png, tiff } from '../helpers/images.ts'
import { summarizeErrors, multipartBody, multipartPart, janeParts, streamChunks, sendMultipart, type MultipartPart } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const sha256 = (bytes: Buffer | undefined) => createHash('sha256').update(bytes ?? '').digest('hex')
const avatarPart = (data: Buffer, filename = 'me.png', type = 'image/png'): MultipartPart => ({ name: 'user[avatar]', filename, type, data })

t.test('a 200 KB PNG after the fields is held, and sent whole', async t => {
  const { usersUrl, emulator, lines } = await startService(t)
  const image = png(200_000)
  const reply = await sendMultipart(usersUrl, multipartBody([...janeParts, avatarPart(image)]))
  t.equal(reply.status, 201)
  const [received] = emulator.apiRequests
  t.equal(Number(received?.headers['content-length']), received?.body.length)
  t.equal(received?.headers['transfer-encoding'], undefined)
  t.equal(sha256(emulator.api.directory.users.get(Number(reply.json['id']))?.avatar), sha256(image))
  t.match(lines.at(-1), { bodyMode: 'buffered', status: 201 })
})

t.test('a 9 MB JPEG before the fields is streamed', async t => {
  const { usersUrl, emulator, lines } = await startService(t)
  const image = jpeg(9_000_000)
  const reply = await sendMultipart(usersUrl, multipartBody([avatarPart(image, 'me.jpeg', 'image/jpeg'), ...janeParts]))
  t.equal(reply.status, 201)
  const [received] = emulator.apiRequests
  t.equal(received?.headers['transfer-encoding'], 'chunked')
  t.equal(received?.headers['content-length'], undefined)
  t.match(received?.headers['content-type'], /^multipart\/form-data; boundary=procore-bff-[0-9a-f]{32}$/)
  t.equal(sha256(emulator.api.directory.users.get(Number(reply.json['id']))?.avatar), sha256(image))
  t.match(lines.at(-1), { bodyMode: 'streamed', status: 201 })
  t.ok(Number(lines.at(-1)?.['bytesIn']) > 9_000_000)
})

t.test('the avatar between the fields, in any of the five types; its name and type are ours', async t => {
  const { usersUrl, emulator } = await startService(t)
  const images = { png: png(), jpg: jpeg(), gif: gif(), bmp: bmp(), tiff: tiff() }
  const mediaType: Record<string, string> = { png: 'image/png', jpg: 'image/jpeg', gif: 'image/gif', bmp: 'image/bmp', tiff: 'image/tiff' }
  for (const [index, [extension, image]] of Object.entries(images).entries()) {
    const [last, email] = janeParts
    const reply = await sendMultipart(usersUrl, multipartBody([{ ...email, name: 'user[email_address]', data: `jane${index}@example.com` }, avatarPart(image, '../../è"%22;\\.exe', 'application/x-thing'), { ...last, name: 'user[last_name]', data: 'Doe' }].map(part => ({ ...part, filename: part.filename?.replace('"', '\\"') })) as MultipartPart[]))
    t.equal(reply.status, 201, extension)
    const part = emulator.apiRequests.at(-1)?.parts?.find(({ name }) => name === 'user[avatar]')
    t.match(part, { filename: `avatar.${extension}`, contentType: mediaType[extension] })
    t.equal(sha256(part?.data), sha256(image))
  }
})

t.test('text becomes the schema\'s type, and goes out as Rails reads it', async t => {
  const { usersUrl, emulator } = await startService(t)
  const reply = await sendMultipart(usersUrl, multipartBody([
    ...janeParts, { name: 'user[business_phone_extension]', data: '007' }, { name: 'user[vendor_id]', data: '9007199254740991' },
    { name: 'user[is_active]', data: '1' }, { name: 'user[is_employee]', data: 'false' }, { name: 'user[bid_contact]', data: 'true' },
    { name: 'user[notes]', data: 'line\r\n--test-bounder\r\n😀' }, { name: 'user[country_code]', data: 'US' }, { name: 'user[state_code]', data: 'CA' },
  ]))
  t.equal(reply.status, 201)
  const sent = Object.fromEntries(emulator.apiRequests[0]?.parts?.map(({ name, data }) => [name, data.toString()]) ?? [])
  t.strictSame(sent, {
    'user[last_name]': 'Doe',
    'user[email_address]': 'jane.doe@example.com',
    'user[business_phone_extension]': '7',
    'user[vendor_id]': '9007199254740991',
    'user[is_active]': 'true',
    'user[is_employee]': 'false',
    'user[bid_contact]': 'true',
    'user[notes]': 'line\r\n--test-bounder\r\n😀',
    'user[country_code]': 'US',
    'user[state_code]': 'CA',
  })
})

t.test('what browsers send for inputs that were left alone means absent', async t => {
  const { usersUrl, emulator } = await startService(t)
  const reply = await sendMultipart(usersUrl, multipartBody([
    ...janeParts, { name: 'user[avatar]', filename: '', type: 'application/octet-stream', data: '' }, { name: 'user[vendor_id]', data: '' },
    { name: 'user[is_active]', data: '' }, { name: 'user[country_code]', data: '' }, { name: 'user[state_code]', data: '' }, { name: 'user[city]', data: '' },
  ]))
  t.equal(reply.status, 201)
  t.strictSame(emulator.apiRequests[0]?.parts?.map(({ name }) => name), ['user[last_name]', 'user[email_address]', 'user[city]'])
})

t.test('faults of a form, all at once and in the order of the schema', async t => {
  const { usersUrl, emulator } = await startService(t)
  const reply = await sendMultipart(`${usersUrl}?foo=1`, multipartBody([
    { name: 'user[zzz]', data: 'x' }, { name: 'user[bid_contact]', data: 'yes' }, avatarPart(Buffer.alloc(0)), { name: 'user[vendor_id]', data: '-5' },
    { name: 'user[email_address]', data: 'no' }, { name: 'user[notes]', data: 'x'.repeat(65_537) }, { name: 'user[city]', data: 'a\0' },
    { name: 'user[city]', data: 'b' }, { name: 'last_name', data: 'Doe' }, { name: 'user[a][b]', data: '' }, { name: 'user[work_classification_id]', data: '9007199254740992' },
    { name: 'user[zip]', filename: 'zip.txt', data: '93013' },
  ]))
  t.equal(reply.status, 422)
  t.strictSame(summarizeErrors(reply), [
    'body /user/last_name required', 'body /user/email_address format', 'body /user/city format', 'body /user/city duplicate', 'body /user/zip type', 'body /user/notes size',
    'body /user/vendor_id type', 'body /user/work_classification_id size', 'body /user/bid_contact type', 'body /user/avatar size',
    'query /foo unknown', 'body /user/zzz unknown', 'body /last_name unknown', 'body /user/a/b unknown',
  ])
  t.equal(emulator.apiRequests.length, 0)
})

t.test('a field that is repeated, two avatars, an avatar without a file name', async t => {
  const { usersUrl, emulator } = await startService(t)
  t.strictSame(summarizeErrors(await sendMultipart(usersUrl, multipartBody([...janeParts, { name: 'user[email_address]', data: 'jane.doe@example.com' }]))), ['body /user/email_address duplicate'])
  t.strictSame(summarizeErrors(await sendMultipart(usersUrl, multipartBody([avatarPart(png()), ...janeParts, avatarPart(png())]))), ['body /user/avatar duplicate'])
  t.strictSame(summarizeErrors(await sendMultipart(usersUrl, multipartBody([...janeParts, { name: 'user[avatar]', data: png() }]))), ['body /user/avatar type'])
  t.strictSame(summarizeErrors(await sendMultipart(usersUrl, multipartBody([...janeParts, { name: 'user[avatar]', filename: '', data: png() }]))), ['body /user/avatar type'])
  t.equal(emulator.apiRequests.length, 0)
})

t.test('a fault that shows only after the avatar began to stream never becomes a complete request', async t => {
  const { usersUrl, emulator } = await startService(t)
  const late: Record<string, MultipartPart[]> = {
    'a bad e-mail': [{ name: 'user[last_name]', data: 'Doe' }, { name: 'user[email_address]', data: 'no' }],
    'an unknown field': [...janeParts, { name: 'user[nickname]', data: 'x' }],
    'a missing field': [{ name: 'user[last_name]', data: 'Doe' }],
    'a second avatar': [...janeParts, avatarPart(png())],
    'a repeated field': [...janeParts, { name: 'user[last_name]', data: 'Doe' }],
    'a dependency': [...janeParts, { name: 'user[bid_contact]', data: '1' }],
  }
  for (const [name, parts] of Object.entries(late)) {
    const reply = await sendMultipart(usersUrl, multipartBody([avatarPart(png(2_000_000)), ...parts]))
    t.match(reply.json, { status: 422, code: 'validation_failed', outcome: 'not_sent' }, name)
    t.equal(reply.json.errors?.length, 1, name)
  }
  t.equal(emulator.apiRequests.length, Object.keys(late).length, 'all had begun to flow')
  t.ok(emulator.apiRequests.every(({ complete }) => !complete))
  t.equal(emulator.api.directory.users.size, 0)
})

t.test('when the fault is known before the avatar, Procore is never called', async t => {
  const { usersUrl, emulator } = await startService(t)
  const image = avatarPart(png(2_000_000))
  const [last = { data: '' }, email = { data: '' }] = janeParts
  for (const parts of [
    [{ ...email, data: 'no' }, image, last],
    [...janeParts, { name: 'user[country_code]', data: 'US' }, { name: 'user[state_code]', data: 'NSW' }, image],
    [...janeParts, { name: 'user[nickname]', data: 'x' }, image],
  ]) {
    const reply = await sendMultipart(usersUrl, multipartBody(parts))
    t.match(reply.json, { status: 422, code: 'validation_failed' })
    t.notOk('outcome' in reply.json)
  }
  const company = await sendMultipart(usersUrl.replace('101', 'x'), multipartBody([...janeParts, image]))
  t.strictSame(summarizeErrors(company), ['path /company_id type'])
  t.equal(emulator.apiRequests.length, 0)
})

t.test('all faults of a large form are told together, those before and those after the avatar', async t => {
  const { usersUrl } = await startService(t)
  const reply = await sendMultipart(usersUrl, multipartBody([{ name: 'user[vendor_id]', data: 'x' }, avatarPart(png(1_000_000)), { name: 'user[is_active]', data: 'x' }]))
  t.strictSame(summarizeErrors(reply), ['body /user/last_name required', 'body /user/email_address required', 'body /user/is_active type', 'body /user/vendor_id type'])
})

t.test('FORM_BUFFER_BYTES above AVATAR_MAX_BYTES holds every form, for a Procore that refuses chunked bodies', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { FORM_BUFFER_BYTES: '20000000' }, emulator: { refuseChunked: true } })
  const image = jpeg(9_000_000)
  const reply = await sendMultipart(usersUrl, multipartBody([avatarPart(image), ...janeParts]))
  t.equal(reply.status, 201)
  t.equal(sha256(emulator.api.directory.users.get(Number(reply.json['id']))?.avatar), sha256(image))
})

t.test('a form may come in single bytes', async t => {
  const { usersUrl, emulator } = await startService(t)
  const image = png()
  const bytes = multipartBody([avatarPart(image), ...janeParts])
  const reply = await sendMultipart(usersUrl, streamChunks(...Array.from(bytes, byte => Buffer.of(byte))))
  t.equal(reply.status, 201)
  t.equal(sha256(emulator.apiRequests[0]?.parts?.find(({ name }) => name === 'user[avatar]')?.data), sha256(image))
})

t.test('a text-only form over the hold is streamed like any other', async t => {
  const { usersUrl, emulator, lines } = await startService(t, { env: { FORM_BUFFER_BYTES: '1000' } })
  const reply = await sendMultipart(usersUrl, Buffer.concat([multipartPart({ name: 'user[notes]', data: 'x'.repeat(5000) }), multipartBody(janeParts)]))
  t.equal(reply.status, 201)
  t.equal(emulator.apiRequests[0]?.parts?.find(({ name }) => name === 'user[notes]')?.data.length, 5000)
  t.match(lines.at(-1), { bodyMode: 'streamed' })
})
