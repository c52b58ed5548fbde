// Credentials that are changed while the service runs: read again when they are refused, and on SIGHUP, without a failed request.
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startTestEmulator, startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const create = (index: number) => ({ user: { ...jane, email_address: `jane${index}@example.com` } })

t.test('a new secret is read when the old one is refused', async t => {
  const directory = t.testdir({ secret: 'demo-secret\n' })
  const { usersUrl, emulator } = await startService(t, { env: { PROCORE_CLIENT_SECRET: '', PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` } })
  t.equal((await sendJson(usersUrl, create(0))).status, 201)
  emulator.settings = { ...emulator.settings, clientSecret: 'second-secret' }
  writeFileSync(`${directory}/secret`, 'second-secret\n')
  emulator.api.revokeAccessTokens()
  const replies = await Promise.all(Array.from({ length: 20 }, (_, index) => sendJson(usersUrl, create(index + 1))))
  t.ok(replies.every(({ status }) => status === 201))
  t.equal(emulator.tokenRequests.length, 3, 'the first, the one that was refused, the one that was not')
})

t.test('a file that is gone, empty or the same changes nothing', async t => {
  const directory = t.testdir({ secret: 'demo-secret\n' })
  const { usersUrl, emulator, app } = await startService(t, { env: { PROCORE_CLIENT_SECRET: '', PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` } })
  app.procore.renewCredentials()
  writeFileSync(`${directory}/secret`, '')
  app.procore.renewCredentials()
  t.equal(emulator.tokenRequests.length, 1)
  emulator.api.revokeAccessTokens()
  t.equal((await sendJson(usersUrl, create(0))).status, 201)
})

t.test('SIGHUP has it read at once, by a process that goes on', async t => {
  const emulator = await startTestEmulator(t)
  const directory = t.testdir({ secret: 'demo-secret' })
  const { PROCORE_CLIENT_SECRET: _, ...env } = serviceEnvironment(emulator)
  const program = spawnProgram(t, 'src/main.ts', { ...env, PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` })
  const url = await program.listening
  await waitUntil(() => emulator.tokenRequests.length === 1)
  writeFileSync(`${directory}/secret`, 'second-secret')
  emulator.settings = { ...emulator.settings, clientSecret: 'second-secret' }
  program.child.kill('SIGHUP')
  await waitUntil(() => emulator.tokenRequests.length === 2)
  t.match(emulator.tokenRequests[1]?.body.toString(), /second-secret/)
  t.equal((await sendJson(`${url}/companies/101/users`, create(0))).status, 201)
  program.child.kill('SIGTERM')
  t.equal((await program.exit).code, 0)
  t.notMatch(program.lines.join('\n'), /demo-secret|second-secret/)
})

t.test('read again while an attempt with the old ones is under way: the request ends well', async t => {
  const directory = t.testdir({ secret: 'demo-secret' })
  const { usersUrl, emulator, app } = await startService(t, { env: { PROCORE_CLIENT_SECRET: '', PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` } })
  emulator.settings = { ...emulator.settings, clientSecret: 'second-secret' }
  emulator.api.revokeAccessTokens()
  emulator.faults.add({ kind: 'delay', delayMs: 300, on: 'token' })
  const create = sendJson(usersUrl, { user: jane })
  await waitUntil(() => emulator.tokenRequests.length === 2)
  writeFileSync(`${directory}/secret`, 'second-secret')
  app.procore.renewCredentials()
  t.equal((await create).status, 201)
})

t.test('changed under load while both are valid: no request fails', async t => {
  const emulator = await startTestEmulator(t, { nextClientSecret: 'second-secret' })
  const directory = t.testdir({ secret: 'demo-secret' })
  const { PROCORE_CLIENT_SECRET: _, ...env } = serviceEnvironment(emulator)
  const program = spawnProgram(t, 'src/main.ts', { ...env, PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` })
  const url = await program.listening
  const load = new AbortController()
  const statuses = new Set<number>()
  let index = 0
  const loops = Array.from({ length: 8 }, async () => {
    while (!load.signal.aborted) statuses.add((await sendJson(`${url}/companies/101/users`, create(index++))).status)
  })
  await waitUntil(() => index > 50)
  writeFileSync(`${directory}/secret`, 'second-secret')
  program.child.kill('SIGHUP')
  await waitUntil(() => program.lines.filter(line => line.includes('access token renewed')).length === 2)
  // Whatever went out with the first token has ended when so many others have begun.
  const renewedAt = index
  await waitUntil(() => index > renewedAt + 50)
  emulator.settings = { ...emulator.settings, clientSecret: 'second-secret', nextClientSecret: '' }
  emulator.api.revokeAccessTokens()
  await waitUntil(() => index > renewedAt + 150)
  load.abort()
  await Promise.all(loops)
  t.strictSame([...statuses], [201])
})
