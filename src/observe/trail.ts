/**
 * What is noted about a request on its way, for its log line. Only ids, codes, sizes and times may be put in it:
 * personal data and credentials have no place here, so that they can't reach a log.
 */
import type { Outcome, ProblemCode } from '../problem.ts'

export interface Trail {
  companyId?: number
  bytesIn?: number
  /** Waiting for Procore's allowance. */
  waitMs?: number
  upstreamMs?: number
  upstreamStatus?: number
  procoreRequestId?: string
  code?: ProblemCode
  outcome?: Outcome | 'recovered'
  /** How many look-ups were made for a create with an unknown outcome. */
  lookUps?: number
  /** The answer to an earlier request with the same key was given again. */
  replayed?: true
  /** How a form went: held and sent whole, or streamed. */
  form?: 'held' | 'streamed'
  faults?: number
  /**
   * The outcome that the create would have if it ended now: none while it is not known to be valid, `not_sent` from then on,
   * `unknown` once a complete request was handed to the socket.
   */
  standing?: Outcome
  /** The request is still being worked on; whoever waits for its end is called then. */
  running?: boolean
  /** It was answered although it is still being worked on: nothing of it may become complete any more. */
  dismissed?: true
  whenDismissed?: () => void
  whenEnded?: Array<() => void>
}
