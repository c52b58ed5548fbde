/** The book of a soak: what each caller was told of its create, against what Procore holds in the end. */

export interface ReportedResult {
  status: number
  code: string | undefined
  outcome: string | undefined
}

export interface LedgerEntry {
  company: number
  bodyKind: string
  fault: string
  /** What the caller was told at last; nothing when it left. */
  reported: ReportedResult | undefined
  /** Whether any answer on the way was `unknown`. */
  wasUnknown: boolean
}

export class Ledger {
  readonly counts = new Map<string, number>()
  readonly contradictions: string[] = []
  creates = 0
  userCount = 0

  /** @param usersFound how many users Procore holds of it */
  record (entry: LedgerEntry, usersFound: number): void {
    const { reported } = entry
    const name = reported === undefined ? 'the caller left' : `${reported.status} ${reported.code ?? ''} ${reported.outcome ?? ''}`.trimEnd()
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    this.creates++
    this.userCount += usersFound
    const allowedCounts = allowedUserCounts(entry)
    if (!allowedCounts.includes(usersFound)) this.contradictions.push(`company ${entry.company}, ${entry.bodyKind}, ${entry.fault}: told ${name}, Procore holds ${usersFound}`)
  }

  toString (): string {
    const rows = [...this.counts].sort(([a], [b]) => a < b ? -1 : 1).map(([name, count]) => `  ${String(count).padStart(7)}  ${name}`)
    return [`${this.creates} creates, ${this.userCount} users held by Procore, ${this.contradictions.length} untrue answers`, ...rows, ...this.contradictions.slice(0, 20)].join('\n')
  }
}

/** How many users there may be. */
function allowedUserCounts ({ reported, wasUnknown }: LedgerEntry): readonly number[] {
  if (reported === undefined || reported.outcome === 'unknown') return [0, 1]
  if (reported.status === 201) return [1]
  return wasUnknown ? [0, 1] : [0]
}
