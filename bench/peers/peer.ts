/** What the peers have in common: where they send to, and how they say where they listen. */
import type { Server } from 'node:http'
import { portOf } from '../../test/helpers/listen.ts'

/** The address that stands for Procore's API. */
export const upstream = process.env['UPSTREAM'] ?? ''
/** What a peer sends as its token; it asks nobody for one. */
export const token = 'token'

// A profile is written when the process ends in order.
process.once('SIGTERM', () => process.exit(0))

/** Says on standard output that it listens, as the service does in its log. */
export function listening (server: Server): void {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${portOf(server)}` })}\n`)
}
