/** Messages for people, one for each kind of failure. An application replaces or translates any of them. */
import { ProblemError, type Failure, type NetworkReason } from './errors.ts'
import type { Outcome, ProblemCode } from './operation.ts'

/** The code of a problem, the reason of a network error, or an outcome, whose message follows that of the failure. */
export type MessageKey = ProblemCode | NetworkReason | Outcome

export type Messages = Readonly<Record<MessageKey, string>>

export const defaultMessages: Messages = {
  malformed_json: 'The request could not be read. Report this error.',
  malformed_form: 'The form could not be read. Report this error.',
  malformed_csv: 'The file could not be read. Save it as "CSV UTF-8" and send it again.',
  bad_request: 'The request could not be read. Report this error.',
  unauthenticated: 'You are not signed in, or your session has ended. Sign in and try again.',
  company_not_allowed: 'You do not have access to this company.',
  operation_not_allowed: 'You do not have permission to do this.',
  template_not_allowed: 'You do not have permission to assign this permission template, or to change this person.',
  origin_not_allowed: 'This page does not have access to the service.',
  not_found: 'This does not exist.',
  method_not_allowed: 'The service does not support this. Report this error.',
  request_timeout: 'Your data did not arrive in time. Check your connection and try again.',
  import_in_progress: 'Another import is in progress. Wait until it has ended and try again.',
  idempotency_in_progress: 'This is being processed already. Wait a moment and try again.',
  body_too_large: 'The form contains too much text. Shorten it.',
  avatar_too_large: 'The picture is too large. Choose a smaller one.',
  unsupported_media_type: 'The service does not support data of this type. Report this error.',
  avatar_type: 'The picture is not usable. Choose a PNG, JPEG, GIF, BMP or TIFF image.',
  validation_failed: 'Some fields are not valid. Correct them and try again.',
  idempotency_key_reused: 'The form was changed after it was sent. Try again.',
  procore_rate_limited: 'Procore receives too many requests at the moment. Try again later.',
  too_many_requests: 'You have sent too many requests. Wait a moment and try again.',
  procore_rejected: 'Procore did not accept this.',
  internal: 'An unexpected error occurred. Report this error if it occurs again.',
  procore_unreachable: 'Procore could not be reached.',
  procore_unauthorized: 'Procore does not accept the credentials of this service. Report this error.',
  procore_bad_response: 'Procore sent a response that cannot be used.',
  procore_unavailable: 'Procore is not available at the moment.',
  identity_unavailable: 'Your sign-in could not be checked. Try again in a moment.',
  overloaded: 'The service is busy. Try again in a moment.',
  stopping: 'The service is restarting. Try again in a moment.',
  procore_timeout: 'Procore did not respond in time.',
  connection: 'The connection to the service was lost or could not be made. Check your connection.',
  timeout: 'The service did not respond in time.',
  response: 'The response does not come from the service. Report this error if it occurs again.',
  incomplete: 'The connection was lost during the import. Resume it to see the remaining rows.',
  not_sent: 'Nothing was saved.',
  rejected: 'Nothing was saved.',
  unknown: 'It is not known whether it was saved.',
}

/**
 * Returns the message of a failure, and what became of the request. A code that this version of the client does not
 * have is described by the service itself.
 */
export function describeFailure (failure: Failure, messages: Partial<Messages> = {}): string {
  const table: Partial<Messages> = { ...defaultMessages, ...messages }
  const key = failure instanceof ProblemError ? failure.code : failure.reason
  const outcome = failure.outcome === undefined ? undefined : table[failure.outcome]
  return [table[key] ?? failure.message, outcome].filter(sentence => sentence !== undefined).join(' ')
}
