/** Defines the scenarios of the demo as injected faults. Their labels are in the pages. */
import type { InjectedFault } from '../emulator/settings.ts'

export interface Scenario {
  faults: readonly InjectedFault[]
  /** Whether the service's access token is revoked first. */
  revokesAccessTokens?: boolean
}

const createRequest = { method: 'POST', path: '/users' } as const
/** A batch of an import. */
const batchRequest = { method: 'PATCH', path: '/users/sync' } as const

/** Applies to the next create, or to the first batch of the next import. */
const onNext = (fault: InjectedFault): InjectedFault[] =>
  [createRequest, batchRequest].map(request => ({ ...request, ...fault }))

const jsonHeaders = { 'content-type': 'application/json' }
/** More than the service and the client together send for one create. */
const manyTimes = 20

/** The keys are the option values of the selects in both pages. */
export const scenarios: ReadonlyMap<string, Scenario> = new Map<string, Scenario>([
  ['nothing', { faults: [] }],
  ['email_taken', {
    faults: [{
      ...createRequest,
      kind: 'status',
      status: 422,
      headers: jsonHeaders,
      body: '{"errors":{"email_address":["has already been taken"]}}',
    }],
  }],
  ['slow', { faults: onNext({ kind: 'delay', delayMs: 4000 }) }],
  ['response_lost', { faults: onNext({ kind: 'reset-after-body' }) }],
  ['server_error', {
    faults: [{
      ...createRequest,
      kind: 'status',
      status: 500,
      headers: { 'content-type': 'text/html' },
      body: '<h1>Something went wrong</h1>',
    }],
  }],
  ['rate_limited', {
    faults: onNext({
      kind: 'status',
      status: 429,
      headers: { ...jsonHeaders, 'retry-after': '5' },
      body: '{"message":"You have surpassed the max number of requests."}',
    }),
  }],
  ['login_refused', {
    revokesAccessTokens: true,
    faults: [{
      on: 'token',
      kind: 'status',
      status: 401,
      headers: jsonHeaders,
      body: '{"error":"invalid_client"}',
      times: manyTimes,
    }],
  }],
])
