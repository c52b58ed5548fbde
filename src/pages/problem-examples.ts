/** Every problem answer with an example for each of its codes, grouped by status as OpenAPI wants them. */
import { problemBody, problemCodes, problemTable, Problem, type ProblemCode, type ProblemExtras } from '../problem.ts'

interface ProblemResponse {
  description: string
  content: { 'application/problem+json': { schema: { $ref: string }, examples: Record<string, { summary: string, value: unknown }> } }
}

const exampleId = '3f0c4c0e-8f4b-4f6e-9d0e-2b1a7c5d9e10'

/** What an example of a code has beside what all problems have. */
const extras: Partial<Record<ProblemCode, ProblemExtras>> = {
  validation_failed: {
    errors: [
      { in: 'body', pointer: '/user/email_address', field: 'user[email_address]', rule: 'format', message: 'must be an e-mail address' },
      { in: 'body', pointer: '/user/nickname', field: 'user[nickname]', rule: 'unknown', message: 'is not a field that Procore has' },
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

export function problemResponses (): Record<string, ProblemResponse> {
  const responses: Record<string, ProblemResponse> = {}
  for (const code of problemCodes) {
    const { status, title } = problemTable[code]
    // Procore's own 4xx come with Procore's status.
    const key = code === 'procore_rejected' ? '4XX' : String(status)
    const response = responses[key] ??= { description: '', content: { 'application/problem+json': { schema: { $ref: 'Problem#' }, examples: {} } } }
    response.description += `${response.description === '' ? '' : ' '}${title}.`
    response.content['application/problem+json'].examples[code] = { summary: title, value: example(code) }
  }
  return responses
}

function example (code: ProblemCode): unknown {
  return JSON.parse(problemBody(new Problem(code, `${problemTable[code].title}.`, extras[code]), exampleId))
}
