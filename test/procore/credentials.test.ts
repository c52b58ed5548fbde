// Credentials that are changed while the service runs: read again when they are refused, and on SIGHUP, without a failed request.
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { run, serviceEnvironment } from '../helpers/process.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { emulate, startService } from '../helpers/service.ts'
import { until } from '../helpers/until.ts'

const create = (index: number) => ({ user: { ...jane, email_address: `jane${index}@example.com` } })

t.test('a new secret is read when the old one is refused', async t => {
  const directory = t.testdir({ secret: 'demo-secret\n' })
  const { users, emulator } = await startService(t, { env: { PROCORE_CLIENT_SECRET: '', PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` } })
  t.equal((await sendJson(users, create(0))).status, 201)
  emulator.settings = { ...emulator.settings, clientSecret: 'second-secret' }
  writeFileSync(`${directory}/secret`, 'second-secret\n')
  emulator.api.revokeTokens()
  const replies = await Promise.all(Array.from({ length: 20 }, (_, index) => sendJson(users, create(index + 1))))
  t.ok(replies.every(({ status }) => status === 201))
  t.equal(emulator.tokenRequests.length, 3, 'the first, the one that was refused, the one that was not')
})

t.test('a file that is gone, empty or the same changes nothing', async t => {
  const directory = t.testdir({ secret: 'demo-secret\n' })
  const { users, emulator, app } = await startService(t, { env: { PROCORE_CLIENT_SECRET: '', PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` } })
  app.procore.renewCredentials()
  writeFileSync(`${directory}/secret`, '')
  app.procore.renewCredentials()
  t.equal(emulator.tokenRequests.length, 1)
  emulator.api.revokeTokens()
  t.equal((await sendJson(users, create(0))).status, 201)
})

t.test('SIGHUP has it read at once, by a process that goes on', async t => {
  const emulator = await emulate(t)
  const directory = t.testdir({ secret: 'demo-secret' })
  const { PROCORE_CLIENT_SECRET: _, ...env } = serviceEnvironment(emulator)
  const program = run(t, 'src/main.ts', { ...env, PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` })
  const url = await program.listening
  await until(() => emulator.tokenRequests.length === 1)
  writeFileSync(`${directory}/secret`, 'second-secret')
  emulator.settings = { ...emulator.settings, clientSecret: 'second-secret' }
  program.child.kill('SIGHUP')
  await until(() => emulator.tokenRequests.length === 2)
  t.match(emulator.tokenRequests[1]?.body.toString(), /second-secret/)
  t.equal((await sendJson(`${url}/companies/101/users`, create(0))).status, 201)
  program.child.kill('SIGTERM')
  t.equal((await program.exit).code, 0)
  t.notMatch(program.lines.join('\n'), /demo-secret|second-secret/)
})

t.test('read again while an attempt with the old ones is under way: the request ends well', async t => {
  const directory = t.testdir({ secret: 'demo-secret' })
  const { users, emulator, app } = await startService(t, { env: { PROCORE_CLIENT_SECRET: '', PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` } })
  emulator.settings = { ...emulator.settings, clientSecret: 'second-secret' }
  emulator.api.revokeTokens()
  emulator.faults.add({ kind: 'delay', delayMs: 300, on: 'token' })
  const create = sendJson(users, { user: jane })
  await until(() => emulator.tokenRequests.length === 2)
  writeFileSync(`${directory}/secret`, 'second-secret')
  app.procore.renewCredentials()
  t.equal((await create).status, 201)
})

t.test('changed under load while both are valid: no request fails', async t => {
  const emulator = await emulate(t, { nextClientSecret: 'second-secret' })
  const directory = t.testdir({ secret: 'demo-secret' })
  const { PROCORE_CLIENT_SECRET: _, ...env } = serviceEnvironment(emulator)
  const program = run(t, 'src/main.ts', { ...env, PROCORE_CLIENT_SECRET_FILE: `${directory}/secret` })
  const url = await program.listening
  const load = new AbortController()
  const statuses = new Set<number>()
  let index = 0
  const loops = Array.from({ length: 8 }, async () => {
    while (!load.signal.aborted) statuses.add((await sendJson(`${url}/companies/101/users`, create(index++))).status)
  })
  await until(() => index > 50)
  writeFileSync(`${directory}/secret`, 'second-secret')
  program.child.kill('SIGHUP')
  await until(() => program.lines.filter(line => line.includes('token renewed')).length === 2)
  // Whatever went out with the first token has ended when so many others have begun.
  const renewedAt = index
  await until(() => index > renewedAt + 50)
  emulator.settings = { ...emulator.settings, clientSecret: 'second-secret', nextClientSecret: '' }
  emulator.api.revokeTokens()
  await until(() => index > renewedAt + 150)
  load.abort()
  await Promise.all(loops)
  t.strictSame([...statuses], [201])
})
