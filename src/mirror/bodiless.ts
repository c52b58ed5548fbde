/** The way of a request without a body: when path and query are valid, it is. What comes as a body all the same is not looked at. */
import type { Effect } from '../endpoints/endpoint.ts'
import type { Verdict } from '../procore/outcome.ts'
import { faultsProblem } from './draft.ts'
import type { Outgoing, Visit } from './visit.ts'

/** @throws {Problem} `validation_failed`, or what sending throws */
export async function passBodiless ({ drafts, trail, send }: Visit, effect: Effect['effect']): Promise<Verdict> {
  const problem = faultsProblem(drafts)
  if (problem !== undefined) throw problem
  if (effect !== 'safe') trail.standing = 'not_sent'
  return send(bodiless)
}

/** Of a request that has none. */
const bodiless: Outgoing = { body: null, contentType: undefined, values: new Map(), complete: Promise.resolve(''), discard: doNothing, halt: doNothing }

function doNothing (): void {}
