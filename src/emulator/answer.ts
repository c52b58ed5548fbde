/** An answer of the emulator's, whoever gives it. */

export interface Answer {
  status: number
  headers: Record<string, string>
  body: string | Buffer
}

export function json (status: number, body: unknown): Answer {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(body) }
}
