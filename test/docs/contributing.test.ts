// CONTRIBUTING, CHANGELOG and the decisions agree with the repository.
import { execFile } from 'node:child_process'
import { readdir, symlink } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { pagePaths, readPage } from '../helpers/markdown.ts'
import { root } from '../helpers/spawn-program.ts'

const exec = promisify(execFile)
const contributing = readPage('CONTRIBUTING.md')
const fences = contributing.text.matchAll(/^ *```sh\n([^]*?)\n *```$/gm)
const commands = [...fences].map(([, command = '']) => command.trim())
const [oneTest = ''] = commands

t.test('CONTRIBUTING has no command that this file does not know', async t => t.equal(commands.length, 1))

t.test('the command for one test runs it', async t => {
  // The runner removes the state of an earlier run. In the same folder that is the state of a run of all tests.
  const folder = t.testdir()
  for (const name of await readdir(root)) {
    if (name !== '.tap') await symlink(join(root, name), join(folder, name))
  }
  const { stdout } = await exec('bash', ['-c', oneTest], { cwd: folder })
  t.match(stdout, /^ok 1 /m)
})

t.test('every npm script that a page names exists', async t => {
  const scripts = new Set(Object.keys(packageJson.scripts))
  for (const path of pagePaths) {
    const names = [...readPage(path).text.matchAll(/npm run (?:-s )?([\w:]+)/g)].map(([, name = '']) => name)
    for (const name of names) t.ok(scripts.has(name), `${name} in ${path}`)
  }
})

t.test('every source file that a page names exists', async t => {
  const folders = ['', 'src']
  for (const path of pagePaths.filter(path => path !== 'docs/adding-an-endpoint.md')) {
    const files = [...readPage(path).text.matchAll(/`([\w./-]+\/[\w.-]+\.(?:ts|lua))`/g)].map(([, file = '']) => file)
    for (const file of files) t.ok(folders.some(folder => existsSync(join(root, folder, file))), `${file} in ${path}`)
  }
})

t.test('the glossary has at most 20 terms', async t => {
  const terms = contributing.tableRows('term')
  t.ok(terms.length > 0 && terms.length <= 20)
})

t.test('the newest version of the changelog is that of the package', async t => {
  const { text } = readPage('CHANGELOG.md')
  const versions = [...text.matchAll(/^## \[(.*?)\](?: - \d{4}-\d\d-\d\d)?$/gm)].map(([, version]) => version)
  t.strictSame(versions.slice(0, 2), ['Unreleased', packageJson.version])
  const kinds = [...text.matchAll(/^### (.*)$/gm)].map(([, kind = '']) => kind)
  const allowed = ['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security']
  t.strictSame(kinds.filter(kind => !allowed.includes(kind)), [])
})

t.test('every decision has the same sections and a link in the list', async t => {
  const list = readPage('docs/decisions/README.md').text
  for (const file of await readdir(join(root, 'docs/decisions'))) {
    if (file === 'README.md') continue
    t.test(file, async t => {
      const { text } = readPage(join('docs/decisions', file))
      t.ok(list.includes(`[${/^# (.*)$/m.exec(text)?.[1]}](${file})`))
      const sections = [...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title)
      t.strictSame(sections, ['Context', 'Decision', 'Evidence', 'Consequences', 'Revisit when'])
    })
  }
})
