/**
 * The latest problem of each code, for people who look: how many there were, when and on which route the last one was, and its request's id.
 * It sees the trail, never a body or a head.
 */
import type { ProblemCode } from '../server/problem.ts'
import type { RequestEnd, UnparsedRequest } from './request-end.ts'

/** Of one code, since the process began. */
export interface RecentProblem {
  code: ProblemCode
  count: number
  /** The last one's, by our clock. */
  atMs: number
  /** Its pattern; nothing where there was none. */
  route: string | undefined
  requestId: string | undefined
}

/** One entry for each code there is, so that it does not grow. */
export class RecentProblems {
  readonly #byCode = new Map<ProblemCode, RecentProblem>()

  /** To be told of each request that ended. */
  readonly onRequestEnd = ({ request: { record: { code, requestId } }, route }: RequestEnd): void => {
    if (code !== undefined) this.#add(code, route, requestId)
  }

  /** To be told of each that could not be read. */
  recordParseError ({ code, requestId }: UnparsedRequest): void {
    this.#add(code, undefined, requestId)
  }

  /** The latest first. */
  list (): RecentProblem[] {
    return [...this.#byCode.values()].reverse()
  }

  #add (code: ProblemCode, route: string | undefined, requestId: string | undefined): void {
    const count = (this.#byCode.get(code)?.count ?? 0) + 1
    this.#byCode.delete(code)
    this.#byCode.set(code, { code, count, atMs: Date.now(), route, requestId })
  }
}
