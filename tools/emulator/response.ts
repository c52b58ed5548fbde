/** An answer of the emulator's, whoever gives it: a value, of which nothing is written yet. */

export interface EmulatedResponse {
  status: number
  headers: Record<string, string>
  body: string | Buffer
}

/** An answer in JSON. */
export function jsonResponse (status: number, body: unknown): EmulatedResponse {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(body) }
}
