// Three replicas behind the gateway, restarted one after the other under load: no create fails and none is made twice.
import t from 'tap'
import { png } from '../helpers/images.ts'
import { hasNginx, startGateway } from '../helpers/nginx-gateway.ts'
import { spawnProgram, serviceEnvironment, type Program } from '../helpers/spawn-program.ts'
import { hasRedis, startRedis } from '../helpers/redis.ts'
import { multipartBody, multipartPart, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startTestEmulator } from '../helpers/service.ts'

const skip = (!hasNginx || !hasRedis) && process.env['CI'] !== 'true' && 'nginx or redis-server is not installed'

t.test('zero failed, zero doubled', { skip, timeout: 110_000 }, async t => {
  const emulator = await startTestEmulator(t, { rateLimit: 1_000_000 })
  const redis = await startRedis(t)
  const start = async (port = '0') => {
    const program = spawnProgram(t, 'src/main.ts', { ...serviceEnvironment(emulator), PORT: port, REDIS_URL: redis.url, DRAIN_DELAY_MS: '300' })
    const url = await program.listening
    while ((await send(`${url}/readyz`, { method: 'GET' })).status !== 200) await new Promise(resolve => setTimeout(resolve, 20))
    return { program, host: new URL(url).host }
  }
  const replicas: Array<{ program: Program, host: string }> = [await start(), await start(), await start()]
  const gateway = await startGateway(t, replicas.map(({ host }) => host))
  const users = `${gateway.url}/companies/101/users`

  let created = 0
  let uploads = 0
  const load = new AbortController()
  const failures: string[] = []
  const person = (index: number) => ({ last_name: 'Doe', email_address: `jane${index}@example.com` })
  const note = (reply: { status: number, text: string }) => { if (reply.status !== 201) failures.push(`${reply.status} ${reply.text}`) }
  // A gateway that is reloaded closes idle connections of its callers, which is theirs to cope with: here each request has its own.
  const create = async () => {
    while (!load.signal.aborted) {
      const index = created++
      const send = () => sendJson(users, { user: person(index) }, { connection: 'close', ...(index % 2 === 0 && { 'idempotency-key': `key-${index}` }) })
      let reply = await send()
      // On a machine that is busy with other tests Redis may be silent for longer than a call waits, which says nothing of the restart. A key that
      // was taken by such a call is given back when Redis answers, and until then the next one under it is told that it is running.
      for (let tries = 0; tries < 20 && isOfTheMoment(reply.json); tries++) {
        await new Promise(resolve => setTimeout(resolve, 50))
        reply = await send()
      }
      note(reply)
    }
  }
  /** An upload of about a second, so that some are under way whenever a replica stops. */
  const upload = async () => {
    while (!load.signal.aborted) {
      uploads++
      const { last_name: lastName, email_address: email } = person(created++)
      const body = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(1_000_000) }])
      const fields = [multipartPart({ name: 'user[last_name]', data: lastName }), multipartPart({ name: 'user[email_address]', data: email })]
      note(await sendMultipart(users, slowly(Buffer.concat([...fields, body])), { connection: 'close' }))
    }
  }
  const loops = [...Array.from({ length: 8 }, create), ...Array.from({ length: 4 }, upload)]
  for (const [index, replica] of replicas.entries()) {
    await gateway.markDown(replica.host)
    replica.program.child.kill('SIGTERM')
    t.strictSame(await replica.program.exit, { code: 0, signal: null })
    replicas[index] = await start(new URL(`http://${replica.host}`).port)
    await gateway.markDown()
  }
  load.abort()
  await Promise.all(loops)
  t.strictSame(failures, [])
  t.ok(uploads > 8, `${uploads} uploads`)
  t.equal(emulator.api.directory.users.size, created)
  t.equal(emulator.apiRequests.filter(({ status }) => status === 422).length, 0, 'none was sent twice')
  t.equal(emulator.tokenRequests.length, 1, 'one token for all of them')
})

function isOfTheMoment ({ code, outcome }: Record<string, unknown>): boolean {
  return (code === 'overloaded' && outcome === 'not_sent') || code === 'idempotency_in_progress'
}

async function * slowly (body: Buffer): AsyncGenerator<Buffer> {
  const size = Math.ceil(body.length / 20)
  for (let at = 0; at < body.length; at += size) {
    yield body.subarray(at, at + size)
    await new Promise(resolve => setTimeout(resolve, 40))
  }
}
