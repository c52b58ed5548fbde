// Runs `npm run demo`: it needs no configuration, prints curl commands that work, and stops on one signal.
import { execFile, type ChildProcess } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { sendImport } from '../helpers/imports.ts'
import { root, spawnProgram } from '../helpers/spawn-program.ts'
import { isRunning, skip, startOnTerminal } from '../helpers/terminal.ts'
import { waitUntil } from '../helpers/wait-until.ts'

t.test('the printed curl commands and addresses work', async t => {
  const demo = spawnProgram(t, 'tools/demo/index.ts', { PORT: '0' })
  await demo.listening
  const text = () => demo.lines.join('\n')
  await waitUntil(() => text().includes('__emulator/requests'))
  const commands = text().replaceAll('\\\n', ' ').split('\n')
    .filter(line => line.startsWith('  curl'))
    .map(line => line.trim())
  t.equal(commands.length, 2)
  for (const command of commands) {
    const { stdout } = await promisify(execFile)('bash', ['-c', command], { cwd: root })
    t.match(JSON.parse(stdout), { id: Number, last_name: 'Doe' })
  }
  const page = /Create a user in the browser: (\S+)/.exec(text())?.[1]
  t.match(await (await fetch(page ?? '')).text(), /<form id="form"/)
  for (const label of ['Import people from a file', 'Read and try the API', 'Watch the service']) {
    const address = new RegExp(`${label}: +(\\S+)`).exec(text())?.[1]
    t.equal((await fetch(address ?? '')).status, 200, label)
  }
  const home = await fetch(new URL('/', page), { redirect: 'manual' })
  t.match([home.status, home.headers.get('location')], [302, '/demo'])
  await t.test('pages of development servers may call it, and others may not', async t => {
    const statusFrom = async (origin: string) => {
      const headers = { origin, 'content-type': 'application/json' }
      const user = { last_name: 'Doe', email_address: `${origin.length}.${new URL(origin).port}@example.com` }
      const url = new URL('/companies/1234/users/validate', page)
      const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ user }) })
      return [response.status, response.headers.get('access-control-allow-origin')]
    }
    for (const host of ['localhost', '127.0.0.1']) {
      for (const port of [3000, 3001, 4200, 5173]) {
        const origin = `http://${host}:${port}`
        t.strictSame(await statusFrom(origin), [200, origin], origin)
      }
    }
    t.strictSame(await statusFrom('https://evil.example:5173'), [403, null])
  })
  t.equal(demo.stderr(), '')
  const received = /Requests received by Procore: (\S+)/.exec(text())?.[1]
  t.match(await (await fetch(received ?? '')).json(), [
    { path: '/oauth/token' },
    { createdUserId: Number },
    { createdUserId: Number },
  ])
  await t.test('nobody of the sample of the import page is in the directory', async t => {
    const sample = await (await fetch(new URL('/demo/sample.csv', page))).text()
    const { totals } = await sendImport(new URL('/companies/1234/users/import', page).href, sample)
    t.match(totals, { rows: 1000, created: 1000 })
  })
  demo.child.kill('SIGINT')
  t.equal((await demo.exit).code, 0)
})

t.test("an invalid setting stops the demo with the service's error message", async t => {
  const demo = spawnProgram(t, 'tools/demo/index.ts', { PORT: 'x' })
  t.equal((await demo.exit).code, 1)
  t.match(demo.stderr(), /^PORT: /)
})

t.test('if its port is in use, the demo stops and says which setting chooses another port', async t => {
  const { port } = new URL(await spawnProgram(t, 'tools/emulator/main.ts', { EMULATOR_PORT: '0' }).listening)
  const demo = spawnProgram(t, 'tools/demo/index.ts', { PORT: port })
  t.equal((await demo.exit).code, 1)
  t.match(demo.stderr(), new RegExp(`^HOST, PORT: port ${port} of 127\\.0\\.0\\.1 is in use [^\n]+ set PORT [^\n]+\n$`))
})

async function isListening (url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/livez`)).ok
  } catch {
    return false
  }
}

const ends: Record<string, (child: ChildProcess) => void> = {
  'is hung up': child => child.kill('SIGHUP'),
  'is killed': child => child.kill('SIGKILL'),
  'has no reader any longer': child => child.stdout?.destroy(),
}

for (const [condition, end] of Object.entries(ends)) {
  t.test(`the service stops when the demo ${condition}`, async t => {
    const demo = spawnProgram(t, 'tools/demo/index.ts', { PORT: '0' })
    const url = await demo.listening
    end(demo.child)
    while (await isListening(url)) await fetch(`${url}/nowhere`).catch(() => {})
    await demo.exit
    t.notMatch(demo.stderr(), /Unhandled/)
  })
}

t.test('the demo and its service stop when their terminal closes', { skip }, async t => {
  const demo = await startOnTerminal(t, 'tools/demo/index.ts', { PORT: '0' })
  demo.hangUp()
  await waitUntil(() => !isRunning(demo.pid))
  while (await isListening(demo.url)) await fetch(`${demo.url}/nowhere`).catch(() => {})
})
