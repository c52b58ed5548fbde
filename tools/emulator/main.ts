/** Runs the emulator as a program, configured by `EMULATOR_HOST`, `EMULATOR_PORT` and `EMULATOR_SETTINGS` (JSON). */
import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { startEmulator } from './emulator.ts'
import { SettingsSchema, type Settings } from './settings.ts'

const PartialSettingsSchema = Type.Partial(SettingsSchema)

const host = process.env['EMULATOR_HOST'] ?? '127.0.0.1'
const port = process.env['EMULATOR_PORT'] ?? '4010'
const settings = parseSettingsOrExit(process.env['EMULATOR_SETTINGS'] ?? '{}')
const emulator = await startEmulator(settings, { host, port: Number(port) }).catch(exitOnListenError)
process.stdout.write(`${JSON.stringify({ msg: 'listening', url: emulator.url })}\n`)
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => { emulator.close() })

function parseSettingsOrExit (text: string): Partial<Settings> {
  const settings = parseJson(text)
  const [issue] = Value.Errors(PartialSettingsSchema, settings)
  if (issue === undefined && Value.Check(PartialSettingsSchema, settings)) return settings
  process.stderr.write(`EMULATOR_SETTINGS${issue?.path ?? ''}: ${issue?.message ?? 'must be valid'}\n`)
  process.exit(1)
}

function exitOnListenError (error: unknown): never {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  const reason = code === 'EADDRINUSE'
    ? `port ${port} of ${host} is in use by another program (${code}). ` +
      'Stop that program, or set EMULATOR_PORT to a free port'
    : `cannot listen on port ${port} of ${host} (${code})`
  process.stderr.write(`EMULATOR_HOST, EMULATOR_PORT: ${reason}\n`)
  process.exit(1)
}

function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
