/** The service's answer as it is, for whoever wants to see the JSON. */
import { NetworkError, ProblemError, type ApiResponse, type User } from '../../../client/client.ts'
import { getElement } from './dom.ts'

export function showResponse ({ status, headers, data, attempts }: ApiResponse<User>): void {
  const outcomeHeaders = ['x-outcome', 'idempotency-replayed'].flatMap(name => headers.has(name) ? [`${name}: ${headers.get(name)}`] : [])
  render([`${status} application/json`, ...outcomeHeaders, formatAttempts(attempts)], data)
}

export function showProblem (failure: unknown): void {
  if (failure instanceof ProblemError) render([`${failure.status} application/problem+json`, formatAttempts(failure.attempts)], failure.problem)
  else if (failure instanceof NetworkError) render([failure.message, formatAttempts(failure.attempts)])
  else render(['No answer'])
}

export const showWaiting = (): void => render(['Waiting for the answer…'])

const formatAttempts = (attempts: number) => attempts === 1 ? '1 request' : `${attempts} requests under one key`

function render (summary: readonly string[], json?: unknown): void {
  getElement('answer-about', HTMLElement).textContent = summary.join(' · ')
  const text = getElement('answer', HTMLPreElement)
  text.hidden = json === undefined
  text.textContent = json === undefined ? '' : JSON.stringify(json, null, 2)
}
