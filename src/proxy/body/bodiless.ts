/** The way of a request without a body: when path and query are valid, it is. What comes as a body all the same is not looked at. */
import { faultsProblem } from '../validation/record.ts'
import { whole, type Outgoing, type Visit } from '../context.ts'

/** @throws {Problem} `validation_failed` */
export function judgeBodiless ({ drafts }: Visit): Outgoing {
  const problem = faultsProblem(drafts)
  if (problem !== undefined) throw problem
  return bodiless
}

/** Of a request that has none. */
export const bodiless = whole(null, undefined, new Map())
