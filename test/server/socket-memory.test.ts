// Callers may hold thousands of idle connections. V8 stores the properties of an object from which one was deleted in a
// hash table, which takes 3 KB for a socket.
import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { startTestEmulator } from '../helpers/service.ts'
import { root, serviceEnvironment, spawnProgram } from '../helpers/spawn-program.ts'
import { waitUntil } from '../helpers/wait-until.ts'

/** A module that reports on stderr, at each request but the first of a connection, how V8 stores its socket. */
const reportSockets = `data:text/javascript,${encodeURIComponent(`
  import { subscribe } from 'node:diagnostics_channel'
  const hasFastProperties = new Function('value', 'return %HasFastProperties(value)')
  const seen = new WeakSet()
  subscribe('http.server.request.start', ({ socket }) => {
    if (seen.has(socket)) process.stderr.write(hasFastProperties(socket) ? 'compact ' : 'hash table ')
    seen.add(socket)
  })
`)}`

t.test('a socket stays compact after a request without a body or one refused before its body', async t => {
  const emulator = await startTestEmulator(t)
  const commandLine = [process.execPath, '--allow-natives-syntax', '--import', reportSockets]
  const service = spawnProgram(t, 'src/main.js', serviceEnvironment(emulator), root, commandLine)
  const { hostname, port } = new URL(await service.listening)
  const socket = connect(Number(port), hostname)
  const get = 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n'
  for (const request of [get, 'PUT /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n', `{}${get}`]) {
    socket.write(request)
    await once(socket, 'data')
  }
  await waitUntil(() => service.stderr().split(' ').length > 2)
  t.equal(service.stderr(), 'compact compact ')
  socket.destroy()
})
