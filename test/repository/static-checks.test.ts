// Types, style, layers and unused code are checked as one test file, so that the waits of other files are used for it.
import { execFile } from 'node:child_process'
import t from 'tap'
import { root } from '../helpers/spawn-program.ts'

for (const script of ['typecheck', 'lint']) {
  t.test(`npm run ${script} finds nothing`, async t => t.equal(await findProblems(script), ''))
}

/** Returns the output of the script if it fails. */
function findProblems (script: string): Promise<string> {
  return new Promise(resolve => {
    execFile('npm', ['run', '--silent', script], { cwd: root, maxBuffer: 10_000_000 }, (error, stdout, stderr) => {
      resolve(error === null ? '' : `${error.message}\n${stdout}${stderr}`)
    })
  })
}
