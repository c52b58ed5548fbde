/** Compares the response to each create of a soak with the users that Procore has in the end. */

export interface ReportedResult {
  status: number
  code: string | undefined
  outcome: string | undefined
}

export interface LedgerEntry {
  company: number
  bodyKind: string
  fault: string
  /** Last response to the caller; undefined if it disconnected. */
  reported: ReportedResult | undefined
  /** Whether any response was `unknown`. */
  wasUnknown: boolean
}

export class Ledger {
  readonly counts = new Map<string, number>()
  readonly contradictions: string[] = []
  creates = 0
  userCount = 0

  /** @param usersFound users that Procore has for this create */
  record (entry: LedgerEntry, usersFound: number): void {
    const { reported } = entry
    const name = reported === undefined
      ? 'the caller left'
      : `${reported.status} ${reported.code ?? ''} ${reported.outcome ?? ''}`.trimEnd()
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    this.creates++
    this.userCount += usersFound
    if (allowedUserCounts(entry).includes(usersFound)) return
    const { company, bodyKind, fault } = entry
    this.contradictions.push(`company ${company}, ${bodyKind}, ${fault}: ${name}, but Procore has ${usersFound} users`)
  }

  toString (): string {
    const counts = [...this.counts].sort(([a], [b]) => a < b ? -1 : 1)
    const { creates, userCount, contradictions } = this
    const summary = `${creates} creates, ${userCount} users in Procore, ${contradictions.length} contradictions`
    const rows = counts.map(([name, count]) => `  ${String(count).padStart(7)}  ${name}`)
    return [summary, ...rows, ...this.contradictions.slice(0, 20)].join('\n')
  }
}

/** Returns how many users Procore may have after these responses. */
function allowedUserCounts ({ reported, wasUnknown }: LedgerEntry): readonly number[] {
  if (reported === undefined || reported.outcome === 'unknown') return [0, 1]
  if (reported.status === 201) return [1]
  return wasUnknown ? [0, 1] : [0]
}
