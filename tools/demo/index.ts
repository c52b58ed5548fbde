/**
 * `npm run demo`: the service as it runs in production, with a page to try it on, in a process of its own, against the emulator in this
 * one. It knows the service only by its command and its environment.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startEmulator } from '../emulator/emulator.ts'

const emulator = await startEmulator()
const service = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL('service.ts', import.meta.url))], {
  stdio: ['ignore', 'pipe', 'inherit'],
  // Ctrl-C reaches every process of the terminal's group; twice would mean to the service that its patience is over.
  detached: true,
  env: {
    ...process.env,
    PROCORE_API_URL: emulator.url,
    PROCORE_LOGIN_URL: emulator.url,
    PROCORE_CLIENT_ID: emulator.settings.clientId,
    PROCORE_CLIENT_SECRET: emulator.settings.clientSecret,
    CALLER_AUTH: 'none',
  },
})

createInterface({ input: service.stdout }).on('line', line => {
  process.stdout.write(`${line}\n`)
  const url = parseListeningUrl(line)
  if (url !== undefined) process.stdout.write(welcomeMessage(url))
})
service.once('exit', code => {
  process.exitCode = code ?? 1
  emulator.close()
})
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => service.kill(signal))

function parseListeningUrl (line: string): string | undefined {
  try {
    const { msg, url } = JSON.parse(line)
    return msg === 'listening' ? String(url) : undefined
  } catch {
    return undefined
  }
}

function welcomeMessage (url: string): string {
  return `
Create a user in the browser: ${url}/demo

The service is at ${url}, against an emulated Procore at ${emulator.url}. Paste:

  curl -s ${url}/companies/1234/users -H 'content-type: application/json' \\
    -d '{"user":{"first_name":"Jane","last_name":"Doe","email_address":"jane.doe@example.com"}}'

  curl -s ${url}/companies/1234/users -F 'user[avatar]=@docs/avatar.png' \\
    -F 'user[last_name]=Doe' -F 'user[email_address]=jane@example.com'

What Procore received: ${emulator.url}/__emulator/requests

`
}
