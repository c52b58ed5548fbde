/**
 * Runs `npm run demo`: starts the emulator in this process, and the service with the demo page in a child process that
 * is configured by environment variables, as in production.
 */
import assert from 'node:assert'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startEmulator } from '../emulator/emulator.ts'
import { addExamples } from './examples.ts'

// Avatars then have URLs that a page cannot use, as at Procore.
const emulator = await startEmulator({ avatarAccess: 'access-token' })
addExamples(emulator)
/** Where development servers of frontends run: Next.js and others, Angular, Vite and its preview. */
const developmentPorts = [3000, 3001, 4200, 4173, 5173, 5174, 8080]
const developmentOrigins = ['localhost', '127.0.0.1']
  .flatMap(host => developmentPorts.map(port => `http://${host}:${port}`))
const servicePath = fileURLToPath(new URL('service.ts', import.meta.url))
const service = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', servicePath], {
  // The service stops when the channel closes, so that it does not outlive this process.
  stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  // Ctrl-C signals every process of the terminal's group, and the handler below forwards the signal. The service would
  // get it twice and exit at once; detached, it is in a group of its own.
  detached: true,
  env: {
    CORS_ORIGINS: developmentOrigins.join(','),
    ...process.env,
    PROCORE_API_URL: emulator.url,
    PROCORE_LOGIN_URL: emulator.url,
    PROCORE_CLIENT_ID: emulator.settings.clientId,
    PROCORE_CLIENT_SECRET: emulator.settings.clientSecret,
    PROCORE_FILE_ALLOW_LOOPBACK: 'true',
    CALLER_AUTH: 'none',
    // The demo page links to it.
    STATUS_PAGE: 'true',
  },
})

assert(service.stdout !== null)
createInterface({ input: service.stdout }).on('line', line => {
  process.stdout.write(`${line}\n`)
  const url = parseListeningUrl(line)
  if (url !== undefined) process.stdout.write(welcomeMessage(url))
})
// Nobody reads the output any longer, as after `npm run demo | head`.
process.stdout.on('error', () => service.kill('SIGTERM'))
service.once('exit', code => {
  process.exitCode = code ?? 1
  emulator.close()
})
// A terminal that closes sends SIGHUP.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => service.kill('SIGTERM'))

function parseListeningUrl (line: string): string | undefined {
  try {
    const entry: unknown = JSON.parse(line)
    if (typeof entry !== 'object' || entry === null || !('msg' in entry) || !('url' in entry)) return undefined
    return entry.msg === 'listening' ? String(entry.url) : undefined
  } catch {
    return undefined
  }
}

function welcomeMessage (url: string): string {
  return `
Create a user in the browser: ${url}/demo
Import people from a file:    ${url}/import
Read and try the API:         ${url}/docs
Watch the service:            ${url}/status

The service listens on ${url}, the emulated Procore on ${emulator.url}. Pages of development servers may call it:
the ports ${developmentPorts.join(', ')} of localhost (CORS_ORIGINS). Create a user with curl:

  curl -s ${url}/companies/1234/users -H 'content-type: application/json' \\
    -d '{"user":{"first_name":"Jane","last_name":"Doe","email_address":"jane.banner@example.com"}}'

  curl -s ${url}/companies/1234/users -F 'user[avatar]=@docs/avatar.png' \\
    -F 'user[last_name]=Doe' -F 'user[email_address]=jane.banner.form@example.com'

Requests received by Procore: ${emulator.url}/__emulator/requests

`
}
