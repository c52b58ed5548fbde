/**
 * The outcome of one create or change, as a state machine with one writer for each transition. Everybody else reads.
 *
 * | from | to | when | writer |
 * |---|---|---|---|
 * | `reading` | `not_sent` | all of the request that was read is valid, and sending may begin | `proxy/route.ts` |
 * | `not_sent` | `unknown` | the last byte of the request is handed to the socket | `procore/send.ts` |
 * | `unknown` | `not_sent` | Procore refused the request before it acted, and it is sent again | `procore/send.ts` |
 * | any | `final` | the result is known, also after a lookup | `proxy/audit.ts` |
 */
import { Problem, type Outcome } from '../server/problem.ts'
import type { ChangeOutcome } from '../telemetry/request-record.ts'

type State =
  | { name: 'reading' }
  | { name: 'not_sent' }
  | { name: 'unknown', sentAtMs: number }
  | { name: 'final', outcome: ChangeOutcome }

const reading: State = { name: 'reading' }
const notSent: State = { name: 'not_sent' }

/** One for each request that may change something; requests that change nothing have none. */
export class Delivery {
  #state = reading

  /** The outcome if the request failed now. Undefined while nothing of it could be sent, and after a success. */
  get outcome (): Outcome | undefined {
    const outcome = this.#state.name === 'final' ? this.#state.outcome : this.#state.name
    return outcome === 'not_sent' || outcome === 'rejected' || outcome === 'unknown' ? outcome : undefined
  }

  /** When the last byte was handed to the socket, by the monotonic clock. */
  get sentAtMs (): number | undefined {
    return this.#state.name === 'unknown' ? this.#state.sentAtMs : undefined
  }

  onValidated (): void {
    this.#state = notSent
  }

  onSent (nowMs: number): void {
    this.#state = { name: 'unknown', sentAtMs: nowMs }
  }

  onRefused (): void {
    this.#state = notSent
  }

  end (outcome: ChangeOutcome): void {
    this.#state = { name: 'final', outcome }
  }
}

/** Returns the outcome of a request that failed: that of the problem if it states one, else that of the delivery. */
export function failureOutcome (error: unknown, delivery: Delivery | undefined): Outcome | undefined {
  return (error instanceof Problem ? error.extras.outcome : undefined) ?? delivery?.outcome
}
