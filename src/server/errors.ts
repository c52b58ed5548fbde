/** What was caught, as Fastify's hooks want it; something that is no error becomes the cause of one. */
export function toError (thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('something was thrown that is no error', { cause: thrown })
}

/** The caller left before it was answered: there is nobody to tell, only a log line to write. */
export class ClientDisconnectedError extends Error {
  override readonly name = 'ClientDisconnectedError'

  constructor () {
    super('the caller left')
  }
}
