// Which URLs the service follows to a file, and which of their hosts receive the access token.
import dns from 'node:dns'
import { createServer, type OutgoingHttpHeaders } from 'node:http'
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { parseFileUrl, type FileHosts, type FileUrl } from '../../src/procore/file-url.ts'
import { Problem } from '../../src/server/problem.ts'
import { fileAccessToken, startFileServer } from '../helpers/file-server.ts'
import { png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { get } from '../helpers/request-builders.ts'

const image = png()

type LookupCallback = (error: Error | null, addresses: dns.LookupAddress[]) => void

const addressesByName: Readonly<Record<string, string[]>> = {
  'localhost.': ['127.0.0.1'],
  'private.test': ['10.1.2.3'],
  'rebound.test': ['127.0.0.1'],
  'mixed.test': ['8.8.8.8', '192.168.0.1'],
  'mapped.test': ['::ffff:127.0.0.1'],
  'nat64.test': ['64:ff9b::7f00:1'],
}

function interceptLookup (t: Test): void {
  const lookup = dns.lookup.bind(dns)
  t.intercept(dns, 'lookup', {
    value: (hostname: string, options: dns.LookupAllOptions, callback: LookupCallback) => {
      const addresses = addressesByName[hostname]?.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
      if (addresses === undefined) lookup(hostname, options, callback)
      else process.nextTick(callback, null, addresses)
    },
  })
}

const forbiddenUrls: Array<[string, string, RegExp]> = [
  ['the metadata service of a cloud', 'https://169.254.169.254/latest/meta-data/', /is not public/],
  ['the metadata service without TLS', 'http://169.254.169.254/latest/meta-data/', /does not use https:/],
  ['localhost', 'https://localhost/', /is not public/],
  ['localhost as an absolute name', 'https://localhost./', /is not public/],
  ['a loopback address', 'https://127.0.0.1/', /is not public/],
  ['an IPv6 loopback address', 'https://[::1]/', /is not public/],
  ['a mapped loopback address', 'https://[::ffff:127.0.0.1]/', /is not public/],
  ['a loopback address as one decimal number', 'https://2130706433/', /is not public/],
  ['a loopback address in octal digits', 'https://0177.0.0.1/', /is not public/],
  ['a loopback address in hexadecimal digits', 'https://0x7f.1/', /is not public/],
  ['a loopback address in full-width digits', 'https://１２７.0.0.1/', /is not public/],
  ['address 0', 'https://0/', /is not public/],
  ['a private address', 'https://10.0.0.1/', /is not public/],
  ['a shared address', 'https://100.64.0.1/', /is not public/],
  ['a unique local address', 'https://[fd00::1]/', /is not public/],
  ['a NAT64 address', 'https://[64:ff9b::a00:1]/', /is not public/],
  ['a name of a private address', 'https://private.test/', /is not public/],
  ['a name of a loopback address', 'https://rebound.test/', /is not public/],
  ['a name of a public and a private address', 'https://mixed.test/', /is not public/],
  ['a name of a mapped loopback address', 'https://mapped.test/', /is not public/],
  ['a name of a NAT64 address', 'https://nat64.test/', /is not public/],
  ['a user name', 'https://user@files.example.com/', /contains credentials/],
  ['a host name in front of the host', 'https://api.procore.com:443@private.test/', /contains credentials/],
  ['a port', 'https://files.example.com:8443/', /names a port/],
  ['http:', 'http://files.example.com/', /does not use https:/],
  ['ftp:', 'ftp://files.example.com/', /does not use https:/],
  ['file:', 'file:///etc/passwd', /does not use https:/],
  ['data:', `data:image/png;base64,${image.toString('base64')}`, /does not use https:/],
  ['no host', 'https://', /is not valid/],
  ['too many characters', `https://files.example.com/${'a'.repeat(limits.file.urlMaxLength)}`, /is not valid/],
]

for (const [description, url, fault] of forbiddenUrls) {
  t.test(`an avatar whose URL has ${description} is refused`, async t => {
    interceptLookup(t)
    const { avatarUrl, fileRequests } = await startFileServer(t, url)
    const { status, json } = await get(avatarUrl)
    t.match({ status, json }, { status: 502, json: { code: 'procore_bad_response', detail: fault } })
    t.equal(fileRequests.length, 0)
  })
  // A header has room for Latin-1 only, and for less than the longest URL.
  if (/[^\x20-\x7e]/.test(url) || url.length > 8_000) continue
  t.test(`a redirect to ${description} is refused`, async t => {
    interceptLookup(t)
    const { avatarUrl, fileRequests } = await startFileServer(t, '/avatar', (_request, response) => {
      response.writeHead(302, { location: url }).end()
    })
    const { status, json } = await get(avatarUrl)
    t.match({ status, json }, { status: 502, json: { code: 'procore_bad_response', detail: fault } })
    t.equal(fileRequests.length, 1)
  })
}

t.test('a redirect to another port of this machine is refused without a connection', async t => {
  let connections = 0
  const trap = createServer((_request, response) => { response.end(image) }).on('connection', () => { connections++ })
  const port = await listen(t, trap)
  for (const host of ['127.0.0.1', 'localhost']) {
    const { avatarUrl } = await startFileServer(t, `http://${host}:${port}/`)
    t.match((await get(avatarUrl)).json, { code: 'procore_bad_response' })
  }
  t.equal(connections, 0)
})

/** Redirects `/0` to `/1` and so on, and serves the image at the last one. */
async function startChain (t: Test, redirects: number) {
  return startFileServer(t, '/0', ({ url = '' }, response) => {
    const index = Number(url.slice(1))
    if (index === redirects) response.end(image)
    else response.writeHead(307, { location: `/${index + 1}` }).end()
  })
}

t.test('a file after four redirects is served', async t => {
  const { avatarUrl, fileRequests } = await startChain(t, 4)
  t.equal((await get(avatarUrl)).status, 200)
  t.equal(fileRequests.length, 5)
})

t.test('a file after five redirects is refused', async t => {
  const { avatarUrl, fileRequests } = await startChain(t, 5)
  t.match((await get(avatarUrl)).json, { code: 'procore_bad_response', detail: /more than 5 requests/ })
  t.equal(fileRequests.length, 5)
})

t.test('a URL that redirects to itself is refused', async t => {
  const { avatarUrl, fileRequests } = await startFileServer(t, '/0', (_request, response) => {
    response.writeHead(301, { location: '/0' }).end()
  })
  t.match((await get(avatarUrl)).json, { code: 'procore_bad_response', detail: /more than 5 requests/ })
  t.equal(fileRequests.length, 5)
})

const unusableLocations: Array<[string, OutgoingHttpHeaders]> = [
  ['without a Location', {}],
  ['with the access token in it', { location: `https://files.example.com/?t=${fileAccessToken}` }],
]
for (const [description, headers] of unusableLocations) {
  t.test(`a redirect ${description} is refused`, async t => {
    const { avatarUrl, fileRequests } = await startFileServer(t, '/0', (_request, response) => {
      response.writeHead(302, headers).end()
    })
    t.match((await get(avatarUrl)).json, { code: 'procore_bad_response', detail: /redirects without a Location/ })
    t.equal(fileRequests.length, 1)
  })
}

t.test('the access token and the company go to the API host, and not to the host that it redirects to', async t => {
  const storageRequests: Array<Record<string, unknown>> = []
  const storage = createServer(({ headers }, response) => {
    storageRequests.push({ ...headers })
    response.end(image)
  })
  const storageUrl = `http://127.0.0.1:${await listen(t, storage)}/signed?signature=secret-signature`
  const { avatarUrl, fileRequests, lines } = await startFileServer(t, '/avatar', (_request, response) => {
    response.writeHead(302, { location: storageUrl }).end()
  }, { env: { PROCORE_FILE_ALLOW_LOOPBACK: 'true' } })
  t.equal((await get(avatarUrl, { cookie: 'a=b', 'x-custom': '1' })).status, 200)
  t.match(fileRequests[0]?.headers, { authorization: `Bearer ${fileAccessToken}`, 'procore-company-id': '101' })
  t.strictSame(storageRequests.map(headers => Object.keys(headers).sort()), [
    ['accept', 'accept-encoding', 'connection', 'host', 'user-agent'],
  ])
  t.notMatch(JSON.stringify(lines), /secret-signature/)
})

t.test('a redirect from another host to the API host gets no access token and no company', async t => {
  const storage = createServer(({ url }, response) => {
    response.writeHead(302, { location: String(url).slice(1) }).end()
  })
  const storageUrl = `http://127.0.0.1:${await listen(t, storage)}`
  let firstLocation = ''
  const { avatarUrl, fileRequests, user, origin } = await startFileServer(t, undefined, ({ url }, response) => {
    if (url === '/first') response.writeHead(302, { location: firstLocation }).end()
    else response.end(image)
  }, { env: { PROCORE_FILE_ALLOW_LOOPBACK: 'true' } })
  user['avatar'] = `${storageUrl}/${origin}/final`
  t.equal((await get(avatarUrl)).status, 200)
  t.strictSame(fileRequests.map(({ url }) => url), ['/final'])
  t.notOk(fileRequests.some(({ headers }) => 'authorization' in headers || 'procore-company-id' in headers))
  // The API host redirects to the other host, and that one back.
  user['avatar'] = '/first'
  firstLocation = `${storageUrl}/${origin}/last`
  t.equal((await get(avatarUrl)).status, 200)
  t.match(fileRequests.slice(1).map(({ url, headers: { authorization } }) => [url, authorization]), [
    ['/first', `Bearer ${fileAccessToken}`], ['/last', undefined],
  ])
})

const hosts: FileHosts = {
  apiOrigin: 'https://api.procore.com',
  tokenHosts: new Set(['files.procore.com']),
  allowLoopback: false,
  usesProxy: false,
}

const tokenRows: Array<[string, FileUrl['host']]> = [
  ['https://api.procore.com/a', 'api'],
  ['https://API.Procore.com:443/a', 'api'],
  ['//files.procore.com/a', 'listed'],
  ['/a', 'api'],
  ['https://files.procore.com/a', 'listed'],
  ['https://files.procore.com./a', 'other'],
  ['https://evil.files.procore.com/a', 'other'],
  ['https://files.procore.com.evil.example/a', 'other'],
  ['https://evilfiles.procore.com/a', 'other'],
  ['https://procore.com/a', 'other'],
  ['https://storage.example.com/https://files.procore.com/', 'other'],
]
for (const [url, host] of tokenRows) {
  t.test(`${url} gets ${host === 'other' ? 'no' : 'the'} access token`, async t => {
    t.equal(parseFileUrl(url, hosts.apiOrigin, hosts).host, host)
  })
}

for (const url of ['http://api.procore.com/a', 'https://api.procore.com:444/a', 'http://files.procore.com/a']) {
  t.test(`${url} is refused, although its host is listed`, async t => {
    t.throws(() => parseFileUrl(url, hosts.apiOrigin, hosts), Problem)
  })
}

t.test('behind a proxy, hosts that are not listed are refused, and so is this machine', async t => {
  const behindProxy = { ...hosts, usesProxy: true, allowLoopback: true }
  t.equal(parseFileUrl('https://files.procore.com/a', hosts.apiOrigin, behindProxy).host, 'listed')
  for (const url of ['https://storage.example.com/a', 'http://127.0.0.1:1/']) {
    t.throws(() => parseFileUrl(url, hosts.apiOrigin, behindProxy), { message: /not in PROCORE_FILE_HOSTS/ })
  }
})
