/** The service's answer as it is, for whoever wants to see the JSON. */
import { NetworkError, ProblemError, type Answer, type User } from '../../../client/client.ts'
import { find } from './dom.ts'

export function showAnswer ({ status, headers, data, attempts }: Answer<User>): void {
  const marks = ['x-outcome', 'idempotency-replayed'].flatMap(name => headers.has(name) ? [`${name}: ${headers.get(name)}`] : [])
  show([`${status} application/json`, ...marks, requests(attempts)], data)
}

export function showProblem (failure: unknown): void {
  if (failure instanceof ProblemError) show([`${failure.status} application/problem+json`, requests(failure.attempts)], failure.problem)
  else if (failure instanceof NetworkError) show([failure.message, requests(failure.attempts)])
  else show(['No answer'])
}

export const showWaiting = (): void => show(['Waiting for the answer…'])

const requests = (attempts: number) => attempts === 1 ? '1 request' : `${attempts} requests under one key`

function show (about: readonly string[], json?: unknown): void {
  find('answer-about', HTMLElement).textContent = about.join(' · ')
  const text = find('answer', HTMLPreElement)
  text.hidden = json === undefined
  text.textContent = json === undefined ? '' : JSON.stringify(json, null, 2)
}
