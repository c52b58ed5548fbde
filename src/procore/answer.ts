/** What one HTTP exchange with Procore ended in, as it was really written and read; no judgement yet. */
import type { IncomingHttpHeaders } from 'node:http'

export interface Answer {
  kind: 'answer'
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** It came to its end before the last byte of the request was handed to the socket. */
  early: boolean
  /** When it began, by our own clock: its `Date` is of that moment. */
  atMs: number
}

export interface Breakdown {
  kind: 'breakdown'
  /** How far it came: no connection; the request partly written; all written and no answer; the answer partly read. */
  at: 'connect' | 'request' | 'wait' | 'answer'
  /** The last byte of the request was handed to the socket. */
  sent: boolean
  timeout: boolean
  /** It was ended from this side, because the form was given up or the caller left: Procore is not to blame. */
  givenUp: boolean
  cause: Error
}

export type Exchange = Answer | Breakdown
