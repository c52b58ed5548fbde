/** Shows the service's response as JSON. */
import { NetworkError, ProblemError, type ApiResponse, type User } from '../../../client/client.ts'
import { showCode } from './code-view.ts'
import { createElement, getElement } from './dom.ts'

export function showResponse ({ status, headers, data, attempts }: ApiResponse<User>): void {
  const names = ['x-outcome', 'idempotency-replayed'].filter(name => headers.has(name))
  const outcomeHeaders = names.map(name => `${name}: ${headers.get(name)}`)
  render({ status, summary: [...outcomeHeaders, ...describeAttempts(attempts)], json: data })
}

export function showProblem (failure: unknown): void {
  if (failure instanceof ProblemError) {
    const { status, attempts, problem, code } = failure
    const link = createElement('a', { href: `/docs/problems#${code}`, target: '_blank' }, 'What it means')
    render({ status, summary: [...describeAttempts(attempts), link], json: problem })
  } else if (failure instanceof NetworkError) {
    render({ summary: [failure.message, ...describeAttempts(failure.attempts)] })
  } else {
    render({ summary: ['No response'] })
  }
}

export const showWaiting = (): void => render({ summary: ['Waiting…'] })

export const clearResponse = (): void => render({ summary: [] })

const describeAttempts = (attempts: number) => attempts === 1 ? [] : [`${attempts} requests with one key`]

interface ResponseView {
  status?: number
  /** Separated by dots. */
  summary: ReadonlyArray<Node | string>
  json?: unknown
}

function render ({ status, summary, json }: ResponseView): void {
  const items = summary.flatMap((item, index) => index === 0 ? [item] : [' · ', item])
  const badge = status === undefined ? [] : [createStatusBadge(status), ' ']
  getElement('response-summary', HTMLElement).replaceChildren(...badge, ...items)
  const text = getElement('response', HTMLPreElement)
  getElement('response-empty', HTMLElement).hidden = json !== undefined
  text.hidden = json === undefined
  showCode(text, json === undefined ? '' : JSON.stringify(json, null, 2))
}

export function createStatusBadge (status: number): HTMLSpanElement {
  const badge = createElement('span', { className: 'status' }, String(status))
  badge.dataset['tone'] = status < 400 ? 'good' : 'bad'
  return badge
}
