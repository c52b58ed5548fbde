// The workflows of GitHub and the configuration of Renovate: permissions, versions, and the files that they run.
import { access, constants, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { parse } from 'yaml'
import { assertSchema } from '../helpers/assert-schema.ts'
import { root } from '../helpers/spawn-program.ts'

const PermissionsSchema = Type.Record(Type.String(), Type.Union([Type.Literal('read'), Type.Literal('write')]))
const StepSchema = Type.Object({
  uses: Type.Optional(Type.String()),
  run: Type.Optional(Type.String()),
  with: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
})
const WorkflowSchema = Type.Object({
  name: Type.String(),
  on: Type.Record(Type.String(), Type.Unknown()),
  permissions: PermissionsSchema,
  jobs: Type.Record(Type.String(), Type.Object({
    uses: Type.Optional(Type.String()),
    container: Type.Optional(Type.String()),
    'timeout-minutes': Type.Optional(Type.Integer()),
    permissions: Type.Optional(PermissionsSchema),
    steps: Type.Optional(Type.Array(StepSchema)),
  })),
})

const folder = '.github/workflows'
const workflows = new Map(await Promise.all((await readdir(join(root, folder))).map(async file => {
  return [file, assertSchema(WorkflowSchema, parse(await readFile(join(root, folder, file), 'utf8')))] as const
})))
/** The only jobs that may write, and what. */
const mayWrite = new Map([
  ['release.yml publish', ['contents', 'packages', 'id-token']],
  ['security.yml codeql', ['security-events']],
  ['security.yml scorecard', ['security-events']],
])

for (const [file, { permissions, jobs }] of workflows) {
  t.test(`${file} reads the repository by default, and a job writes only what it publishes`, async t => {
    t.strictSame(permissions, { contents: 'read' })
    for (const [name, job] of Object.entries(jobs)) {
      const written = Object.entries(job.permissions ?? {}).filter(([, access]) => access === 'write')
      t.strictSame(written.map(([scope]) => scope), mayWrite.get(`${file} ${name}`) ?? [], name)
    }
  })

  t.test(`the jobs of ${file} end, and keep no credentials in the checkout`, async t => {
    for (const [name, { uses, steps = [], 'timeout-minutes': timeout }] of Object.entries(jobs)) {
      t.ok(uses !== undefined || timeout !== undefined, name)
      for (const step of steps.filter(({ uses = '' }) => uses.startsWith('actions/checkout@'))) {
        t.strictSame(step.with, { 'persist-credentials': false }, name)
      }
    }
  })

  t.test(`the actions of ${file} have a version or a commit`, async t => {
    for (const { uses, steps = [] } of Object.values(jobs)) {
      for (const action of [uses, ...steps.map(({ uses }) => uses)].filter(action => action !== undefined)) {
        if (action.startsWith('./')) await t.resolves(access(join(root, action)), action)
        else t.match(action, /^[\w-]+\/[\w/-]+@(?:v\d+(?:\.\d+\.\d+)?|[0-9a-f]{40})$/)
      }
    }
  })

  t.test(`the scripts of ${file} contain no expression, which a branch name could turn into a command`, async t => {
    const scripts = Object.values(jobs).flatMap(({ steps = [] }) => steps.map(({ run = '' }) => run))
    for (const script of scripts) t.notMatch(script, '${{')
  })
}

t.test('pushes, pull requests and releases run .ci/run, with the pinned Node', async t => {
  const { on, jobs } = workflows.get('ci.yml') ?? {}
  t.strictSame(Object.keys(on ?? {}), ['push', 'pull_request', 'workflow_call'])
  t.ok(jobs?.['test']?.steps?.some(({ run }) => run === '.ci/run'))
  await access(join(root, '.ci/run'), constants.X_OK)
  t.equal(jobs?.['test']?.container?.split('@')[0], `node:${packageJson.devDependencies.node}-bookworm`)
  t.equal(workflows.get('release.yml')?.jobs['test']?.uses, './.github/workflows/ci.yml')
})

t.test('a release is published after its tests, for a tag with the version of the package', async t => {
  const { on, jobs } = workflows.get('release.yml') ?? {}
  t.strictSame(on, { push: { tags: ['v*'] } })
  t.match(jobs?.['publish'], { needs: 'test' })
})

t.test('Renovate pins images and actions by digest, and keeps all copies of Node equal', async t => {
  t.match(JSON.parse(await readFile(join(root, 'renovate.json'), 'utf8')), {
    extends: ['config:recommended', 'docker:pinDigests', 'helpers:pinGitHubActionDigests', 'schedule:monthly'],
    packageRules: [{ matchPackageNames: ['node'], groupName: 'Node' }],
  })
})
