import type { UpstreamSuccess } from '../procore/result.ts'
import type { Send } from './context.ts'

/**
 * Returns the function of an endpoint that only validates: it reads the body to its end, sends nothing to Procore and
 * returns `dryRunResponse`.
 */
export function dryRun (dryRunResponse: unknown): Send {
  const success: UpstreamSuccess = {
    kind: 'success',
    status: 200,
    contentType: 'application/json; charset=utf-8',
    body: Buffer.from(JSON.stringify(dryRunResponse)),
    recordId: undefined,
  }
  return async ({ body }) => {
    body.drain()
    const validation = await body.validated
    return validation.kind === 'valid' ? success : { kind: 'failure', error: validation.reason }
  }
}
