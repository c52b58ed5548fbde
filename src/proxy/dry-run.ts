/** Where a request ends that is only to be judged: its body is read to the end and goes nowhere, and it is told that it is valid. */
import type { UpstreamSuccess, UpstreamResult } from '../procore/interpret.ts'
import type { ValidatedBody } from './context.ts'

/** @param says what is told */
export function dryRun (says: unknown): (outgoing: ValidatedBody) => Promise<UpstreamResult> {
  const valid: UpstreamSuccess = { kind: 'success', status: 200, contentType: 'application/json; charset=utf-8', body: Buffer.from(JSON.stringify(says)), recordId: undefined }
  return async outgoing => {
    outgoing.drain()
    // A form that turns out to be faulty ends where it is read.
    await outgoing.validated
    return valid
  }
}
