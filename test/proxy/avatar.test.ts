// The avatar of a user: the user is read, then the picture is fetched from Procore or its storage and streamed.
import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { request } from 'undici'
import { fileAccessToken, startFileServer } from '../helpers/file-server.ts'
import { bmp, gif, jpeg, png, tiff } from '../helpers/images.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { listen } from '../helpers/listen.ts'
import { avatarPart, get } from '../helpers/request-builders.ts'
import { jane, janeParts, multipartBody, RawConnection, sendJson, sendMultipart } from '../helpers/requests.ts'
import { startService, type ServiceOptions } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'
import type { Config } from '../../src/config/index.ts'

const image = png(100_000)
const signature = 'secret-signature'

async function getBytes (url: string, headers: Record<string, string> = {}) {
  const { statusCode: status, headers: responseHeaders, body } = await request(url, { headers })
  return { status, headers: responseHeaders, bytes: Buffer.from(await body.arrayBuffer()) }
}

for (const avatarAccess of ['open', 'access-token'] as const) {
  t.test(`an avatar that Procore serves by ${avatarAccess} access is shown as it was uploaded`, async t => {
    const { usersUrl, emulator, lines } = await startService(t, {
      env: { PROCORE_FILE_ALLOW_LOOPBACK: 'true' }, emulator: { avatarAccess },
    })
    const created = await sendMultipart(usersUrl, multipartBody([...janeParts, avatarPart(image)]))
    const avatarUrl = `${usersUrl}/${String(created.json['id'])}/avatar`
    const { status, headers, bytes } = await getBytes(avatarUrl)
    t.match({ status, headers }, {
      status: 200,
      headers: {
        'content-type': 'image/png',
        'content-length': String(image.length),
        'cache-control': 'private, max-age=300',
        vary: 'authorization',
        etag: /^W\/"[\w-]{43}"$/,
        'content-disposition': 'inline; filename="avatar.png"',
        'x-content-type-options': 'nosniff',
        'content-security-policy': "default-src 'none'; sandbox",
        'cross-origin-resource-policy': 'same-site',
      },
    })
    t.ok(bytes.equals(image))
    t.equal(emulator.storageRequests.length, avatarAccess === 'open' ? 0 : 1)
    t.notMatch(JSON.stringify(lines), /X-Amz-Signature/)
    const { status: repeated, bytes: noBytes } = await getBytes(avatarUrl, { 'if-none-match': String(headers['etag']) })
    t.equal(repeated, 304)
    t.equal(noBytes.length, 0)
  })
}

t.test('by default an avatar is not fetched from the storage of the emulator, which is on this machine', async t => {
  const { usersUrl, emulator } = await startService(t, { emulator: { avatarAccess: 'access-token' } })
  const created = await sendMultipart(usersUrl, multipartBody([...janeParts, avatarPart(image)]))
  t.match((await get(`${usersUrl}/${String(created.json['id'])}/avatar`)).json, { code: 'procore_bad_response' })
  t.equal(emulator.storageRequests.length, 0)
})

t.test('a user without an avatar is answered with 404 and a detail that says so', async t => {
  const { usersUrl } = await startService(t)
  const created = await sendJson(usersUrl, { user: jane })
  const problem = await get(`${usersUrl}/${String(created.json['id'])}/avatar`)
  t.match({ status: problem.status, json: problem.json }, {
    status: 404, json: { code: 'not_found', detail: 'This record has no avatar.' },
  })
})

for (const [description, avatar] of [['null', null], ['absent', undefined], ['empty', '']] as const) {
  t.test(`an avatar that is ${description} is answered with 404`, async t => {
    const { avatarUrl, fileRequests } = await startFileServer(t, avatar)
    t.match(await get(avatarUrl), { status: 404, json: { code: 'not_found' } })
    t.equal(fileRequests.length, 0)
  })
}

for (const avatar of [7, {}, true]) {
  t.test(`an avatar that is ${JSON.stringify(avatar)} is answered with 502`, async t => {
    t.match(await get((await startFileServer(t, avatar)).avatarUrl), {
      status: 502, json: { code: 'procore_bad_response', detail: 'The avatar in Procore is not a URL.' },
    })
  })
}

t.test('a user that Procore does not show is answered as by `show-company-user`', async t => {
  const { usersUrl, emulator } = await startService(t)
  const shown = await get(`${usersUrl}/999`)
  const problem = await get(`${usersUrl}/999/avatar`)
  t.equal(problem.status, 404)
  t.strictSame({ ...problem.json, request_id: '' }, { ...shown.json, request_id: '' })
  t.match((await get(`${usersUrl}/0/avatar`)).json, { code: 'validation_failed' })
  emulator.api.revokeAccessTokens()
  t.equal((await get(`${usersUrl}/999/avatar`)).status, 404, 'the user is read again with a new access token')
})

const webp = Buffer.concat([Buffer.from('RIFF\x24\0\0\0WEBPVP8 ', 'latin1'), Buffer.alloc(30)])
const avif = Buffer.concat([Buffer.from('\0\0\0\x20ftypavif', 'latin1'), Buffer.alloc(30)])
const types: Array<[string, string, Buffer]> = [
  ['image/png', 'png', image],
  ['image/jpeg', 'jpg', jpeg()],
  ['image/gif', 'gif', gif()],
  ['image/bmp', 'bmp', bmp()],
  ['image/tiff', 'tiff', tiff()],
  ['image/webp', 'webp', webp],
  ['image/avif', 'avif', avif],
]
for (const [mediaType, extension, bytes] of types) {
  t.test(`${mediaType} is detected from the first bytes, in chunks of any size`, async t => {
    const { avatarUrl } = await startFileServer(t, '/avatar', async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html', 'content-disposition': 'attachment; filename="x.html"' })
      for (const byte of bytes.subarray(0, 20)) {
        response.write(Buffer.of(byte))
        await new Promise(setImmediate)
      }
      response.end(bytes.subarray(20))
    })
    const response = await getBytes(avatarUrl)
    t.match(response.headers, {
      'content-type': mediaType, 'content-disposition': `inline; filename="avatar.${extension}"`,
    })
    t.ok(response.bytes.equals(bytes))
  })
}

const notImages: Array<[string, Buffer | string]> = [
  ['HTML', '<!doctype html><script>alert(1)</script>'],
  ['SVG', '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'],
  ['JSON', '{"id":7,"name":"an answer of the API"}'],
  ['a PDF', '%PDF-1.7 and some bytes more'],
  ['HEIC', Buffer.concat([Buffer.from('\0\0\0\x18ftypheic', 'latin1'), Buffer.alloc(30)])],
  ['the first bytes of a PNG', image.subarray(0, 7)],
  ['nothing', ''],
]
for (const [description, body] of notImages) {
  t.test(`a file that is ${description} is refused`, async t => {
    const { avatarUrl } = await startFileServer(t, '/avatar', (_request, response) => {
      response.writeHead(200, { 'content-type': 'image/png' }).end(body)
    })
    t.match(await get(avatarUrl), {
      status: 502,
      json: { code: 'procore_bad_response', detail: 'The file in Procore is not an image of a known type.' },
    })
  })
}

t.test('a file with a content coding is refused', async t => {
  const { avatarUrl, fileRequests } = await startFileServer(t, '/avatar', (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(image))
  })
  t.match(await get(avatarUrl), { status: 502, json: { code: 'procore_bad_response', detail: /content coding/ } })
  t.equal(fileRequests[0]?.headers['accept-encoding'], 'identity')
})

const failures: Array<[number, number, string]> = [
  [204, 502, 'procore_bad_response'],
  [206, 502, 'procore_bad_response'],
  [304, 502, 'procore_bad_response'],
  [400, 502, 'procore_bad_response'],
  [401, 502, 'procore_unauthorized'],
  [403, 502, 'procore_bad_response'],
  [404, 404, 'not_found'],
  [410, 404, 'not_found'],
  [429, 429, 'procore_rate_limited'],
  [500, 502, 'procore_bad_response'],
  [503, 503, 'procore_unavailable'],
  [504, 504, 'procore_timeout'],
]
for (const [fileStatus, status, code] of failures) {
  t.test(`status ${fileStatus} of the host of the file is answered with ${code}`, async t => {
    const url = `/avatar?X-Amz-Signature=${signature}`
    const { avatarUrl, lines } = await startFileServer(t, url, (_request, response) => {
      response.writeHead(fileStatus).end(fileStatus === 204 || fileStatus === 304 ? undefined : signature)
    })
    const problem = await get(avatarUrl)
    t.match(problem, { status, json: { code, outcome: undefined } })
    t.notMatch(JSON.stringify([problem.json, lines]), new RegExp(signature))
  })
}

const exhausted = {
  'x-rate-limit-limit': '1',
  'x-rate-limit-remaining': '0',
  'x-rate-limit-reset': '4000000000',
}

t.test('a storage host decides neither the rate limit nor the circuit breaker of the API', async t => {
  let storageRequests = 0
  const storage = createServer((_request, response) => {
    storageRequests++
    response.writeHead(429, { 'retry-after': '600', ...exhausted }).end()
  })
  const storageUrl = `http://127.0.0.1:${await listen(t, storage)}/`
  const { avatarUrl, usersUrl } = await startFileServer(t, storageUrl, undefined, {
    env: { PROCORE_FILE_ALLOW_LOOPBACK: 'true' },
  })
  for (let index = 0; index < 12; index++) t.match((await get(avatarUrl)).json, { code: 'procore_unavailable' })
  t.equal(storageRequests, 12)
  t.equal((await get(`${usersUrl}/7`)).status, 200)
})

t.test('files that the API host does not serve leave the circuit breaker closed', async t => {
  const { avatarUrl, usersUrl, fileRequests } = await startFileServer(t, '/avatar', (_request, response) => {
    response.writeHead(502).end()
  })
  for (let index = 0; index < 12; index++) t.equal((await get(avatarUrl)).status, 502)
  t.equal(fileRequests.length, 12)
  t.equal((await get(`${usersUrl}/7`)).status, 200)
})

t.test('a file of the API host counts for its rate limit, also before its headers arrive', async t => {
  const responses: ServerResponse[] = []
  const { avatarUrl, usersUrl, app, fileRequests } = await startFileServer(t, '/avatar', (_request, response) => {
    responses.push(response)
  }, { env: { RATE_LIMIT_MAX_WAIT_MS: '100' } })
  const first = get(avatarUrl)
  await waitUntil(() => responses.length === 1)
  t.match(app.procore.rateLimiter.hourUsages(1), [{ used: 2 }])
  responses[0]?.writeHead(200, exhausted).end(image)
  t.equal((await first).status, 200)
  for (const url of [avatarUrl, `${usersUrl}/7`]) {
    t.match(await get(url), { status: 429, json: { code: 'procore_rate_limited' } })
  }
  t.equal(fileRequests.length, 1)
})

t.test('a 429 of the API host is answered with `procore_rate_limited` and its Retry-After', async t => {
  const { avatarUrl } = await startFileServer(t, '/avatar', (_request, response) => {
    response.writeHead(429, { 'retry-after': '30' }).end()
  })
  t.match(await get(avatarUrl), {
    status: 429, headers: { 'retry-after': '30' }, json: { code: 'procore_rate_limited' },
  })
})

t.test('a file that the API host answers with 401 is requested once more with a new access token', async t => {
  const { avatarUrl, fileRequests } = await startFileServer(t, '/avatar', ({ headers }, response) => {
    const isFirst = headers.authorization === `Bearer ${fileAccessToken}`
    response.writeHead(isFirst ? 401 : 200).end(isFirst ? '' : image)
  })
  t.equal((await get(avatarUrl)).status, 200)
  t.strictSame(fileRequests.map(({ headers }) => headers.authorization), [
    `Bearer ${fileAccessToken}`, `Bearer ${fileAccessToken}-1`,
  ])
})

t.test('a file that the API host answers with 401 twice is not requested again', async t => {
  const { avatarUrl, fileRequests } = await startFileServer(t, '/avatar', (_request, response) => {
    response.writeHead(401).end()
  })
  t.match((await get(avatarUrl)).json, { code: 'procore_unauthorized' })
  t.equal(fileRequests.length, 2)
})

for (const end of ['end', 'resetAndDestroy'] as const) {
  t.test(`a file without a length is refused, because it looks complete after ${end}`, async t => {
    const { avatarUrl } = await startFileServer(t, '/avatar', ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n')
      socket.write(image.subarray(0, 50_000), () => setImmediate(() => socket[end]()))
    })
    t.match(await get(avatarUrl), {
      status: 502,
      json: { code: 'procore_bad_response', detail: 'The host of the file does not say where the file ends.' },
    })
  })
}

t.test('the log has the kind of the last host of a file, its status and the wait, but no URL', async t => {
  const storage = createServer((_request, response) => { response.end(image) })
  const storageUrl = `http://127.0.0.1:${await listen(t, storage)}/stored?X-Amz-Signature=${signature}`
  const { avatarUrl, lines } = await startFileServer(t, '/avatar', (_request, response) => {
    response.writeHead(302, { location: storageUrl }).end()
  }, { env: { PROCORE_FILE_ALLOW_LOOPBACK: 'true', LOG_LEVEL: 'debug' } })
  t.equal((await get(avatarUrl)).status, 200)
  t.match(await getRequestLine(lines), { status: 200, fileHost: 'other', fileStatus: 200, fileMs: Number })
  t.notMatch(JSON.stringify(lines), /stored|secret-signature/)
})

function withFileLimits (changed: Partial<Config['procore']['files']>): Pick<ServiceOptions, 'adjustConfig'> {
  return {
    adjustConfig: config => ({
      ...config, procore: { ...config.procore, files: { ...config.procore.files, ...changed } },
    }),
  }
}

/** Sends the head and the start of the image, and then nothing. */
const stall: RequestListener = (_request, response) => { response.writeHead(200).write(image.subarray(0, 50_000)) }

t.test('a file that declares too many bytes is refused', async t => {
  const { avatarUrl } = await startFileServer(t, '/avatar', (_request, response) => {
    response.writeHead(200, { 'content-length': String(image.length) }).end(image)
  }, withFileLimits({ maxBytes: image.length - 1 }))
  t.match(await get(avatarUrl), {
    status: 502,
    json: { code: 'procore_bad_response', detail: `The file in Procore has more than ${image.length - 1} bytes.` },
  })
})

/** Returns the log line of the request for the avatar. */
async function getRequestLine (lines: ReadonlyArray<Record<string, unknown>>) {
  await waitUntil(() => lines.some(({ msg }) => msg === 'request'))
  return lines.find(({ msg }) => msg === 'request')
}

const broken: Array<[string, RequestListener, Partial<Config['procore']['files']>, string]> = [
  [
    'has too many bytes without declaring them',
    (_request, response) => { response.writeHead(200).write(image, () => response.end(image)) },
    { maxBytes: image.length + 1 },
    'procore_bad_response',
  ],
  [
    'ends too early',
    (_request, response) => {
      response.writeHead(200, { 'content-length': String(image.length) })
      response.write(image.subarray(0, 50_000), () => { response.destroy() })
    },
    {},
    'procore_unreachable',
  ],
  ['stops to arrive', stall, { idleTimeoutMs: 100 }, 'procore_timeout'],
  [
    'arrives too slowly',
    (_request, response) => {
      response.writeHead(200).write(image)
      const timer = setInterval(() => response.write('more'), 20)
      response.on('close', () => clearInterval(timer))
    },
    { timeoutMs: 500 },
    'procore_timeout',
  ],
]
for (const [description, serveFile, changed, code] of broken) {
  t.test(`the connection is closed if a file ${description}`, async t => {
    const { avatarUrl, lines } = await startFileServer(t, '/avatar', serveFile, withFileLimits(changed))
    await t.rejects(getBytes(avatarUrl))
    t.match(await getRequestLine(lines), { code })
  })
}

t.test('a host that does not respond is answered with `procore_timeout`', async t => {
  for (const changed of [{ idleTimeoutMs: 100 }, { timeoutMs: 100 }]) {
    const { avatarUrl } = await startFileServer(t, '/avatar', () => {}, withFileLimits(changed))
    t.match(await get(avatarUrl), { status: 504, json: { code: 'procore_timeout' } })
  }
})

t.test('a host that closes the connection is answered with `procore_unreachable`', async t => {
  const { avatarUrl, lines } = await startFileServer(t, `/avatar?signature=${signature}`, ({ socket }) => {
    socket.resetAndDestroy()
  })
  t.match(await get(avatarUrl), { status: 502, json: { code: 'procore_unreachable' } })
  t.notMatch(JSON.stringify(lines), new RegExp(signature))
})

t.test('a host that does not speak HTTP is answered with `procore_bad_response`', async t => {
  const { avatarUrl, lines } = await startFileServer(t, '/avatar', ({ socket }) => {
    socket.end(`${signature}\r\n\r\n`)
  })
  t.match(await get(avatarUrl), { status: 502, json: { code: 'procore_bad_response' } })
  t.notMatch(JSON.stringify(lines), new RegExp(signature))
})

t.test('the pace is that of the caller, and its leaving ends the request for the file', async t => {
  const responses: ServerResponse[] = []
  let writtenBytes = 0
  const { port, fileRequests } = await startFileServer(t, '/avatar', (_request, response) => {
    responses.push(response)
    const write = () => {
      do writtenBytes += image.length
      while (response.write(image))
    }
    response.writeHead(200).on('drain', write)
    write()
  }, withFileLimits({ maxBytes: 1_000_000_000 }))
  const connection = new RawConnection(port)
  connection.write('GET /companies/101/users/7/avatar HTTP/1.1\r\nhost: x\r\n\r\n')
  await connection.readUntil('\r\n\r\n')
  connection.socket.pause()
  let seenBytes = -1
  await waitUntil(async () => {
    const isStalled = seenBytes === writtenBytes
    seenBytes = writtenBytes
    await new Promise(resolve => setTimeout(resolve, 200))
    return isStalled
  })
  t.ok(writtenBytes < 40_000_000, `${writtenBytes} bytes`)
  const [response] = responses
  const closed = response === undefined ? undefined : once(response, 'close')
  connection.socket.destroy()
  await closed
  t.equal(fileRequests.length, 1)
})

t.test('a caller that leaves before the first byte ends the request for the file', async t => {
  const { port, fileRequests, lines } = await startFileServer(t, '/avatar', () => {})
  const connection = new RawConnection(port)
  connection.write('GET /companies/101/users/7/avatar HTTP/1.1\r\nhost: x\r\n\r\n')
  await waitUntil(() => fileRequests.length === 1)
  const closed = fileRequests[0] === undefined ? undefined : once(fileRequests[0].socket, 'close')
  // A caller that only closes its side of the connection may still read the response.
  connection.socket.resetAndDestroy()
  await closed
  t.match(await getRequestLine(lines), { status: 499 })
})

t.test('the ETag follows that of the host of the file', async t => {
  let headers: Record<string, string> = { etag: '"a"' }
  const { avatarUrl, user } = await startFileServer(t, '/avatar', (_request, response) => {
    response.writeHead(200, headers).end(image)
  })
  const etag = String((await get(avatarUrl)).headers['etag'])
  const getStatus = async (ifNoneMatch: string) => (await get(avatarUrl, { 'if-none-match': ifNoneMatch })).status
  t.equal(await getStatus(etag), 304)
  t.equal(await getStatus(etag.replace('W/', '')), 304, 'the comparison is weak')
  t.equal(await getStatus(`"x", ${etag}`), 304)
  t.equal(await getStatus('*'), 304)
  t.equal(await getStatus('"a"'), 200, 'the tag of the host itself is not used')
  user['updated_at'] = '2026-02-01T00:00:00Z'
  t.equal(await getStatus(etag), 304, 'another change of the user leaves the picture as it is')
  headers = { etag: '"b"' }
  t.equal(await getStatus(etag), 200)
  headers = { 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' }
  t.equal(await getStatus(String((await get(avatarUrl)).headers['etag'])), 304)
  const etagOfUrl = String((await get(avatarUrl)).headers['etag'])
  user['avatar'] = '/avatar?signature=new'
  t.equal(await getStatus(etagOfUrl), 304, 'a new signature leaves the picture as it is')
  user['avatar'] = '/other-avatar'
  t.equal(await getStatus(etagOfUrl), 200, 'a validator is valid for one URL')
  headers = {}
  const etagOfRecord = String((await get(avatarUrl)).headers['etag'])
  t.equal(await getStatus(etagOfRecord), 304)
  user['updated_at'] = '2026-03-01T00:00:00Z'
  t.equal(await getStatus(etagOfRecord), 200)
})

t.test('the scope is that of `show-company-user`, and each read is audited', async t => {
  const issuer = await startIssuer(t)
  const { avatarUrl, lines } = await startFileServer(t, '/avatar', (_request, response) => { response.end(image) }, {
    env: { ...issuer.env, JWT_SCOPE_PREFIX: 'p:' },
  })
  const getWithScope = async (scope: string) => get(avatarUrl, bearerHeader(await issuer.sign({ scope })))
  t.equal((await getWithScope('p:show-company-user')).status, 200)
  const refused = await getWithScope('p:list-company-users p:show-company-user-avatar')
  t.match(refused, { status: 403, json: { code: 'operation_not_allowed' } })
  t.equal((await get(avatarUrl)).status, 401)
  const audited = lines.filter(({ name, msg }) => name === 'audit' && msg === 'read')
  t.match(audited, [
    { operation: 'show-company-user-avatar', status: 200, recordId: 7, companyId: 101, subject: 'caller' },
  ])
  t.equal(audited.length, 1)
})

t.test('the files in progress of one caller are limited', async t => {
  const issuer = await startIssuer(t)
  const { avatarUrl, fileRequests, lines, port } = await startFileServer(t, '/avatar', stall, {
    env: issuer.env,
    adjustConfig: config => ({
      ...config, usage: { ...config.usage, perCaller: { ...config.usage.perCaller, files: 1 } },
    }),
  })
  const anna = bearerHeader(await issuer.sign({ sub: 'anna' }))
  const ben = bearerHeader(await issuer.sign({ sub: 'ben' }))
  const first = new RawConnection(port)
  first.write(`GET /companies/101/users/7/avatar HTTP/1.1\r\nhost: x\r\nauthorization: ${anna.authorization}\r\n\r\n`)
  await first.readUntil('\r\n\r\n')
  t.match(await get(avatarUrl, anna), { status: 429, json: { code: 'too_many_requests' } })
  const other = await request(avatarUrl, { headers: ben })
  t.equal(other.statusCode, 200)
  t.equal(fileRequests.length, 2)
  // A caller that only closes its side of the connection may still read the response.
  first.socket.resetAndDestroy()
  await waitUntil(() => lines.some(({ msg, status }) => msg === 'request' && status === 499))
  const second = await request(avatarUrl, { headers: anna })
  t.equal(second.statusCode, 200)
  for (const { body } of [other, second]) body.on('error', () => {}).destroy()
})

t.test('a page of a listed origin may read the picture and its ETag', async t => {
  const { avatarUrl } = await startFileServer(t, '/avatar', (_request, response) => { response.end(image) }, {
    env: { CORS_ORIGINS: 'https://app.example.com' },
  })
  t.match((await get(avatarUrl, { origin: 'https://app.example.com' })).headers, {
    'access-control-allow-origin': 'https://app.example.com',
    'access-control-expose-headers': /etag/,
    vary: 'Origin, authorization',
  })
})
