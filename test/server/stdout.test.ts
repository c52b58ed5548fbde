// Whatever happens to standard output, the service serves, says once that lines are lost, and exits as documented.
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { freePort } from '../helpers/free-port.ts'
import { parseSamples } from '../helpers/prometheus-samples.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startTestEmulator } from '../helpers/service.ts'
import { getNodeFlags, inheritedEnv, root, serviceEnvironment } from '../helpers/spawn-program.ts'
import { skip } from '../helpers/terminal.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// Most of the time is spent waiting for programs that start or end.
t.jobs = 3

interface Service {
  child: ChildProcess
  url: string
  emulator: Awaited<ReturnType<typeof startTestEmulator>>
  stderr: () => string
  exitCode: Promise<number | null>
}

const file = 'src/main.js'
const node = [process.execPath, ...getNodeFlags(file), file]

/** Starts the service, whose log is not read, and waits until it is ready. */
async function startUnread (t: Test, stdout: 'pipe' | number, command: readonly string[] = node): Promise<Service> {
  const emulator = await startTestEmulator(t)
  const port = await freePort()
  const stdio: StdioOptions = ['ignore', stdout, 'pipe']
  const [program = '', ...args] = command
  const env = { ...inheritedEnv, ...serviceEnvironment(emulator), PORT: String(port) }
  const child = spawn(program, args, { cwd: root, env, stdio })
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  const exitCode = new Promise<number | null>(resolve => child.once('exit', resolve))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exitCode
  })
  const url = `http://127.0.0.1:${port}`
  while (!await isReady(url)) await sleep(20)
  return { child, url, emulator, stderr: () => stderr, exitCode }
}

async function isReady (url: string): Promise<boolean> {
  try {
    return (await send(`${url}/readyz`, { method: 'GET' })).status === 200
  } catch {
    return false
  }
}

const floodRequests = 1_000

/** Sends requests whose log lines are more than the pipe can hold. */
async function fillPipe ({ url }: Service): Promise<void> {
  for (let sent = 0; sent < floodRequests; sent += 25) {
    await Promise.all(Array.from({ length: 25 }, () => send(`${url}/nowhere`, { method: 'GET' })))
  }
}

async function countDroppedLines ({ url }: Service): Promise<number> {
  const { text } = await send(`${url}/metrics`, { method: 'GET' })
  return parseSamples(text)
    .filter(({ name }) => name === 'procore_bff_log_lines_dropped_total')
    .reduce((sum, { value }) => sum + value, 0)
}

/** Starts of the service with an output that fails, and the error that each write then has. */
const failingOutputs: Record<string, { code: string, start: (t: Test) => Promise<Service> }> = {
  'a full disk': { code: 'ENOSPC', start: t => startUnread(t, openSync('/dev/full', 'w')) },
  'a file at its size limit': {
    code: 'EFBIG',
    start: t => {
      // NODE_OPTIONS has tap's module that writes a file at the exit.
      const script = 'unset NODE_OPTIONS; ulimit -f 0; exec "$@"'
      return startUnread(t, openSync(join(t.testdir(), 'log'), 'w'), ['/bin/sh', '-c', script, 'sh', ...node])
    },
  },
  'a pipe that its reader closes': {
    code: 'EPIPE',
    start: async t => {
      const service = await startUnread(t, 'pipe')
      service.child.stdout?.destroy()
      return service
    },
  },
}

for (const [name, { code, start }] of Object.entries(failingOutputs)) {
  t.test(`with ${name} as stdout the service serves, counts lost lines and exits with status 0`, async t => {
    const service = await start(t)
    const usersUrl = `${service.url}/companies/101/users`
    t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
    await waitUntil(() => service.stderr() !== '')
    t.equal((await sendJson(usersUrl, { user: { ...jane, email_address: 'b@example.com' } })).status, 201)
    while (await countDroppedLines(service) < 4) await sleep(5)
    service.child.kill('SIGTERM')
    t.equal(await service.exitCode, 0)
    const report = `^Log lines are lost, because stdout cannot be written \\(${code}\\)[^\n]+\n$`
    t.match(service.stderr(), new RegExp(report))
  })
}

t.test('with a stalled reader of stdout, SIGTERM exits with status 0 once the requests ended', async t => {
  const service = await startUnread(t, 'pipe')
  await fillPipe(service)
  service.child.kill('SIGTERM')
  t.equal(await service.exitCode, 0)
  t.match(service.stderr(), /^Log lines are lost[^\n]+reader is too slow[^\n]+\n$/)
})

t.test('with a stalled reader of both stdout and stderr, SIGTERM exits with status 0', async t => {
  const service = await startUnread(t, 'pipe', ['/bin/sh', '-c', 'exec "$@" 2>&1', 'sh', ...node])
  await fillPipe(service)
  service.child.kill('SIGTERM')
  t.equal(await service.exitCode, 0)
})

t.test('with a stalled terminal as stdout and stderr, SIGTERM exits with status 0', { skip }, async t => {
  const directory = t.testdir()
  const command = `${node.join(' ')} & echo $! > ${directory}/pid; wait $!; echo $? > ${directory}/status`
  const service = await startUnread(t, 'pipe', ['script', '--quiet', '--command', command, '/dev/null'])
  await fillPipe(service)
  const readText = (name: string) => readFile(join(directory, name), 'utf8').catch(() => '')
  process.kill(Number(await readText('pid')), 'SIGTERM')
  let status = ''
  while (status === '') {
    await sleep(20)
    status = await readText('status')
  }
  t.equal(status, '0\n')
})

t.test('with a stalled reader of stdout, a second SIGTERM exits at once with status 1', async t => {
  const service = await startUnread(t, 'pipe')
  await fillPipe(service)
  service.emulator.faults.add({ kind: 'silence' })
  const disconnected = t.rejects(sendJson(`${service.url}/companies/101/users`, { user: jane }))
  await waitUntil(() => service.emulator.apiRequests.length === 1)
  service.child.kill('SIGTERM')
  while (await isReady(service.url)) await sleep(5)
  service.child.kill('SIGTERM')
  t.equal(await service.exitCode, 1)
  await disconnected
})

t.test('when a stalled reader of stdout reads again, no line is missing', async t => {
  const service = await startUnread(t, 'pipe')
  await fillPipe(service)
  let text = ''
  service.child.stdout?.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  service.child.kill('SIGTERM')
  t.equal(await service.exitCode, 0)
  t.equal(service.stderr(), '')
  t.equal(text.split('\n').filter(line => line.includes('"code":"not_found"')).length, floodRequests)
})
