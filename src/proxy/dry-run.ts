import type { UpstreamSuccess, UpstreamResult } from '../procore/interpret.ts'
import type { ValidatedBody } from './context.ts'

/**
 * Creates the handler of an endpoint that only validates: it reads the body to its end, sends nothing to Procore and
 * responds with `dryRunResponse`.
 */
export function dryRun (dryRunResponse: unknown): (requestBody: ValidatedBody) => Promise<UpstreamResult> {
  const success: UpstreamSuccess = {
    kind: 'success',
    status: 200,
    contentType: 'application/json; charset=utf-8',
    body: Buffer.from(JSON.stringify(dryRunResponse)),
    recordId: undefined,
  }
  return async requestBody => {
    requestBody.drain()
    // Never resolves for an invalid form: the form reader, which races with this handler, throws the problem.
    await requestBody.validated
    return success
  }
}
