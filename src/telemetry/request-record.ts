/**
 * What every part of a request's way knows of it, in one object that they hand on: what happened to it, which its log line, the metrics and
 * the spans are made of, and how it stands, by which those who work on it know of each other and a caller is told the outcome of a create.
 * Only ids, codes, sizes, times and such states may be put in it: personal data and credentials have no place here, so that they can't
 * reach a log. It judges nothing: whoever writes to it does.
 */
import type { Outcome, ProblemCode } from '../server/problem.ts'

/** A part of the work on a request, for its spans; times are of our clock, with fractions of a millisecond. */
export interface Stage {
  name: 'validate' | 'token' | 'allowance' | 'upstream'
  startedAtMs: number
  endedAtMs: number
  method?: string
  /** Procore's answer to it. */
  status?: number | undefined
  /** Why it failed: one of few words. */
  error?: string | undefined
}

/** How a stage ended. */
export type StageEnd = Pick<Stage, 'method' | 'status' | 'error'>

/** What became of a request that may have changed something: as the caller is told it, or how it went well. */
export type Result = Outcome | 'created' | 'changed' | 'recovered' | 'replayed'

/**
 * What happened to a request, for those who observe: times in milliseconds, sizes in bytes. `procoreRequestId` and `replayed` are told to the
 * caller as well, as headers.
 */
interface Noted {
  /** Nothing for look-ups, which are a part of another request. */
  requestId?: string
  traceId?: string
  /** Only where somebody traces. */
  stages?: Stage[]
  companyId?: number
  bytesIn?: number
  /** Waiting for Procore's allowance. */
  waitMs?: number
  upstreamMs?: number
  /** When the last byte of a request was handed to the socket, by our own clock. */
  sentAtMs?: number
  upstreamStatus?: number
  procoreRequestId?: string
  code?: ProblemCode
  outcome?: Result
  /** How many look-ups were made for a create with an unknown outcome. */
  lookUps?: number
  /** The answer to an earlier request with the same key was given again. */
  replayed?: true
  /** How a form went: held and sent whole, or streamed. */
  form?: 'held' | 'streamed'
  faults?: number
  /** How the answer was come by, where it may be kept: fetched from Procore, kept from before, or kept and too old. */
  cache?: 'fetched' | 'kept' | 'stale'
  /** The answer has no end of its own: whoever reads it ends it, and how long it took says nothing. */
  endless?: true
}

/** How a request stands, for those who work on it. */
interface Progress {
  /**
   * The outcome that a create or a change would have if it ended now: none while it is not known to be valid, `not_sent` from then on,
   * `unknown` once a complete request was handed to the socket, and `not_sent` again only when Procore certainly did not act.
   */
  standing?: Outcome
  /** Where it stands among the requests under way. */
  place?: number
  /** The request is still being worked on; whoever waits for its end is called then. */
  running?: boolean
  /** It was answered although it is still being worked on: nothing of it may become complete any more. */
  dismissed?: true
  whenDismissed?: () => void
  whenEnded?: Array<() => void>
}

/** One for each request, from its first hook until its end is told of; a request that is made for another one has a trail of its own (`partOf`). */
export interface Trail extends Noted, Progress {}

/** Notes a stage of the work if somebody traces it; what comes back ends it. */
export function beginStage ({ stages }: Trail, name: Stage['name']): (end?: StageEnd) => void {
  if (stages === undefined) return nobodyTraces
  const startedAtMs = preciseNow()
  return end => { stages.push({ name, startedAtMs, endedAtMs: preciseNow(), ...end }) }
}

function nobodyTraces (): void {}

/** Of our clock, with fractions of a millisecond. */
export const preciseNow = () => performance.timeOrigin + performance.now()

/** A request that is made for another one has its own times and statuses, and belongs to that one. */
export function partOf ({ requestId, traceId, stages }: Trail): Trail {
  return { ...(requestId !== undefined && { requestId }), ...(traceId !== undefined && { traceId }), ...(stages !== undefined && { stages }) }
}
