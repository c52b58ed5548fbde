/** What the peers have in common: where they send to, and how they say where they listen. */
import type { Server } from 'node:http'
import { getPort } from '../../test/helpers/listen.ts'

/** The address that stands for Procore's API. */
export const upstreamUrl = process.env['UPSTREAM'] ?? ''
/** What a peer sends as its token; it asks nobody for one. */
export const accessToken = 'token'

// A profile is written when the process ends in order.
process.once('SIGTERM', () => process.exit(0))

/** Says on standard output that it listens, as the service does in its log. */
export function logListening (server: Server): void {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${getPort(server)}` })}\n`)
}
