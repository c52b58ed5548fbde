// Each malformed or unsupported JSON body gets its code, and the service still accepts a valid one afterwards.
import t from 'tap'
import { jane, streamChunks, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

/** A JSON body whose last name is these bytes. */
function jsonWithLastName (...bytes: number[]): Buffer {
  return Buffer.concat([Buffer.from('{"user":{"last_name":"'), Buffer.from(bytes), Buffer.from('"}}')])
}

t.test('malformed JSON is rejected', async t => {
  const { usersUrl, emulator } = await startService(t)
  const valid = Buffer.from(JSON.stringify({ user: jane }))
  const rows: Array<{ name: string, body: string | Buffer }> = [
    { name: 'an empty body', body: '' },
    { name: 'a blank body', body: ' ' },
    { name: 'truncated JSON', body: '{"user":{"last_name":"Do' },
    { name: 'JSON with trailing text', body: '{"user":{}}x' },
    { name: 'single quotes', body: "{'user':{}}" },
    { name: 'NaN', body: '{"user":NaN}' },
    { name: 'a byte order mark alone', body: Buffer.from([0xef, 0xbb, 0xbf]) },
    { name: 'two byte order marks', body: Buffer.concat([Buffer.from('\ufeff\ufeff'), valid]) },
    { name: 'invalid UTF-8', body: jsonWithLastName(0xff, 0xc0) },
    { name: 'overlong UTF-8', body: jsonWithLastName(0xc0, 0x80) },
    { name: 'UTF-16', body: Buffer.from(valid.toString(), 'utf16le') },
    { name: 'a URL-encoded form', body: 'user[last_name]=Doe' },
    { name: 'a control character in a string', body: '{"user":{"last_name":"a\u0001b"}}' },
  ]
  for (const { name, body } of rows) {
    await t.test(`${name} is malformed, and the response does not repeat the body`, async t => {
      const response = await sendJson(usersUrl, body)
      t.equal(response.status, 400)
      t.equal(response.json['code'], 'malformed_json')
      t.notMatch(response.text, /Doe/)
    })
  }
  t.equal(emulator.apiRequests.length, 0)
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
})

t.test('the integers of a JSON body', async t => {
  const { usersUrl, emulator } = await startService(t)
  const bodyWith = (vendorId: string) => `{"user":{"last_name":"Doe","email_address":"%s","vendor_id":${vendorId}}}`
  const exact = ['161072', '161072.0', '1.61072e5', '16107200e-2', '161072.000000000000000000000e0']
  for (const [index, text] of exact.entries()) {
    await t.test(`${text} is an integer`, async t => {
      const response = await sendJson(usersUrl, bodyWith(text).replace('%s', `e${index}@example.com`))
      t.equal(response.status, 201)
      t.match(emulator.apiRequests.at(-1)?.json, { user: { vendor_id: 161072 } })
    })
  }
  const rounded = ['161071.9999999999999999', '161072.00000000000000001', '1610720000000000000000001e-19']
  for (const text of rounded) {
    await t.test(`${text} is rejected, and not rounded`, async t => {
      const response = await sendJson(usersUrl, bodyWith(text).replace('%s', 'rounded@example.com'))
      t.match(response.json, { status: 422, errors: [{ pointer: '/user/vendor_id', rule: 'type' }] })
    })
  }
})

t.test('deeply nested JSON is rejected without a stack overflow', async t => {
  const { usersUrl } = await startService(t)
  const open = await sendJson(usersUrl, '['.repeat(200_000))
  t.equal(open.json['code'], 'malformed_json')
  const closed = await sendJson(usersUrl, `${'['.repeat(100_000)}${']'.repeat(100_000)}`)
  t.equal(closed.json['code'], 'validation_failed')
})

t.test('a JSON body over its limit is rejected, with or without a Content-Length', async t => {
  const { usersUrl } = await startService(t, { env: { JSON_MAX_BYTES: '1000' } })
  const oversized = JSON.stringify({ user: { ...jane, notes: 'x'.repeat(1000) } })
  t.match((await sendJson(usersUrl, oversized)).json, { status: 413, code: 'body_too_large' })
  const chunked = await send(usersUrl, {
    headers: { 'content-type': 'application/json' },
    body: streamChunks(oversized.slice(0, 600), oversized.slice(600)),
  })
  t.match(chunked.json, { status: 413, code: 'body_too_large' })
})

t.test('an unsupported media type is rejected', async t => {
  const { usersUrl } = await startService(t)
  const unsupportedTypes = [
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonx',
    'application/vnd.api+json',
    'application',
    'application/json, text/plain',
    'application/json;charset=latin1',
    'application/json; charset=utf-16',
    'application/json; charset=utf-8; charset=latin1',
    'text/json',
    '\tapplication/json garbage',
  ]
  const rows: Array<{ name: string, headers: Record<string, string> }> = [
    { name: 'no content type', headers: {} },
    ...unsupportedTypes.map(type => ({ name: `the type ${type.trim()}`, headers: { 'content-type': type } })),
    ...['gzip', 'br', 'identity, gzip'].map(encoding => ({
      name: `the content encoding ${encoding}`,
      headers: { 'content-type': 'application/json', 'content-encoding': encoding },
    })),
  ]
  for (const { name, headers } of rows) {
    await t.test(`${name} is unsupported`, async t => {
      const response = await send(usersUrl, { body: JSON.stringify({ user: jane }), headers })
      t.match(response.json, { status: 415, code: 'unsupported_media_type' })
    })
  }
  const identity = await sendJson(usersUrl, { user: jane }, { 'content-encoding': 'identity' })
  t.equal(identity.status, 201)
})
