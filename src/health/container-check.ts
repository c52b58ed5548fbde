/** The container's health check, as a program: exit status 0 when `/livez` of the service beside it answers 200. */
import { limits } from '../config/limits.ts'

const host = process.env['HOST'] ?? '127.0.0.1'
const address = host === '0.0.0.0' || host === '' ? '127.0.0.1' : host.includes(':') ? (host === '::' ? '[::1]' : `[${host}]`) : host

try {
  const response = await fetch(`http://${address}:${process.env['PORT'] ?? '3000'}/livez`, { signal: AbortSignal.timeout(limits.server.healthcheckTimeoutMs) })
  process.exitCode = response.status === 200 ? 0 : 1
} catch {
  process.exitCode = 1
}
