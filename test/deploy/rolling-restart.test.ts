// Restarts three replicas behind the gateway, one after the other, under load.
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { png } from '../helpers/images.ts'
import { hasNginx, startGateway } from '../helpers/nginx-gateway.ts'
import { spawnProgram, serviceEnvironment, type Program } from '../helpers/spawn-program.ts'
import { hasRedis, startRedis } from '../helpers/redis.ts'
import {
  multipartBody, multipartPart, send, sendJson, sendMultipart, type TestResponse,
} from '../helpers/requests.ts'
import { startTestEmulator } from '../helpers/service.ts'

const skip = (!hasNginx || !hasRedis) && process.env['CI'] !== 'true' && 'nginx or redis-server is not installed'

interface Replica { program: Program, host: string }

t.test('a rolling restart fails no create and sends none twice', { skip }, async t => {
  const emulator = await startTestEmulator(t, { rateLimit: 1_000_000 })
  const redis = await startRedis(t)
  const startReplica = async (port = '0'): Promise<Replica> => {
    const environment = { PORT: port, REDIS_URL: redis.url, DRAIN_DELAY_MS: '300' }
    const program = spawnProgram(t, 'src/main.js', { ...serviceEnvironment(emulator), ...environment })
    const url = await program.listening
    while ((await send(`${url}/readyz`, { method: 'GET' })).status !== 200) await sleep(20)
    return { program, host: new URL(url).host }
  }
  const replicas = [await startReplica(), await startReplica(), await startReplica()]
  const gateway = await startGateway(t, replicas.map(({ host }) => host))
  const usersUrl = `${gateway.url}/companies/101/users`

  let userCount = 0
  let uploadCount = 0
  const load = new AbortController()
  const failures: string[] = []
  const checkCreated = ({ status, text }: TestResponse) => { if (status !== 201) failures.push(`${status} ${text}`) }
  // When nginx is reloaded it closes idle connections, which a caller has to handle: each request here has its own.
  const connection = 'close'

  const createUsers = async () => {
    while (!load.signal.aborted) {
      const index = userCount++
      const headers = { connection, ...(index % 2 === 0 && { 'idempotency-key': `key-${index}` }) }
      const create = () => sendJson(usersUrl, { user: buildUser(index) }, headers)
      let response = await create()
      // On a busy machine Redis may respond later than the service waits, which has nothing to do with the restart.
      // An idempotency key that such a request claimed is released when Redis responds; until then the next request
      // with it gets `idempotency_in_progress`.
      for (let retries = 0; retries < 20 && isTemporary(response); retries++) {
        await sleep(50)
        response = await create()
      }
      checkCreated(response)
    }
  }
  /** Sends uploads of about a second, so that some are in flight whenever a replica stops. */
  const uploadAvatars = async () => {
    while (!load.signal.aborted) {
      uploadCount++
      const { last_name: lastName, email_address: email } = buildUser(userCount++)
      const body = Buffer.concat([
        multipartPart({ name: 'user[last_name]', data: lastName }),
        multipartPart({ name: 'user[email_address]', data: email }),
        multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(1_000_000) }]),
      ])
      checkCreated(await sendMultipart(usersUrl, streamSlowly(body), { connection }))
    }
  }
  const loops = [...Array.from({ length: 8 }, createUsers), ...Array.from({ length: 4 }, uploadAvatars)]
  for (const [index, replica] of replicas.entries()) {
    await gateway.markDown(replica.host)
    replica.program.child.kill('SIGTERM')
    t.strictSame(await replica.program.exit, { code: 0, signal: null })
    replicas[index] = await startReplica(new URL(`http://${replica.host}`).port)
    await gateway.markDown()
  }
  load.abort()
  await Promise.all(loops)

  t.strictSame(failures, [])
  t.ok(uploadCount > 8, `${uploadCount} uploads`)
  t.equal(emulator.api.directory.users.size, userCount)
  t.equal(emulator.apiRequests.filter(({ status }) => status === 422).length, 0, 'no create was sent twice')
  t.equal(emulator.tokenRequests.length, 1, 'the replicas share one access token')
})

function buildUser (index: number) {
  return { last_name: 'Doe', email_address: `jane${index}@example.com` }
}

function isTemporary ({ json: { code, outcome } }: TestResponse): boolean {
  return (code === 'overloaded' && outcome === 'not_sent') || code === 'idempotency_in_progress'
}

async function * streamSlowly (body: Buffer): AsyncGenerator<Buffer> {
  const chunkSize = Math.ceil(body.length / 20)
  for (let offset = 0; offset < body.length; offset += chunkSize) {
    yield body.subarray(offset, offset + chunkSize)
    await sleep(40)
  }
}
