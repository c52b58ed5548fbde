// `npm run demo`: no configuration, lines to paste that work, and one signal ends it all.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { root, spawnProgram } from '../helpers/spawn-program.ts'

t.test('the lines that it prints work as they stand', async t => {
  const demo = spawnProgram(t, 'tools/demo/index.ts', { PORT: '0' })
  await demo.listening
  const text = () => demo.lines.join('\n')
  while (!text().includes('__emulator/requests')) await new Promise(resolve => demo.child.stdout?.once('data', resolve))
  const commands = text().replaceAll('\\\n', ' ').split('\n').filter(line => line.startsWith('  curl')).map(line => line.trim())
  t.equal(commands.length, 2)
  for (const command of commands) {
    const { stdout } = await promisify(execFile)('bash', ['-c', command], { cwd: root })
    t.match(JSON.parse(stdout), { id: Number, last_name: 'Doe' })
  }
  const page = /Create a user in the browser: (\S+)/.exec(text())?.[1]
  t.match(await (await fetch(page ?? '')).text(), /<form id="form"/)
  t.equal(demo.stderr(), '')
  const received = /What Procore received: (\S+)/.exec(text())?.[1]
  t.match(await (await fetch(received ?? '')).json(), [{ path: '/oauth/token' }, { createdUserId: Number }, { createdUserId: Number }])
  demo.child.kill('SIGINT')
  t.equal((await demo.exit).code, 0)
})

t.test('a setting that is wrong ends it with the service\'s own words', async t => {
  const demo = spawnProgram(t, 'tools/demo/index.ts', { PORT: 'x' })
  t.equal((await demo.exit).code, 1)
  t.match(demo.stderr(), /^PORT: /)
})
