/** Describes how an import ended, and what the person can do. */
import {
  describeFailure, isFailure, ProblemError, type Failure, type ImportEnd, type ImportTotals, type Messages,
} from '../../../client/client.ts'
import type { OutcomeView } from '../page/outcome.ts'

const messages: Partial<Messages> = {
  validation_failed: 'The columns of the file cannot be imported.',
  body_too_large: 'The file is too large. Split it.',
  import_in_progress: 'Another import into this company is in progress.',
  idempotency_key_reused: 'The file is not the one that was sent before.',
}

const resumeHint = 'Resume continues with the same idempotency key, so it creates nobody twice.'

export function describeCheck ({ rows, invalid }: ImportTotals): OutcomeView {
  if (invalid === 0) {
    const detail = 'Nothing was sent to Procore. The directory was not compared.'
    return { badge: 'valid', tone: 'good', title: `All ${toText(rows)} rows are valid.`, detail }
  }
  const title = `${toText(invalid)} of ${toText(rows)} rows are invalid.`
  const detail = 'Nothing was sent to Procore. An import sends the other rows.'
  return { badge: 'invalid', tone: 'warning', title, detail }
}

export function describeEnd ({ totals, problem }: Pick<ImportEnd, 'totals' | 'problem'>): OutcomeView {
  const counts = describeCounts(totals)
  if (problem !== undefined) {
    const title = describeFailure(problem, { ...messages, not_sent: 'The remaining rows were not sent.' })
    return { badge: problem.code, tone: 'bad', title, detail: `${problem.detail} So far: ${counts}. ${resumeHint}` }
  }
  if (needsResume(totals)) {
    const detail = `${counts}. ${resumeHint}`
    return { badge: 'unfinished', tone: 'warning', title: 'Some rows are not finished.', detail }
  }
  const failedCount = totals.invalid + totals.rejected
  if (failedCount === 0) {
    return { badge: 'finished', tone: 'good', title: 'All rows were imported.', detail: `${counts}.` }
  }
  const title = failedCount === 1 ? 'One row failed.' : `${toText(failedCount)} rows failed.`
  const detail = `${counts}. Download the failed rows, correct them, and import that file.`
  return { badge: 'finished', tone: 'warning', title, detail }
}

/** Whether a repeat with the same key finds out more. */
export const needsResume = (totals: ImportTotals): boolean => totals.unknown + totals.not_sent > 0

export function describePause (finished: number, rows: number): OutcomeView {
  const title = `Paused at row ${toText(finished)} of ${toText(rows)}.`
  const detail = `The service finishes the batch in flight and sends no other. ${resumeHint}`
  return { badge: 'paused', tone: 'warning', title, detail }
}

export function describeCancelledCheck (): OutcomeView {
  return { badge: 'cancelled', tone: 'warning', title: 'Cancelled.', detail: 'Nothing was sent to Procore.' }
}

export function describeImportFailure (failure: unknown): OutcomeView {
  if (!isFailure(failure)) return { badge: 'failed', tone: 'bad', title: 'The page failed.', detail: String(failure) }
  return {
    badge: failure instanceof ProblemError ? failure.code : failure.reason,
    tone: failure.outcome === 'unknown' ? 'warning' : 'bad',
    title: describeFailure(failure, messages),
    detail: [...describeProblem(failure), ...describeNextStep(failure)].join(' '),
  }
}

/** Whether the service refused the file as it is, so that sending it again has the same result. */
export const isRefused = (failure: unknown): boolean =>
  failure instanceof ProblemError && [400, 403, 413, 415, 422].includes(failure.status)

function describeProblem (failure: Failure): string[] {
  if (!(failure instanceof ProblemError)) return []
  const errors = failure.errors.map(({ field = '', message }) => `${field} ${message}.`)
  return [failure.detail, ...errors]
}

function describeNextStep (failure: Failure): string[] {
  if (failure instanceof ProblemError && failure.code === 'import_in_progress') {
    return ['After a pause, it is the same import, which finishes its last batch.', resumeHint]
  }
  return isRefused(failure) ? ['Change the file or its mapping.'] : [resumeHint]
}

function describeCounts (totals: ImportTotals): string {
  const { rows: _, ...byStatus } = totals
  const present = Object.entries(byStatus).filter(([, rowCount]) => rowCount > 0)
  return present.map(([status, rowCount]) => `${toText(rowCount)} ${status}`).join(', ') || 'no rows'
}

const toText = (number: number) => number.toLocaleString('en')
