// One caller on many connections cannot take the memory of the service, and another caller is served meanwhile.
import { once } from 'node:events'
import t from 'tap'
import { memoryAttacks, createLargeProcore, peakMemoryBytes, runAttack } from '../helpers/noisy-callers.ts'
import { listen } from '../helpers/listen.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { serviceEnvironment, spawnProgram } from '../helpers/spawn-program.ts'

/** `npm run soak` does the same with 4,000 connections. */
const connectionsCount = 400
const memoryMaxBytes = 400_000_000

for (const [name, attack] of Object.entries(memoryAttacks)) {
  t.test(`${name}, on ${connectionsCount} connections of one caller, leave memory for another caller`, async t => {
    const procoreUrl = `http://127.0.0.1:${await listen(t, createLargeProcore())}`
    const service = spawnProgram(t, 'src/main.js', {
      ...serviceEnvironment({ url: procoreUrl, settings: { clientId: 'a', clientSecret: 'b' } }),
      CALLER_RATE_PER_MINUTE: '0',
      TRUSTED_PROXIES: '127.0.0.1',
    })
    const url = await service.listening
    const noisyCaller = ['x-forwarded-for: 192.0.2.1']
    const connections = await runAttack(attack, Number(new URL(url).port), noisyCaller, connectionsCount)
    const served = await sendJson(`${url}/companies/101/users`, { user: jane }, { 'x-forwarded-for': '192.0.2.2' })
    t.equal(served.status, 201)
    const memoryBytes = peakMemoryBytes(service.child.pid)
    t.ok(memoryBytes < memoryMaxBytes, `${memoryBytes} bytes are resident at the peak`)
    service.child.kill('SIGKILL')
    await Promise.all(connections.map(async ({ socket }) => {
      socket.resume()
      if (!socket.closed) await once(socket, 'close')
    }))
  })
}
