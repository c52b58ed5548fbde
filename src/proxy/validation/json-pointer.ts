/** Returns a JSON Pointer (RFC 6901 §3). */
export function toJsonPointer (path: readonly string[]): string {
  return path.map(step => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
