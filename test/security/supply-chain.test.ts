// Every package of the lock file has a digest, and the security pages name tests that exist.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../helpers/spawn-program.ts'

interface LockedPackage {
  integrity?: string
  resolved?: string
  link?: boolean
  inBundle?: boolean
}

interface LockFile {
  packages?: Record<string, LockedPackage>
}

function readLockFile (): LockFile {
  const lockFile: unknown = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  if (typeof lockFile !== 'object' || lockFile === null) throw new TypeError('the lock file is not an object')
  return lockFile
}

t.test('every package in the lock file has a digest and comes from a registry', async t => {
  const ownPaths = ['', 'client', 'node_modules/procore-bff-client']
  const dependencies = Object.entries(readLockFile().packages ?? {}).filter(([path]) => !ownPaths.includes(path))
  t.ok(dependencies.length > 100)
  const withoutDigest = dependencies.filter(([, { integrity, inBundle }]) => {
    return integrity === undefined && inBundle !== true
  })
  t.strictSame(withoutDigest.map(([path]) => path), [])
  const fromElsewhere = dependencies.filter(([, { resolved, link }]) => {
    return link === true || (resolved !== undefined && !/^https:\/\/[^/]+\/.+\.tgz$/.test(resolved))
  })
  t.strictSame(fromElsewhere.map(([path]) => path), [])
})

for (const page of ['SECURITY.md', 'docs/security-checklist.md']) {
  t.test(`the tests that ${page} names exist`, async t => {
    const text = readFileSync(join(root, page), 'utf8')
    const paths = [...text.matchAll(/\]\((?:\.\.\/)?(test\/[^)]+)\)/g)].map(match => match[1] ?? '')
    t.ok(paths.length > 20)
    t.strictSame(paths.filter(path => !existsSync(join(root, path))), [])
  })
}
