/**
 * Runs the container's health check: exits with 0 if `/livez` of the service in the same container returns 200, else
 * with 1.
 */
import { limits } from '../config/limits.ts'

const host = process.env['HOST'] ?? '127.0.0.1'
const port = process.env['PORT'] ?? '3000'

try {
  const signal = AbortSignal.timeout(limits.server.healthcheckTimeoutMs)
  const response = await fetch(`http://${toLocalAddress(host)}:${port}/livez`, { signal })
  process.exitCode = response.status === 200 ? 0 : 1
} catch {
  process.exitCode = 1
}

/** Returns the address to connect to, as a URL's host: the loopback address if the service listens on all addresses. */
function toLocalAddress (listenHost: string): string {
  if (listenHost === '' || listenHost === '0.0.0.0') return '127.0.0.1'
  if (listenHost === '::') return '[::1]'
  return listenHost.includes(':') ? `[${listenHost}]` : listenHost
}
