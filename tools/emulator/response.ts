/** A response of the emulated Procore, before it is written to a socket. */
export interface EmulatedResponse {
  status: number
  headers: Record<string, string>
  body: string | Buffer
}

export function jsonResponse (status: number, body: unknown): EmulatedResponse {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(body) }
}

export const notFoundResponse = () => jsonResponse(404, { errors: ['Not found'] })
