/** An answer of the emulator's, whoever gives it: a value, of which nothing is written yet. */

export interface Answer {
  status: number
  headers: Record<string, string>
  body: string | Buffer
}

/** An answer in JSON. */
export function json (status: number, body: unknown): Answer {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(body) }
}
