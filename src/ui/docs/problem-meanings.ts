/** Says what each problem code means and what the caller can do. The texts are those of docs/errors.md. */
import type { Outcome, ProblemCode } from '../../server/problem.ts'

/** Text in backquotes is code. */
export const problemMeanings: Readonly<Record<ProblemCode, string>> = {
  malformed_json: 'The body is not JSON in UTF-8.',
  malformed_form:
    'The form is truncated or ambiguous: missing boundary or closing delimiter, bad part headers, more than 64 ' +
    'parts.',
  malformed_csv:
    'The CSV file of an import is not UTF-8, or is ambiguous: a quote is not closed, or text follows a closing ' +
    'quote. Nothing from the row in `detail` on was imported.',
  bad_request:
    'The request is not valid HTTP, or its URL cannot be parsed. With status 414 or 431 the URL or the headers ' +
    'are too long.',
  unauthenticated: 'The request has no valid JWT of the caller.',
  company_not_allowed: 'The company is not allowed (`PROCORE_COMPANY_IDS`, or the JWT\'s own companies).',
  operation_not_allowed:
    'The caller\'s scope does not include this operation, or a change of `email_address` or `is_active`.',
  template_not_allowed:
    'Callers may not assign this permission template, or change or invite a user who has another one.',
  origin_not_allowed:
    'With `CALLER_AUTH=none`: a page of an origin that is not in `CORS_ORIGINS` sent a change. Or `Host` is not ' +
    'in `ALLOWED_HOSTS`.',
  not_found: 'The route does not exist, or the user has no avatar.',
  method_not_allowed: 'The route does not have this method. `Allow` lists its methods.',
  request_timeout: 'The body paused, lasted too long or arrived at less than 1 KiB/s. The connection is closed.',
  idempotency_in_progress: 'A request with the same idempotency key is in flight.',
  import_in_progress: 'Another import into the same company is in progress.',
  body_too_large: 'The JSON body exceeds `JSON_MAX_BYTES`.',
  avatar_too_large:
    'The avatar exceeds `AVATAR_MAX_BYTES` or `AVATAR_MAX_PIXELS`, or the form is too large to be valid.',
  unsupported_media_type:
    'The body is neither JSON nor a form, has a charset other than UTF-8 or US-ASCII, or has a Content-Encoding; ' +
    'or a text of a form has a charset other than UTF-8, US-ASCII, ISO-8859-1 and Windows-1252.',
  avatar_type:
    'The avatar\'s content is not one of the five image types, its header is incomplete, it consists of too many ' +
    'small pieces, one of its parts declares an impossible length, or it is a camera\'s raw file. Its declared ' +
    'type is ignored. `detail` names HEIC, WebP, AVIF, SVG and other known types, and says what the person can ' +
    'do.',
  validation_failed: '`errors` lists all invalid inputs of path, query and body. Nothing was sent.',
  idempotency_key_reused: 'The idempotency key was used for a different request.',
  procore_rate_limited:
    'Procore\'s rate limit, or the caller\'s share of it, is exhausted. Wait as long as `Retry-After` says, at most ' +
    'an hour.',
  too_many_requests:
    'This caller sends too many requests, bodies, uploads or requests for avatars, or does not read its ' +
    'responses.',
  procore_rejected:
    'Procore rejected the request with this 4xx. `errors` has its messages, `procore` its response (up to 64 KiB ' +
    'and 16 nested levels). `detail` contains the first message that names no field.',
  internal: 'An error in this service. The log has it under `request_id`.',
  procore_unreachable: 'No connection to Procore, or it was lost before a response.',
  procore_unauthorized: 'Procore does not accept this service\'s credentials. The operator has to act.',
  procore_bad_response:
    'Procore\'s response cannot be used: broken, not JSON, a redirect, a 5xx. Or its avatar of a user cannot be ' +
    'fetched: `detail` says why.',
  procore_unavailable: 'Procore or its login host is down. `Retry-After` is set if the time is known.',
  identity_unavailable: 'The keys that verify callers are not available.',
  overloaded: 'This service has reached a limit. Send the request again in a moment.',
  stopping: 'This replica is stopping. Another one will serve the request.',
  procore_timeout: 'Procore did not respond in time.',
}

/** What an outcome means, and what to do. */
export const outcomeMeanings: Readonly<Record<Outcome, { meaning: string, remedy: string }>> = {
  not_sent: {
    meaning: 'Nothing complete was sent to Procore.',
    remedy: 'Send it again.',
  },
  rejected: {
    meaning: 'Procore rejected it and did nothing.',
    remedy: 'Correct the input, or wait as long as `Retry-After` says.',
  },
  unknown: {
    meaning: 'A complete request was sent, and no response says what happened.',
    remedy: 'Look in the directory before sending it again. An update may be sent again unchanged.',
  },
}
