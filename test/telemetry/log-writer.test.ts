// Lines wait for a slow target in a limited buffer. Lines that cannot be written are counted, and reported once.
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { createLogs } from '../../src/telemetry/logger.ts'
import { LogWriter, type LogTarget } from '../../src/telemetry/log-writer.ts'
import { startIssuer } from '../helpers/issuer.ts'
import { parseSamples } from '../helpers/prometheus-samples.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

/** A target that takes `capacity` bytes and then fails with an error code. */
class LimitedTarget implements LogTarget {
  text = ''
  reports: string[] = []
  capacity: number
  errorCode: string

  constructor (capacity: number, errorCode: string) {
    this.capacity = capacity
    this.errorCode = errorCode
  }

  write (data: Buffer, onWritten: Parameters<LogTarget['write']>[1]): void {
    setImmediate(() => {
      try {
        onWritten(null, this.writeSync(data))
      } catch (error) {
        if (error instanceof Error) onWritten(error, 0)
      }
    })
  }

  writeSync (data: Buffer): number {
    if (this.capacity === 0) throw Object.assign(new Error('write failed'), { code: this.errorCode })
    const written = data.subarray(0, this.capacity)
    this.capacity -= written.length
    this.text += written.toString()
    return written.length
  }

  report (line: string): boolean {
    this.reports.push(line)
    return true
  }
}

const lines = (text: string) => text.split('\n').slice(0, -1)

t.test('a target that is busy gets every line once it accepts data again', async t => {
  const target = new LimitedTarget(5, 'EAGAIN')
  const writer = new LogWriter(target)
  const expected = Array.from({ length: 100 }, (_, index) => `line ${index}`)
  for (const line of expected) writer.log.write(`${line}\n`)
  await waitUntil(() => target.capacity === 0)
  target.capacity = Infinity
  await waitUntil(() => target.text.length === expected.join('\n').length + 1)
  t.strictSame(lines(target.text), expected)
  t.strictSame(writer.droppedLines, { log: 0, audit: 0 })
  t.strictSame(target.reports, [])
})

t.test('while a target is stalled, lines of the log cannot take the space of the audit trail', async t => {
  const target = new LimitedTarget(0, 'EAGAIN')
  const writer = new LogWriter(target)
  const line = `${'x'.repeat(limits.log.maxLength / 4 - 1)}\n`
  for (let index = 0; index < 6; index++) writer.log.write(line)
  writer.audit.write('audit\n')
  t.strictSame(writer.droppedLines, { log: 2, audit: 0 })
  t.match(target.reports, [/its reader is too slow/])
  t.equal(target.reports.length, 1)
  target.capacity = Infinity
  await waitUntil(() => target.text.length === 4 * line.length + 6)
  t.ok(target.text.includes('audit\n'))
})

t.test('lines of a failed write are counted, and the next line after a part of one starts on a line', async t => {
  const target = new LimitedTarget('first\nsec'.length, 'ENOSPC')
  const writer = new LogWriter(target)
  writer.log.write('first\n')
  writer.log.write('second\n')
  writer.log.write('third\n')
  await waitUntil(() => writer.droppedLines.log === 2)
  writer.audit.write('fourth\n')
  await waitUntil(() => writer.droppedLines.audit === 1)
  target.capacity = Infinity
  writer.log.write('fifth\n')
  await waitUntil(() => target.text.endsWith('fifth\n'))
  t.strictSame(lines(target.text), ['first', 'sec', 'fifth'])
  t.match(target.reports, [/ENOSPC/])
  t.equal(target.reports.length, 1)
})

t.test('at the exit, what waits is written, and a busy target is not waited for without limit', async t => {
  const ready = new LimitedTarget(Infinity, 'EAGAIN')
  const writer = new LogWriter(ready)
  writer.log.write('log\n')
  writer.audit.write('audit\n')
  writer.close()
  t.strictSame(lines(ready.text), ['audit', 'log'])
  const stalled = new LimitedTarget(2, 'EAGAIN')
  const stalledWriter = new LogWriter(stalled)
  stalledWriter.log.write('log\n')
  stalledWriter.audit.write('audit\n')
  stalledWriter.close()
  t.strictSame(stalledWriter.droppedLines, { log: 1, audit: 1 })
  t.equal(stalled.reports.length, 1)
})

const createUser = (url: string, index: number) => {
  return sendJson(url, { user: { ...jane, email_address: `user${index}@example.com` } })
}

t.test('while the reader is stalled and the audit buffer is full, creates are refused and nothing is sent', async t => {
  const target = new LimitedTarget(0, 'EAGAIN')
  const service = await startService(t, { logOutput: new LogWriter(target, 2 * limits.log.auditLineLength) })
  const { usersUrl, emulator } = service
  let created = 0
  while ((await createUser(usersUrl, created)).status === 201) created++
  t.ok(created >= 2)
  const sentCount = emulator.apiRequests.length
  const refused = await createUser(usersUrl, created)
  t.match(refused, { status: 503, json: { code: 'overloaded', outcome: 'not_sent' }, headers: { 'retry-after': '1' } })
  t.equal(emulator.apiRequests.length, sentCount)
  t.match(await send(usersUrl, { method: 'GET' }), { status: 503, json: { code: 'overloaded' } })
  const tradesUrl = usersUrl.replace(/users$/, 'trades')
  t.equal((await send(tradesUrl, { method: 'GET' })).status, 200, 'a request without an audit line is served')
  target.capacity = Infinity
  await waitUntil(() => target.text.includes('"name":"audit"'))
  t.equal((await createUser(usersUrl, created)).status, 201)
  await waitUntil(() => lines(target.text).filter(line => line.includes('"name":"audit"')).length === created + 1)
})

t.test('while the audit buffer is full, the lines of refused callers are dropped and counted', async t => {
  const issuer = await startIssuer(t)
  const logOutput = new LogWriter(new LimitedTarget(0, 'EAGAIN'), limits.log.auditLineLength)
  const { usersUrl } = await startService(t, { logOutput, env: issuer.env })
  for (let index = 0; index < 4; index++) t.equal((await createUser(usersUrl, index)).status, 401)
  await waitUntil(() => logOutput.droppedLines.audit === 3)
})

t.test('where stdout fails, creates proceed, and a metric counts the lost audit lines', async t => {
  const target = new LimitedTarget(0, 'ENOSPC')
  const logOutput = new LogWriter(target, 2 * limits.log.auditLineLength)
  const { usersUrl, url } = await startService(t, { logOutput })
  for (let index = 0; index < 8; index++) t.equal((await createUser(usersUrl, index)).status, 201)
  await waitUntil(() => logOutput.droppedLines.audit === 8)
  const { text } = await send(`${url}/metrics`, { method: 'GET' })
  const dropped = parseSamples(text).filter(({ name }) => name === 'procore_bff_log_lines_dropped_total')
  t.match(dropped.map(({ labels, value }) => [labels['kind'], value]), [['log', Number], ['audit', 8]])
})

t.test('the audit trail has its own stream, whatever the log level is', async t => {
  const target = new LimitedTarget(Infinity, '')
  const writer = new LogWriter(target)
  const { log, auditLog } = createLogs({ level: 'silent' }, writer)
  log.error('not written')
  auditLog.info({ subject: 'anna' }, 'create')
  writer.close()
  t.equal(lines(target.text).length, 1)
  t.match(target.text, /"level":"info".*"name":"audit","subject":"anna"/)
})
