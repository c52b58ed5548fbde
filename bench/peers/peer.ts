/** Shared by the peers: the upstream, the access token and the log line with their address. */
import type { Server } from 'node:http'
import { getPort } from '../../test/helpers/listen.ts'

/** URL of the upstream that replaces Procore's API. */
export const upstreamUrl = process.env['UPSTREAM'] ?? ''
/** Access token that the peers send upstream. They do not request one. */
export const accessToken = 'token'

// Node writes a CPU profile only when the process exits in an orderly way.
process.once('SIGTERM', () => process.exit(0))

/** Writes the address to standard output, in the format of the service's log. */
export function logListening (server: Server): void {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${getPort(server)}` })}\n`)
}
