/** How the next create can end, as faults of the emulator; their names and words for people are in page.html. */
import type { InjectedFault } from '../emulator/settings.ts'

/** What goes wrong at Procore when it is chosen. */
export interface Scenario {
  faults: readonly InjectedFault[]
  /** Whether Procore forgets the service's token first. */
  revokesAccessTokens?: boolean
}

const createRequest = { method: 'POST', path: '/users' } as const
const jsonHeaders = { 'content-type': 'application/json' }
/** More often than the service and a client together ask for one create. */
const manyTimes = 20

/** By the name under which the page chooses one. */
export const scenarios: ReadonlyMap<string, Scenario> = new Map<string, Scenario>([
  ['nothing', { faults: [] }],
  ['email_taken', { faults: [{ ...createRequest, kind: 'status', status: 422, headers: jsonHeaders, body: '{"errors":{"email_address":["has already been taken"]}}' }] }],
  ['slow', { faults: [{ ...createRequest, kind: 'delay', delayMs: 4000 }] }],
  ['answer_lost', { faults: [{ ...createRequest, kind: 'reset-after-body' }] }],
  ['no_trace', { faults: [{ ...createRequest, kind: 'status', status: 500, headers: { 'content-type': 'text/html' }, body: '<h1>Something went wrong</h1>' }] }],
  ['allowance_spent', { faults: [{ ...createRequest, kind: 'status', status: 429, headers: { ...jsonHeaders, 'retry-after': '5' }, body: '{"message":"You have surpassed the max number of requests."}' }] }],
  ['login_refused', { revokesAccessTokens: true, faults: [{ on: 'token', kind: 'status', status: 401, headers: jsonHeaders, body: '{"error":"invalid_client"}', times: manyTimes }] }],
])
