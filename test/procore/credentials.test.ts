// Tests changes of the client secret while the service runs.
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startTestEmulator, startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const createBody = (index: number) => ({ user: { ...jane, email_address: `jane${index}@example.com` } })

function secretFileEnv (directory: string): Record<string, string> {
  return { PROCORE_CLIENT_SECRET: '', PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` }
}

t.test('a new secret is read from its file when the old one is refused', async t => {
  const directory = t.testdir({ secret: 'demo-secret\n' })
  const { usersUrl, emulator } = await startService(t, { env: secretFileEnv(directory) })
  t.equal((await sendJson(usersUrl, createBody(0))).status, 201)
  emulator.settings = { ...emulator.settings, clientSecret: 'second-secret' }
  writeFileSync(`${directory}/secret`, 'second-secret\n')
  emulator.api.revokeAccessTokens()
  const creates = Array.from({ length: 20 }, (_, index) => sendJson(usersUrl, createBody(index + 1)))
  const responses = await Promise.all(creates)
  t.ok(responses.every(({ status }) => status === 201))
  t.equal(emulator.tokenRequests.length, 3, 'the initial one, the refused one, and the retry')
})

t.test('a secret file that is empty or unchanged does not change the secret', async t => {
  const directory = t.testdir({ secret: 'demo-secret\n' })
  const { usersUrl, emulator, app } = await startService(t, { env: secretFileEnv(directory) })
  app.procore.renewCredentials()
  writeFileSync(`${directory}/secret`, '')
  app.procore.renewCredentials()
  t.equal(emulator.tokenRequests.length, 1)
  emulator.api.revokeAccessTokens()
  t.equal((await sendJson(usersUrl, createBody(0))).status, 201)
})

t.test('SIGHUP reloads the secret, and the process keeps running', async t => {
  const emulator = await startTestEmulator(t)
  const directory = t.testdir({ secret: 'demo-secret' })
  const { PROCORE_CLIENT_SECRET: _, ...env } = serviceEnvironment(emulator)
  const program = spawnProgram(t, 'src/main.js', { ...env, PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` })
  const url = await program.listening
  await waitUntil(() => emulator.tokenRequests.length === 1)
  writeFileSync(`${directory}/secret`, 'second-secret')
  emulator.settings = { ...emulator.settings, clientSecret: 'second-secret' }
  program.child.kill('SIGHUP')
  await waitUntil(() => emulator.tokenRequests.length === 2)
  t.match(emulator.tokenRequests[1]?.body.toString(), /second-secret/)
  t.equal((await sendJson(`${url}/companies/101/users`, createBody(0))).status, 201)
  program.child.kill('SIGTERM')
  t.equal((await program.exit).code, 0)
  t.notMatch(program.lines.join('\n'), /demo-secret|second-secret/)
})

t.test('a request succeeds if the secret is reloaded while a fetch with the old one is in flight', async t => {
  const directory = t.testdir({ secret: 'demo-secret' })
  const { usersUrl, emulator, app } = await startService(t, { env: secretFileEnv(directory) })
  emulator.settings = { ...emulator.settings, clientSecret: 'second-secret' }
  emulator.api.revokeAccessTokens()
  emulator.faults.add({ kind: 'delay', delayMs: 300, on: 'token' })
  const response = sendJson(usersUrl, { user: jane })
  await waitUntil(() => emulator.tokenRequests.length === 2)
  writeFileSync(`${directory}/secret`, 'second-secret')
  app.procore.renewCredentials()
  t.equal((await response).status, 201)
})

t.test('no request fails if the secret is changed under load while both secrets are valid', async t => {
  const emulator = await startTestEmulator(t, { nextClientSecret: 'second-secret' })
  const directory = t.testdir({ secret: 'demo-secret' })
  const { PROCORE_CLIENT_SECRET: _, ...env } = serviceEnvironment(emulator)
  const program = spawnProgram(t, 'src/main.js', { ...env, PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` })
  const url = await program.listening
  const load = new AbortController()
  const statuses = new Set<number>()
  let index = 0
  const loops = Array.from({ length: 8 }, async () => {
    while (!load.signal.aborted) {
      const { status } = await sendJson(`${url}/companies/101/users`, createBody(index++))
      statuses.add(status)
    }
  })
  await waitUntil(() => index > 50)
  writeFileSync(`${directory}/secret`, 'second-secret')
  program.child.kill('SIGHUP')
  await waitUntil(() => program.lines.filter(line => line.includes('access token renewed')).length === 2)
  // By the time that 50 more requests have started, all requests with the first access token have ended.
  const renewedAtIndex = index
  await waitUntil(() => index > renewedAtIndex + 50)
  emulator.settings = { ...emulator.settings, clientSecret: 'second-secret', nextClientSecret: '' }
  emulator.api.revokeAccessTokens()
  await waitUntil(() => index > renewedAtIndex + 150)
  load.abort()
  await Promise.all(loops)
  t.strictSame([...statuses], [201])
})
