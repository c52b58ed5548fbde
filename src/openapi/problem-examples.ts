/**
 * Every problem answer that an endpoint can have, with an example for each of its codes, grouped by status as OpenAPI wants them.
 * The examples are made by what makes the answers; it knows none that was given.
 */
import type { Endpoint } from '../endpoints/endpoint.ts'
import { problemBody, problemCodes, problemTable, Problem, type ProblemCode, type ProblemExtras } from '../server/problem.ts'

interface ProblemResponse {
  description: string
  content: { 'application/problem+json': { schema: { $ref: string }, examples: Record<string, { summary: string, value: unknown }> } }
}

const exampleId = '3f0c4c0e-8f4b-4f6e-9d0e-2b1a7c5d9e10'

/** What an example of a code has beside what all problems have. */
const exampleExtras: Partial<Record<ProblemCode, ProblemExtras>> = {
  validation_failed: {
    errors: [
      { in: 'body', pointer: '/user/email_address', field: 'user[email_address]', rule: 'format', message: 'must be an e-mail address' },
      { in: 'body', pointer: '/user/nickname', field: 'user[nickname]', rule: 'unknown', message: 'is not a known field' },
    ],
  },
  procore_rejected: {
    outcome: 'rejected',
    errors: [{ in: 'body', pointer: '/user/email_address', field: 'user[email_address]', rule: 'procore', message: 'has already been taken' }],
    procore: { status: 422, body: { errors: { email_address: ['has already been taken'] } } },
  },
  procore_rate_limited: { outcome: 'rejected' },
  procore_unreachable: { outcome: 'not_sent' },
  procore_unauthorized: { outcome: 'not_sent' },
  procore_bad_response: { outcome: 'unknown' },
  procore_unavailable: { outcome: 'rejected' },
  procore_timeout: { outcome: 'unknown' },
}

type EndpointTraits = Pick<Endpoint, 'body' | 'effect' | 'acceptsIdempotencyKey' | 'dryRunResponse'>

/** What only some endpoints can come to, by what they are. What is only judged is not sent, and uses no key up. */
function canReturn (code: ProblemCode, { body, acceptsIdempotencyKey, dryRunResponse }: EndpointTraits): boolean {
  if (dryRunResponse !== undefined && /^(?:procore|idempotency)_/.test(code)) return false
  switch (code) {
    case 'malformed_json': case 'malformed_form': case 'body_too_large': case 'unsupported_media_type': case 'request_timeout': return body !== undefined
    case 'avatar_type': case 'avatar_too_large': return body?.image !== undefined
    case 'template_not_allowed': return body?.restricted !== undefined
    case 'idempotency_in_progress': case 'idempotency_key_reused': return acceptsIdempotencyKey === true
    default: return true
  }
}

/** By status, or `4XX` for those that have Procore's own. */
export function buildProblemResponses (endpoint: EndpointTraits): Record<string, ProblemResponse> {
  const responses: Record<string, ProblemResponse> = {}
  for (const code of problemCodes) {
    if (!canReturn(code, endpoint)) continue
    const { status, title } = problemTable[code]
    // Procore's own 4xx come with Procore's status.
    const statusKey = code === 'procore_rejected' ? '4XX' : String(status)
    const response = responses[statusKey] ??= { description: '', content: { 'application/problem+json': { schema: { $ref: 'Problem#' }, examples: {} } } }
    response.description += `${response.description === '' ? '' : ' '}${title}.`
    response.content['application/problem+json'].examples[code] = { summary: title, value: buildExample(code, endpoint) }
  }
  return responses
}

function buildExample (code: ProblemCode, { body, effect }: EndpointTraits): unknown {
  const { errors, procore, ...rest } = exampleExtras[code] ?? {}
  const bodyExtras = body === undefined ? {} : { ...(errors !== undefined && { errors }), ...(procore !== undefined && { procore }) }
  const problem = new Problem(code, `${problemTable[code].title}.`, { ...rest, ...bodyExtras })
  return JSON.parse(problemBody(effect === 'safe' ? problem.withoutOutcome() : problem, exampleId))
}
