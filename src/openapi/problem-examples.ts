/**
 * Builds every problem response that an endpoint can return, with an example for each code, grouped by status as
 * OpenAPI requires. The function that writes real problems also writes the examples.
 */
import { getRecords, hasForm, type Endpoint, type RecordDescription } from '../endpoints/endpoint.ts'
import {
  problemBody,
  problemCodes,
  problemTable,
  Problem,
  type ProblemCode,
  type ProblemExtras
} from '../server/problem.ts'

interface ProblemContent {
  schema: { $ref: string }
  examples: Record<string, { summary: string, value: unknown }>
}

interface ProblemResponse {
  description: string
  content: { 'application/problem+json': ProblemContent }
}

const exampleId = '3f0c4c0e-8f4b-4f6e-9d0e-2b1a7c5d9e10'

const emailField = { in: 'body', pointer: '/user/email_address', field: 'user[email_address]' } as const

/** The additional members in the example of a code. */
const exampleExtras: Partial<Record<ProblemCode, ProblemExtras>> = {
  validation_failed: {
    errors: [
      { ...emailField, rule: 'format', message: 'must be an e-mail address' },
      {
        in: 'body',
        pointer: '/user/nickname',
        field: 'user[nickname]',
        rule: 'unknown',
        message: 'is not a known field',
      },
    ],
  },
  procore_rejected: {
    outcome: 'rejected',
    errors: [{ ...emailField, rule: 'procore', message: 'has already been taken' }],
    procore: { status: 422, body: { errors: { email_address: ['has already been taken'] } } },
  },
  procore_rate_limited: { outcome: 'rejected' },
  procore_unreachable: { outcome: 'not_sent' },
  procore_unauthorized: { outcome: 'not_sent' },
  procore_bad_response: { outcome: 'unknown' },
  procore_unavailable: { outcome: 'rejected' },
  procore_timeout: { outcome: 'unknown' },
}

type EndpointTraits = Pick<
  Endpoint, 'body' | 'effect' | 'acceptsIdempotencyKey' | 'dryRunResponse' | 'guard' | 'import'
>

/**
 * Returns whether the endpoint can return the code. A dry run sends nothing to Procore and stores no idempotency key,
 * and therefore has none of their problems.
 */
function canReturn (
  code: ProblemCode, { body, acceptsIdempotencyKey, dryRunResponse, guard, import: fileImport }: EndpointTraits
): boolean {
  if (dryRunResponse !== undefined && /^(?:procore|idempotency)_/.test(code)) return false
  switch (code) {
    case 'malformed_form':
      return hasForm(body) || fileImport !== undefined
    case 'malformed_json':
      return body !== undefined
    case 'import_in_progress':
      return fileImport !== undefined
    case 'body_too_large':
    case 'unsupported_media_type':
    case 'request_timeout':
      return body !== undefined || fileImport !== undefined
    case 'malformed_csv':
      return fileImport !== undefined
    case 'avatar_type':
    case 'avatar_too_large':
      return body?.images !== undefined && body.images.length > 0
    case 'template_not_allowed':
      return guard !== undefined || (body !== undefined && getRecords(body).some(hasValueRestriction))
    case 'idempotency_in_progress':
      return acceptsIdempotencyKey === true && fileImport === undefined
    case 'idempotency_key_reused':
      return acceptsIdempotencyKey === true
    default:
      return true
  }
}

const hasValueRestriction = ({ restrictions = [] }: RecordDescription) =>
  restrictions.some(({ kind }) => kind === 'values')

/** Returns the problem responses by status, or by `4XX` for those that have Procore's own status. */
export function buildProblemResponses (endpoint: EndpointTraits): Record<string, ProblemResponse> {
  // A request that Procore rejects has the 4xx status of Procore's response.
  const statusOf = (code: ProblemCode) => code === 'procore_rejected' ? '4XX' : String(problemTable[code].status)
  const codesByStatus = Object.groupBy(problemCodes.filter(code => canReturn(code, endpoint)), statusOf)
  const responses = Object.entries(codesByStatus)
    .map(([status, codes = []]) => [status, buildProblemResponse(codes, endpoint)] as const)
  return Object.fromEntries(responses)
}

/** Returns one response that has any of the codes. */
export function buildProblemResponse (codes: readonly ProblemCode[], endpoint: EndpointTraits): ProblemResponse {
  const examples = codes.map(code => {
    return [code, { summary: problemTable[code].title, value: buildExample(code, endpoint) }] as const
  })
  return {
    description: codes.map(code => `${problemTable[code].title}.`).join(' '),
    content: { 'application/problem+json': { schema: { $ref: 'Problem#' }, examples: Object.fromEntries(examples) } },
  }
}

function buildExample (code: ProblemCode, { body, effect }: EndpointTraits): unknown {
  const { errors, procore, ...commonExtras } = exampleExtras[code] ?? {}
  const bodyExtras = body === undefined
    ? {}
    : { ...(errors !== undefined && { errors }), ...(procore !== undefined && { procore }) }
  const problem = new Problem(code, `${problemTable[code].title}.`, { ...commonExtras, ...bodyExtras })
  return JSON.parse(problemBody(effect === 'safe' ? problem.withoutOutcome() : problem, exampleId))
}
