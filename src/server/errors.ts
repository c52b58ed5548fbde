/**
 * Returns the thrown value as an Error, which Fastify's hooks require. Any other value becomes the cause of a new
 * Error.
 */
export function toError (thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('a value that is not an Error was thrown', { cause: thrown })
}

/** The caller closed the connection before the response. It is only logged: no response can be sent. */
export class ClientDisconnectedError extends Error {
  override readonly name = 'ClientDisconnectedError'

  constructor () {
    super('the caller closed the connection')
  }
}
