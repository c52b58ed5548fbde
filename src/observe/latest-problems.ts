/** The latest problem of each code, for people who look: how many there were, when and on which route the last one was, and its request's id. */
import type { ProblemCode } from '../problem.ts'
import type { Ended, Unread } from './ended.ts'

export interface LatestProblem {
  code: ProblemCode
  count: number
  atMs: number
  route: string | undefined
  requestId: string | undefined
}

export class LatestProblems {
  readonly #byCode = new Map<ProblemCode, LatestProblem>()

  readonly note = ({ request: { trail: { code, requestId }, routeOptions } }: Ended): void => {
    if (code !== undefined) this.#add(code, routeOptions.url, requestId)
  }

  noteUnread ({ code, requestId }: Unread): void {
    this.#add(code, undefined, requestId)
  }

  /** The latest first. */
  list (): LatestProblem[] {
    return [...this.#byCode.values()].reverse()
  }

  #add (code: ProblemCode, route: string | undefined, requestId: string | undefined): void {
    const count = (this.#byCode.get(code)?.count ?? 0) + 1
    this.#byCode.delete(code)
    this.#byCode.set(code, { code, count, atMs: Date.now(), route, requestId })
  }
}
