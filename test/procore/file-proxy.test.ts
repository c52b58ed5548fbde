// Files behind HTTPS_PROXY, which resolves names: only listed hosts are asked.
import { createServer as createHttpServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect } from 'node:net'
import t from 'tap'
import { png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { get } from '../helpers/request-builders.ts'
import { spawnProgram } from '../helpers/spawn-program.ts'
import { createTlsFiles } from '../helpers/tls-files.ts'

const image = png()
const tokenResponse = { access_token: 'test-access-token', token_type: 'bearer', expires_in: 5400 }

t.test('behind a proxy', async t => {
  const { certFile, key, cert } = await createTlsFiles(
    t, 'DNS:api.test', 'DNS:files.test', 'DNS:storage.test', 'IP:127.0.0.1'
  )
  const redirects: Record<string, string> = {
    '/listed': 'https://files.test/image',
    '/unlisted': 'https://storage.test/image',
    '/loopback': 'https://127.0.0.1/image',
  }
  let avatar = ''
  const fileRequests: Array<{ url: string, authorization: string | undefined }> = []
  const tlsPort = await listen(t, createTlsServer({ key, cert }, (request, response) => {
    const { url = '', headers: { host = '', authorization } } = request
    request.resume()
    if (url === '/oauth/token' || url.startsWith('/rest/')) {
      const body = url === '/oauth/token' ? tokenResponse : { id: 7, avatar }
      return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    fileRequests.push({ url: `https://${host}${url}`, authorization })
    const location = redirects[url]
    return location === undefined ? response.end(image) : response.writeHead(302, { location }).end()
  }))
  const tunnels = new Set<string>()
  const proxyPort = await listen(t, createHttpServer().on('connect', ({ url = '' }, socket, head) => {
    tunnels.add(url)
    const upstreamSocket = connect(tlsPort, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      upstreamSocket.write(head)
      socket.pipe(upstreamSocket).pipe(socket)
    })
    for (const either of [socket, upstreamSocket]) either.on('error', () => {})
  }))
  const start = (changed: Record<string, string> = {}) => spawnProgram(t, 'src/main.js', {
    PROCORE_API_URL: 'https://api.test',
    PROCORE_LOGIN_URL: 'https://api.test',
    PROCORE_CLIENT_ID: 'id',
    PROCORE_CLIENT_SECRET: 'secret',
    PROCORE_FILE_HOSTS: 'files.test',
    PROCORE_FILE_ALLOW_LOOPBACK: 'true',
    HTTPS_PROXY: `http://127.0.0.1:${proxyPort}`,
    NODE_EXTRA_CA_CERTS: certFile,
    CALLER_AUTH: 'none',
    PORT: '0',
    ...changed,
  })
  const program = start()
  const getAvatar = async (url: string) => {
    avatar = url
    fileRequests.length = 0
    return get(`${await program.listening}/companies/101/users/7/avatar`)
  }
  const authorization = 'Bearer test-access-token'

  await t.test('a file of the API host is fetched with the access token', async t => {
    t.equal((await getAvatar('https://api.test/image')).status, 200)
    t.strictSame(fileRequests, [{ url: 'https://api.test/image', authorization }])
  })
  await t.test('a listed host is asked with the access token', async t => {
    t.equal((await getAvatar('https://files.test/image')).status, 200)
    t.strictSame(fileRequests, [{ url: 'https://files.test/image', authorization }])
    t.equal((await getAvatar('https://api.test/listed')).status, 200)
    t.strictSame(fileRequests.at(-1), { url: 'https://files.test/image', authorization })
  })
  for (const url of ['https://storage.test/image', 'https://files.test/unlisted', 'https://files.test/loopback']) {
    await t.test(`${url} does not lead to a host that is not listed`, async t => {
      t.match(await getAvatar(url), {
        status: 502, json: { code: 'procore_bad_response', detail: /not in PROCORE_FILE_HOSTS/ },
      })
      t.ok(fileRequests.length <= 1)
    })
  }
  t.strictSame([...tunnels].sort(), ['api.test:443', 'files.test:443'])

  await t.test('a file of an API host in a network of NO_PROXY is fetched without the proxy', async t => {
    tunnels.clear()
    fileRequests.length = 0
    const url = `https://127.0.0.1:${tlsPort}`
    avatar = '/image'
    const direct = start({ PROCORE_API_URL: url, PROCORE_LOGIN_URL: url, NO_PROXY: '127.0.0.0/8' })
    t.equal((await get(`${await direct.listening}/companies/101/users/7/avatar`)).status, 200)
    t.strictSame(fileRequests, [{ url: `${url}/image`, authorization }])
    t.strictSame([...tunnels], [])
  })
})
