// What comes from others: every package of the lock file has its digest, and SECURITY.md names tests that are there.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../helpers/spawn-program.ts'

t.test('every package in the lock file has a digest, and none comes from elsewhere than a registry', async t => {
  const { packages }: { packages: Record<string, { integrity?: string, resolved?: string, link?: boolean, inBundle?: boolean }> } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const others = Object.entries(packages).filter(([path]) => path !== '')
  t.ok(others.length > 100)
  t.strictSame(others.filter(([, { integrity, inBundle }]) => integrity === undefined && inBundle !== true).map(([path]) => path), [])
  t.strictSame(others.filter(([, { resolved, link }]) => link === true || (resolved !== undefined && !/^https:\/\/[^/]+\/.+\.tgz$/.test(resolved))).map(([path]) => path), [])
})

t.test('the tests that SECURITY.md names are there', async t => {
  const names = [...readFileSync(join(root, 'SECURITY.md'), 'utf8').matchAll(/\]\((test\/[^)]+)\)/g)].map(match => match[1] ?? '')
  t.ok(names.length > 20)
  t.strictSame(names.filter(name => !existsSync(join(root, name))), [])
})
