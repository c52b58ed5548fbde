/** Parses the rows of a CSV file (RFC 4180), character by character. */

/** The cells of a record, or a record with a quote in a cell that does not start with one. */
export type JudgedRecord = { kind: 'cells', cells: string[] } | { kind: 'fault' }

interface JudgedFile {
  records: JudgedRecord[]
  /** False if the file is not a text, or if it is uncertain where a record ends. */
  isWhole: boolean
}

/** Returns the records that are certain. Blank records are left out. */
export function parseCsv (bytes: Buffer, delimiter: string): JudgedFile {
  const { text, isWhole: isText } = decode(bytes)
  const judge = new CsvJudge(delimiter)
  const isCertain = [...text].every(character => judge.read(character)) && (!isText || judge.end())
  return { records: judge.records, isWhole: isText && isCertain }
}

/** Decodes the bytes before the first one that is not UTF-8, or is a NUL. */
function decode (bytes: Buffer): { text: string, isWhole: boolean } {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let text = ''
  try {
    for (const byte of bytes) {
      if (byte === 0) return { text, isWhole: false }
      text += decoder.decode(Uint8Array.of(byte), { stream: true })
    }
    decoder.decode()
    return { text, isWhole: true }
  } catch {
    return { text, isWhole: false }
  }
}

class CsvJudge {
  readonly records: JudgedRecord[] = []
  readonly #delimiter: string
  #state: 'start' | 'plain' | 'quoted' | 'closed' = 'start'
  #cells: string[] = []
  #cell = ''
  #line = 0
  #hasFault = false
  /** The latest fault, until a record without one. */
  #fault: { line: number, column: number } | undefined

  constructor (delimiter: string) {
    this.#delimiter = delimiter
  }

  /** Returns false if it is uncertain from here on where a record ends. */
  read (character: string): boolean {
    const isLineEnd = character === '\n' || character === '\r'
    if (isLineEnd) this.#line++
    switch (this.#state) {
      case 'quoted':
        if (character === '"') this.#state = 'closed'
        else this.#cell += character
        return true
      case 'closed':
        if (character === '"') {
          this.#cell += '"'
          this.#state = 'quoted'
          return true
        }
        return this.#endCell(character, isLineEnd)
      default:
        if (character === '"' && this.#state === 'start') {
          this.#state = 'quoted'
          return true
        }
        if (this.#endCell(character, isLineEnd)) return true
        this.#state = 'plain'
        this.#cell += character
        return character !== '"' || this.#addFault()
    }
  }

  /** Returns false if the last record has no end. */
  end (): boolean {
    if (this.#state === 'quoted') return false
    this.#endRecord()
    return true
  }

  #endCell (character: string, isLineEnd: boolean): boolean {
    if (character !== this.#delimiter && !isLineEnd) return false
    if (isLineEnd) {
      this.#endRecord()
    } else {
      this.#cells.push(this.#cell)
    }
    this.#cell = ''
    this.#state = 'start'
    return true
  }

  #endRecord (): void {
    const cells = [...this.#cells, this.#cell]
    this.#cells = []
    if (!this.#hasFault && cells.some(cell => cell.trim() !== '')) {
      this.records.push({ kind: 'cells', cells })
      this.#fault = undefined
    }
    this.#hasFault = false
  }

  /** A fault in a later line and column may be of the same record, after a line break in quotes, or of the next one. */
  #addFault (): boolean {
    const fault = { line: this.#line, column: this.#cells.length }
    if (this.#fault !== undefined && fault.line > this.#fault.line && fault.column > this.#fault.column) return false
    if (!this.#hasFault) this.records.push({ kind: 'fault' })
    this.#hasFault = true
    this.#fault = fault
    return true
  }
}
