/** What one HTTP exchange with Procore ended in, as it was really written and read; it judges nothing. */
import type { IncomingHttpHeaders } from 'node:http'

/** A complete answer that is not 1xx. */
export interface Answer {
  kind: 'answer'
  status: number
  /** Names in lower case. */
  headers: IncomingHttpHeaders
  /** Up to `answerMaxBytes`. */
  body: Buffer
  /** It came to its end before the last byte of the request was handed to the socket. */
  early: boolean
  /** When it began, by our own clock: its `Date` is of that moment. */
  atMs: number
}

/** No complete answer. */
export interface Breakdown {
  kind: 'breakdown'
  /** How far it came: no connection; the request partly written; all written and no answer; the answer partly read. */
  at: 'connect' | 'request' | 'wait' | 'answer'
  /** The last byte of the request was handed to the socket. */
  sent: boolean
  /** A time limit of ours ran out. */
  timeout: boolean
  /** It was ended from this side, because the form was given up or the caller left: Procore is not to blame. */
  givenUp: boolean
  cause: Error
}

/** An exchange ends in one of the two, always. */
export type ExchangeResult = Answer | Breakdown
