// docs/architecture.md shows what `npm run flow` measures.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { readPage } from '../helpers/markdown.ts'
import { root } from '../helpers/spawn-program.ts'

const exec = promisify(execFile)
const page = readPage('docs/architecture.md')

/** Chunks of a body may arrive one by one or together, which enters a function more or less. */
const tolerance = 2

t.test('the table of the flows is what `npm run flow` prints', async t => {
  const { stdout } = await exec(process.execPath, ['tools/scripts/flow.ts'], { cwd: root })
  const documented = page.tableRows('request')
  const [, , ...measured] = stdout.trim().split('\n').map(row => row.split('|').slice(1, -1).map(cell => cell.trim()))
  t.strictSame(documented.map(([title]) => title), measured.map(([title]) => title))
  for (const [index, [title = '', ...counts]] of measured.entries()) {
    await t.test(`${title}: the files and functions`, async t => {
      for (const [column, count] of counts.entries()) {
        const difference = Math.abs(Number(count) - Number(documented[index]?.[column + 1]))
        t.ok(difference <= tolerance, `${count} are within ${tolerance} of the page`)
      }
    })
  }
})

t.test('the functions of each flow that the page names can be printed', async t => {
  const names = ['npm run flow -- create', 'key', 'buffered', 'streamed', 'unauthorized', 'lost']
  for (const name of names) t.match(page.text, `\`${name}\``)
  const { stdout } = await exec(process.execPath, ['tools/scripts/flow.ts', 'create'], { cwd: root })
  t.match(stdout, /^procore\/classify\.ts: classify/m)
})
