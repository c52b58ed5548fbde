// Bodies that are no JSON at all, or not JSON for us: each has its code, and the service goes on serving.
import t from 'tap'
import { jane, streamChunks, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

t.test('malformed_json', async t => {
  const { usersUrl, emulator } = await startService(t)
  const valid = Buffer.from(JSON.stringify({ user: jane }))
  const bodies = {
    empty: '',
    blank: ' ',
    truncated: '{"user":{"last_name":"Do',
    trailing: '{"user":{}}x',
    single: "{'user':{}}",
    nan: '{"user":NaN}',
    bom: Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), valid]),
    'invalid UTF-8': Buffer.concat([Buffer.from('{"user":{"last_name":"'), Buffer.from([0xff, 0xc0]), Buffer.from('"}}')]),
    'overlong UTF-8': Buffer.concat([Buffer.from('{"user":{"last_name":"'), Buffer.from([0xc0, 0x80]), Buffer.from('"}}')]),
    'UTF-16': Buffer.from(valid.toString(), 'utf16le'),
    form: 'user[last_name]=Doe',
    'control character': '{"user":{"last_name":"a\u0001b"}}',
  }
  for (const [name, body] of Object.entries(bodies)) {
    const reply = await sendJson(usersUrl, body)
    t.equal(reply.status, 400, name)
    t.equal(reply.json['code'], 'malformed_json', name)
    t.notMatch(reply.text, /Doe/, 'the body is not repeated')
  }
  t.equal(emulator.apiRequests.length, 0)
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
})

t.test('deep nesting costs nothing', async t => {
  const { usersUrl } = await startService(t)
  t.equal((await sendJson(usersUrl, '['.repeat(200_000))).json['code'], 'malformed_json')
  t.equal((await sendJson(usersUrl, `${'['.repeat(100_000)}${']'.repeat(100_000)}`)).json['code'], 'validation_failed')
})

t.test('body_too_large, declared or not', async t => {
  const { usersUrl } = await startService(t, { env: { JSON_MAX_BYTES: '1000' } })
  const big = JSON.stringify({ user: { ...jane, notes: 'x'.repeat(1000) } })
  t.match((await sendJson(usersUrl, big)).json, { status: 413, code: 'body_too_large' })
  const streamed = await send(usersUrl, { headers: { 'content-type': 'application/json' }, body: streamChunks(big.slice(0, 600), big.slice(600)) })
  t.match(streamed.json, { status: 413, code: 'body_too_large' })
})

t.test('unsupported_media_type', async t => {
  const { usersUrl } = await startService(t)
  const refused = async (headers: Record<string, string>) => {
    const reply = await send(usersUrl, { body: JSON.stringify({ user: jane }), headers })
    t.match(reply.json, { status: 415, code: 'unsupported_media_type' }, JSON.stringify(headers))
  }
  await refused({})
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'application/vnd.api+json', 'application', 'application/json, text/plain', 'application/json;charset=latin1', 'application/json; charset=utf-16', 'application/json; charset=utf-8; charset=latin1', 'text/json', '\tapplication/json garbage']) await refused({ 'content-type': type })
  for (const encoding of ['gzip', 'br', 'identity, gzip']) await refused({ 'content-type': 'application/json', 'content-encoding': encoding })
  t.equal((await sendJson(usersUrl, { user: jane }, { 'content-encoding': 'identity' })).status, 201)
})
