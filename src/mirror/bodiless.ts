/** The way of a request without a body: when path and query are valid, it is. What comes as a body all the same is not looked at. */
import type { Verdict } from '../procore/outcome.ts'
import { faultsProblem } from './draft.ts'
import { whole, type Visit } from './visit.ts'

/** @throws {Problem} `validation_failed`, or what sending throws */
export async function passBodiless ({ drafts, trail, isSafe, send }: Visit): Promise<Verdict> {
  const problem = faultsProblem(drafts)
  if (problem !== undefined) throw problem
  if (!isSafe) trail.standing = 'not_sent'
  return send(bodiless)
}

/** Of a request that has none. */
export const bodiless = whole(null, undefined, new Map())
