/** Builds the requests that several tests of endpoints share. */
import { boundary, send, type MultipartPart, type TestResponse } from './requests.ts'

export function get (url: string, headers: Record<string, string> = {}): Promise<TestResponse> {
  return send(url, { method: 'GET', headers })
}

export function avatarPart (data: Buffer | string, filename = 'a.png', type?: string): MultipartPart {
  return { name: 'user[avatar]', filename, data, ...(type !== undefined && { type }) }
}

/** Returns the head of a raw POST that creates a user of company 101; each header is one line without its CRLF. */
export function createUserHead (...headers: string[]): string {
  return ['POST /companies/101/users HTTP/1.1', 'host: x', ...headers, '\r\n'].join('\r\n')
}

/** Returns the head of a raw POST that creates a user by a multipart form of that many bytes. */
export function createUserFormHead (contentLength: number, ...headers: string[]): string {
  const contentType = `content-type: multipart/form-data; boundary=${boundary}`
  return createUserHead(...headers, contentType, `content-length: ${contentLength}`)
}

/** Returns a raw POST that creates a user by this JSON text. */
export function createUserJson (json: string, ...headers: string[]): string {
  const contentLength = `content-length: ${Buffer.byteLength(json)}`
  return createUserHead(...headers, 'content-type: application/json', contentLength) + json
}
