/** What the peers have in common: where they send to, and how they say where they listen. */
import type { Server } from 'node:http'
import { portOf } from '../../test/helpers/listen.ts'

export const upstream = process.env['UPSTREAM'] ?? ''
export const token = 'token'

// A profile is written when the process ends in order.
process.once('SIGTERM', () => process.exit(0))

export function listening (server: Server): void {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${portOf(server)}` })}\n`)
}
