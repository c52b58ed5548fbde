/**
 * Records the most recent problem of each code for the status page: how many there were, and the time, route and
 * request id of the last one.
 */
import type { ProblemCode } from '../server/problem.ts'
import type { RequestEnd, RequestEndListener, UnparsedRequest } from './request-record.ts'

/** The problems of one code since the process started. */
export interface RecentProblem {
  code: ProblemCode
  count: number
  /** Time of the last one, by our own clock. */
  atMs: number
  /** Pattern of its route; absent if no route matched. */
  route: string | undefined
  requestId: string | undefined
}

/** Has at most one entry for each problem code, so its size is bounded. */
export class RecentProblems implements RequestEndListener {
  readonly #byCode = new Map<ProblemCode, RecentProblem>()

  onRequestEnd ({ record: { code, requestId }, route }: RequestEnd): void {
    if (code !== undefined) this.#add(code, route, requestId)
  }

  /** Records a request that could not be parsed. */
  recordParseError ({ code, requestId }: UnparsedRequest): void {
    this.#add(code, undefined, requestId)
  }

  /** Returns the problems, most recent first. */
  list (): RecentProblem[] {
    return [...this.#byCode.values()].reverse()
  }

  #add (code: ProblemCode, route: string | undefined, requestId: string | undefined): void {
    const count = (this.#byCode.get(code)?.count ?? 0) + 1
    // Moves the code to the end of the map's order.
    this.#byCode.delete(code)
    this.#byCode.set(code, { code, count, atMs: Date.now(), route, requestId })
  }
}
