/** Defines the scenarios of the demo as injected faults. Their labels are in page.html. */
import type { InjectedFault } from '../emulator/settings.ts'

export interface Scenario {
  faults: readonly InjectedFault[]
  /** Whether the service's access token is revoked first. */
  revokesAccessTokens?: boolean
}

const createRequest = { method: 'POST', path: '/users' } as const
const jsonHeaders = { 'content-type': 'application/json' }
/** More than the service and the client together send for one create. */
const manyTimes = 20

/** The keys are the option values of the select in page.html. */
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
  ['slow', { faults: [{ ...createRequest, kind: 'delay', delayMs: 4000 }] }],
  ['response_lost', { faults: [{ ...createRequest, kind: 'reset-after-body' }] }],
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
    faults: [{
      ...createRequest,
      kind: 'status',
      status: 429,
      headers: { ...jsonHeaders, 'retry-after': '5' },
      body: '{"message":"You have surpassed the max number of requests."}',
    }],
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
