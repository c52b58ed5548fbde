// What .ci/run prints.
import { execFile } from 'node:child_process'
import { chmod } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import t from 'tap'
import { inheritedEnv, root } from '../helpers/spawn-program.ts'

/** The lines that tap prints for two files, of which the second has a failed assertion and an exit code. */
const tapOutput = `TAP version 14
1..2
# Subtest: test/a.test.ts
    ok 1 - fine
    not ok 2 - later # TODO
    1..2
ok 1 - test/a.test.ts # time=2.5ms

# Subtest: test/b.test.ts
    # Subtest: a user
        ok 1 - exists
        not ok 2 - should be equal
          ---
          diff: |
            -2
            +1
          ...
        
        1..2
    not ok 1 - a user # time=57.8ms
      ---
      source: >
        t.test('a user')
      ...
    
    1..1
not ok 2 - test/b.test.ts # time=98.2ms
  ---
  exitCode: 1
  ...

# { total: 4, pass: 3, fail: 1 }
`

const summary = `
Failures in test/b.test.ts
        not ok 2 - should be equal
          ---
          diff: |
            -2
            +1
          ...
    not ok 1 - a user # time=57.8ms
not ok 2 - test/b.test.ts # time=98.2ms
  ---
  exitCode: 1
  ...
`

for (const [name, exitCode, output] of [
  ['if npm test fails, .ci/run prints the failures last and has its exit code', 7, tapOutput + summary],
  ['if npm test succeeds, .ci/run prints nothing more', 0, tapOutput],
] as const) {
  t.test(name, async t => {
    // A server without a program that the tests need must install nothing here.
    const programs = t.testdir({
      npm: `#!/bin/sh\n[ "$1" = ci ] || { cat "$(dirname "$0")/output"; exit ${exitCode}; }\n`,
      'apt-get': '#!/bin/sh\n',
      helm: '#!/bin/sh\n',
      output: tapOutput,
    })
    for (const program of ['npm', 'apt-get', 'helm']) await chmod(join(programs, program), 0o755)
    const env = { ...inheritedEnv, PATH: `${programs}${delimiter}${inheritedEnv['PATH']}` }
    const run = await new Promise(resolve => {
      execFile(join(root, '.ci/run'), { env }, (error, stdout) => resolve({ code: error?.code ?? 0, stdout }))
    })
    t.strictSame(run, { code: exitCode, stdout: output })
  })
}
