/** The book of a soak: what each caller was told of its create, against what Procore holds in the end. */

export interface Told {
  status: number
  code: string | undefined
  outcome: string | undefined
}

export interface Entry {
  company: number
  way: string
  fault: string
  /** What the caller was told at last; nothing when it left. */
  told: Told | undefined
  /** Whether any answer on the way was `unknown`. */
  wasUnknown: boolean
}

export class Ledger {
  readonly counts = new Map<string, number>()
  readonly lies: string[] = []
  creates = 0
  held = 0

  /** @param held how many users Procore holds of it */
  enter (entry: Entry, held: number): void {
    const { told } = entry
    const name = told === undefined ? 'the caller left' : `${told.status} ${told.code ?? ''} ${told.outcome ?? ''}`.trimEnd()
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    this.creates++
    this.held += held
    const truth = truthOf(entry)
    if (!truth.includes(held)) this.lies.push(`company ${entry.company}, ${entry.way}, ${entry.fault}: told ${name}, Procore holds ${held}`)
  }

  toString (): string {
    const rows = [...this.counts].sort(([a], [b]) => a < b ? -1 : 1).map(([name, count]) => `  ${String(count).padStart(7)}  ${name}`)
    return [`${this.creates} creates, ${this.held} users held by Procore, ${this.lies.length} untrue answers`, ...rows, ...this.lies.slice(0, 20)].join('\n')
  }
}

/** How many users there may be. */
function truthOf ({ told, wasUnknown }: Entry): readonly number[] {
  if (told === undefined || told.outcome === 'unknown') return [0, 1]
  if (told.status === 201) return [1]
  return wasUnknown ? [0, 1] : [0]
}
