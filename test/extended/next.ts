// Installs the packed client in a new Next.js project, builds it with `next build`, and creates a user with its page.
// `npm run test:extended` runs it. `npm test` does not, because Next.js has 370 MB and needs half a minute of two
// cores.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { openPage } from '../helpers/browser.ts'
import { findExample, installPackages, packClient, run } from '../helpers/client-package.ts'
import { gif } from '../helpers/images.ts'
import { startService } from '../helpers/service.ts'

/** Without the template's fonts, which `next build` would download. */
const layout = `export default function RootLayout ({ children }: { children: React.ReactNode }) {
  return <html lang="en"><body>{children}</body></html>
}
`

/** Starts `next start` on a free port, and returns its origin. */
async function startNext (t: Test, project: string): Promise<string> {
  const next = join(project, 'node_modules/next/dist/bin/next')
  const child = spawn(process.execPath, [next, 'start', '--hostname', '127.0.0.1', '--port', '0'], { cwd: project })
  t.teardown(async () => {
    child.kill()
    await once(child, 'exit')
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const [origin] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? []
    if (origin !== undefined) return origin
  }
  throw new Error('Next.js did not start.')
}

t.test('a new Next.js project builds, and its page creates a user', async t => {
  const { directory, tarball } = await packClient()
  const create = ['create', '--yes', '--prefer-offline', 'next-app@16', 'next', '--']
  await run(directory, 'npm', [
    ...create, '--yes', '--ts', '--app', '--no-tailwind', '--no-eslint', '--no-src-dir', '--use-npm', '--skip-install',
    '--disable-git',
  ])
  const project = join(directory, 'next')
  await installPackages(project, [tarball, '@tanstack/react-query@5'])
  await writeFile(join(project, 'app/layout.tsx'), layout)
  // While Next.js prerenders the page, there is no location.
  const example = findExample('tsx', 'src/App.tsx', 'globalThis.location?.hash.slice(1)')
  await writeFile(join(project, 'app/page.tsx'), `'use client'\n${example}`)
  await run(project, 'npm', ['run', 'build'])

  const origin = await startNext(t, project)
  const { url, emulator } = await startService(t, { env: { CORS_ORIGINS: origin } })
  const { page, errors } = await openPage(t)
  await page.goto(`${origin}/#${url}`)
  await page.fill('[name=last_name]', 'Doe')
  await page.fill('[name=email_address]', 'jane@example.com')
  await page.setInputFiles('[name=avatar]', { name: 'jane.gif', mimeType: 'image/gif', buffer: gif() })
  await page.click('text=Create user')
  await page.waitForSelector('[role=status]:has-text("Doe has the id")')
  t.match(emulator.api.directory.list(1234), [{ avatar: gif() }])
  t.strictSame(errors, [])
})
