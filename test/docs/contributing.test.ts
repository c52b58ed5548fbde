// CONTRIBUTING.md, CHANGELOG.md and the decisions: their commands work, the version is the package's, and no page is left out.
import { execFile } from 'node:child_process'
import { cp, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { root } from '../helpers/spawn-program.ts'
import { codeBlocks } from '../helpers/readme.ts'

const exec = promisify(execFile)
const read = (file: string) => readFile(join(root, file), 'utf8')
const contributing = await read('CONTRIBUTING.md')
const [oneTest = '', style = '', release = ''] = [...contributing.matchAll(/^ *```sh\n([^]*?)\n *```$/gm)].map(([, command = '']) => command.trim())

t.test('the command for one test runs one', async t => {
  const { stdout } = await exec('bash', ['-c', oneTest], { cwd: root })
  t.match(stdout, /^ok 1 /m)
})

t.test('the command for a version gives it to the package', async t => {
  const copy = t.testdir()
  for (const file of ['package.json', 'package-lock.json']) await cp(join(root, file), join(copy, file))
  const [version = '', openapi = ''] = release.split(' && ')
  await exec('bash', ['-c', version], { cwd: copy })
  t.equal(JSON.parse(await readFile(join(copy, 'package.json'), 'utf8')).version, /\d+\.\d+\.\d+/.exec(version)?.[0])
  t.ok(codeBlocks('sh').includes(openapi), 'as test/docs/readme.test.ts runs it')
})

t.test('every script of npm that is named exists, and so does every file of the way of a request', async t => {
  const scripts = new Set(Object.keys(packageJson.scripts))
  for (const [, name = ''] of contributing.matchAll(/npm run (?:-s )?([\w:]+)/g)) t.ok(scripts.has(name), name)
  t.equal(style, 'npm run style', 'whose page test/repository/tidy.test.ts compares')
  const files = new Set(await readdir(join(root, 'src'), { recursive: true }))
  const names = new Set([...files].map(path => path.slice(path.lastIndexOf('/') + 1)))
  for (const [, path = ''] of contributing.matchAll(/`([\w/-]+\.ts)`/g)) t.ok(path.startsWith('test/') || files.has(path) || names.has(path), path)
})

t.test('the newest version of the changelog is the package\'s', async t => {
  const changelog = await read('CHANGELOG.md')
  const [first, second] = [...changelog.matchAll(/^## \[(.*?)\](?: - \d{4}-\d\d-\d\d)?$/gm)].map(([, version]) => version)
  t.strictSame([first, second], ['Unreleased', packageJson.version])
  const kinds = [...changelog.matchAll(/^### (.*)$/gm)].map(([, kind]) => kind)
  t.strictSame(kinds.filter(kind => !['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'].includes(kind ?? '')), [])
})

t.test('every decision has a page of one form, to which the list leads', async t => {
  const list = await read('docs/decisions/README.md')
  for (const file of await readdir(join(root, 'docs/decisions'))) {
    if (file === 'README.md') continue
    const page = await read(join('docs/decisions', file))
    t.ok(list.includes(`[${/^# (.*)$/m.exec(page)?.[1]}](${file})`), file)
    t.strictSame([...page.matchAll(/^\*\*(The question|The choice|Known and measured|What would change it)\.\*\*/gm)].map(([, part]) => part), ['The question', 'The choice', 'Known and measured', 'What would change it'], file)
  }
})
