/** Shows the service's response as JSON. */
import { NetworkError, ProblemError, type ApiResponse, type User } from '../../../client/client.ts'
import { getElement } from './dom.ts'

export function showResponse ({ status, headers, data, attempts }: ApiResponse<User>): void {
  const names = ['x-outcome', 'idempotency-replayed'].filter(name => headers.has(name))
  const outcomeHeaders = names.map(name => `${name}: ${headers.get(name)}`)
  render([`${status} application/json`, ...outcomeHeaders, formatAttempts(attempts)], data)
}

export function showProblem (failure: unknown): void {
  if (failure instanceof ProblemError) {
    render([`${failure.status} application/problem+json`, formatAttempts(failure.attempts)], failure.problem)
  } else if (failure instanceof NetworkError) render([failure.message, formatAttempts(failure.attempts)])
  else render(['No response'])
}

export const showWaiting = (): void => render(['Waiting for the response…'])

const formatAttempts = (attempts: number) => attempts === 1 ? '1 request' : `${attempts} requests with one key`

function render (summary: readonly string[], json?: unknown): void {
  getElement('response-summary', HTMLElement).textContent = summary.join(' · ')
  const text = getElement('response', HTMLPreElement)
  text.hidden = json === undefined
  text.textContent = json === undefined ? '' : JSON.stringify(json, null, 2)
}
