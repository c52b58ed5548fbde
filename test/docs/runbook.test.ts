// The queries and commands of docs/runbook.md answer their questions, from a real Prometheus and from real log lines.
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { version } from '../../src/config/product.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { readPage } from '../helpers/markdown.ts'
import { hasPrometheus, startPrometheus, type Vector } from '../helpers/prometheus.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { root } from '../helpers/spawn-program.ts'
import { waitUntil } from '../helpers/wait-until.ts'
import { literals, readSources } from '../repository/source-files.ts'

const hasJq = spawnSync('jq', ['--version']).status === 0
const skip = !(hasPrometheus && hasJq) && process.env['CI'] !== 'true' && 'prometheus or jq is not installed'

const page = readPage('docs/runbook.md')
const questions = page.tableRows('question').map(([question = '', answer = '']) => {
  return { question, command: answer.replaceAll('\\|', '|') }
})

/** What the answer to a question has, after the creates of the test. */
const answers: Record<string, RegExp> = {
  'Do all replicas answer, and in which version?': new RegExp(`"version":"${version}".*"1"`),
  'Which replica does not answer?': /^\[\]$/,
  'Which replica fails?': /"code":"\w+","instance":"127/,
  'Does the new version fail more often?': new RegExp(`"version":"${version}".*"0"`),
  'Do creates succeed?': /"outcome":"created"/,
  'Which problems do callers get?': /"code":"unauthenticated"/,
  'Is Procore or are we slow?': /"value":\[[\d.]+,"0\./,
  'Which requests were slow, and where?': /"durationMs":\d{4}.*"upstreamMs":.*"rateLimitWaitMs":[1-9]/,
  'Which company is near its limit?': /"company_id":"101"/,
  'Which company has used most of its hour?': /"company_id":"101"/,
  'Who uses the limit of company 101?': /^ *[1-9]\d* caller$/m,
  'Which caller is refused, and why?': /"status":401,"code":"unauthenticated","authFailure":\{"reason":/,
  'Did this create happen?': /"companyId":101,"operation":"create-company-user","outcome":"created","recordId":\d+/,
  'Which imports began?': /"requestId":"import-7","companyId":101/,
  'How did the imports end?': /"requestId":"import-7","companyId":101,"status":200,.*"importRows":{"created":1,/,
  'What became of the rows of an import that were sent?': /^{"row":1,"outcome":"created","recordId":\d+}$/m,
  'Which dependency is down?': /"dependency":"login".*"1"/,
  'Is the app connected to the companies': /"msg":"the app is not connected","companyIds":\[999\]/,
}

t.test('each question of the page has an answer that is expected here', t => {
  t.equal(questions.length, Object.keys(answers).length)
  for (const name of Object.keys(answers)) t.ok(questions.some(({ question }) => question.startsWith(name)), name)
  t.end()
})

t.test('an answer after creates, some of which waited or were refused', { skip }, async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, {
    env: { ...issuer.env, RATE_LIMIT_MAX_WAIT_MS: '10000', PROCORE_COMPANY_IDS: '101,999' },
    emulator: { rateLimit: 2, rateWindowSeconds: 1 },
  })
  // As main.js does.
  service.app.procore.connectedCompanies.start()
  t.teardown(() => { service.app.procore.connectedCompanies.stop() })
  const query = await startPrometheus(t, [`127.0.0.1:${service.port}`])
  const headers = bearerHeader(await issuer.sign({ sub: 'caller' }))
  const create = async (name: string) => {
    await sendJson(service.usersUrl, { user: { ...jane, email_address: `${name}@example.com` } }, {
      ...headers, 'x-request-id': name,
    })
  }
  await create('first')
  await sendJson(service.usersUrl, { user: jane })
  // An increase needs a sample from before it.
  await waitUntil(async () => (await query('procore_bff_outcomes_total{outcome="created"} == 1')).length > 0)
  await Promise.all(['ticket-42', 'b', 'c', 'd', 'e'].map(create))
  await sendJson(service.usersUrl, { user: jane })
  await send(`${service.usersUrl}/import`, {
    headers: { ...headers, 'content-type': 'text/csv', 'x-request-id': 'import-7' },
    body: 'first_name,last_name,email_address\nJane,Doe,import@example.com\n',
  })
  await waitUntil(() => ['companyIds', 'importRows'].every(name => service.lines.some(line => name in line)))
  const log = service.lines.map(line => `${JSON.stringify(line)}\n`).join('')

  for (const { question, command } of questions) {
    await t.test(question, async t => {
      const [, expected = /^$/] = Object.entries(answers).find(([name]) => question.startsWith(name)) ?? []
      if (command.startsWith('jq ')) {
        t.match(spawnSync('bash', ['-c', command], { input: log, encoding: 'utf8' }).stdout, expected)
        return
      }
      let answer: Vector = []
      await waitUntil(async () => {
        answer = await query(command)
        return expected.test(JSON.stringify(answer))
      })
      t.match(JSON.stringify(answer), expected)
    })
  }
})

t.test('the page names only panels of the dashboard, and messages that the service logs', async t => {
  const { panels } = assertSchema(
    Type.Object({ panels: Type.Array(Type.Object({ title: Type.String() })) }),
    JSON.parse(await readFile(join(root, 'docs/operate/dashboard.json'), 'utf8'))
  )
  const titles = new Set(panels.map(({ title }) => title))
  const messages = readSources('src/**/*.ts').flatMap(literals)
  const prose = page.text.replace(/^\|.*$/gm, '').replaceAll('\n', ' ')
  for (const [, message = ''] of prose.matchAll(/`"([^"]+)"`/g)) {
    t.ok(messages.some(text => text.includes(message)), message)
  }
  const quoted = [...prose.replace(/`[^`]*`/g, '').matchAll(/"([A-Z][^"]*)"/g)].map(([, title = '']) => title)
  t.ok(quoted.length > 10)
  for (const title of quoted) t.ok(titles.has(title), title)
})
