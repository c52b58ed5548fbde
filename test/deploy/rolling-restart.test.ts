// Restarts three replicas behind the gateway, one after the other, under load.
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { freePort } from '../helpers/free-port.ts'
import { png } from '../helpers/images.ts'
import { hasNginx, startGateway } from '../helpers/nginx-gateway.ts'
import { spawnProgram, serviceEnvironment, type Program } from '../helpers/spawn-program.ts'
import { hasRedis, startRedis } from '../helpers/redis.ts'
import {
  multipartBody, multipartPart, send, sendJson, sendMultipart, type TestResponse,
} from '../helpers/requests.ts'
import { startTestEmulator } from '../helpers/service.ts'

const skip = (!hasNginx || !hasRedis) && process.env['CI'] !== 'true' && 'nginx or redis-server is not installed'

const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3']

t.test('a rolling restart fails no create and sends none twice', { skip }, async t => {
  const emulator = await startTestEmulator(t, { rateLimit: 1_000_000 })
  const redis = await startRedis(t)
  const startReplica = async (host: string, port: string): Promise<Program> => {
    const environment = { HOST: host, PORT: port, REDIS_URL: redis.url, DRAIN_DELAY_MS: '300' }
    const program = spawnProgram(t, 'src/main.js', { ...serviceEnvironment(emulator), ...environment })
    const url = await program.listening
    while ((await send(`${url}/readyz`, { method: 'GET' })).status !== 200) await sleep(20)
    return program
  }
  const port = String(await freePort())
  const replicas = new Map<string, Program>()
  for (const address of addresses) replicas.set(address, await startReplica(address, port))
  const gateway = await startGateway(t, Number(port), { addresses })
  const usersUrl = `${gateway.url}/companies/101/users`

  let userCount = 0
  let uploadCount = 0
  const load = new AbortController()
  const failures: string[] = []
  const checkCreated = ({ status, text }: TestResponse) => { if (status !== 201) failures.push(`${status} ${text}`) }

  const createUsers = async () => {
    while (!load.signal.aborted) {
      const index = userCount++
      const headers: Record<string, string> = index % 2 === 0 ? { 'idempotency-key': `key-${index}` } : {}
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
      checkCreated(await sendMultipart(usersUrl, streamSlowly(body)))
    }
  }
  const loops = [...Array.from({ length: 8 }, createUsers), ...Array.from({ length: 4 }, uploadAvatars)]
  for (const [address, program] of replicas) {
    await gateway.setAddresses(addresses.filter(other => other !== address))
    program.child.kill('SIGTERM')
    t.strictSame(await program.exit, { code: 0, signal: null })
    await startReplica(address, port)
    await gateway.setAddresses(addresses)
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
