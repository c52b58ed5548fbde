/** Runs the emulator as a program, configured by `EMULATOR_HOST`, `EMULATOR_PORT` and `EMULATOR_SETTINGS` (JSON). */
import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { startEmulator } from './emulator.ts'
import { SettingsSchema, type Settings } from './settings.ts'

const PartialSettingsSchema = Type.Partial(SettingsSchema)

const emulator = await startEmulator(parseSettingsOrExit(process.env['EMULATOR_SETTINGS'] ?? '{}'), {
  host: process.env['EMULATOR_HOST'] ?? '127.0.0.1',
  port: Number(process.env['EMULATOR_PORT'] ?? 4010),
})
process.stdout.write(`${JSON.stringify({ msg: 'listening', url: emulator.url })}\n`)
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => { emulator.close() })

function parseSettingsOrExit (text: string): Partial<Settings> {
  const settings = parseJson(text)
  const [issue] = Value.Errors(PartialSettingsSchema, settings)
  if (issue === undefined && Value.Check(PartialSettingsSchema, settings)) return settings
  process.stderr.write(`EMULATOR_SETTINGS${issue?.path ?? ''}: ${issue?.message ?? 'must be valid'}\n`)
  process.exit(1)
}

function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
