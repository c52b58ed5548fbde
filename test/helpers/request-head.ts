/** Builds the head of an HTTP/1.1 request, for tests that write to the socket themselves. */
export function requestHead (target: string, headers: Record<string, string | number>, method = 'POST'): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${target} HTTP/1.1\r\nhost: x\r\n${fields.join('')}\r\n`
}
