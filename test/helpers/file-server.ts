/** A Procore of one server: an access token, a user of company 101 whose avatar has a given URL, and files. */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { Test } from 'tap'
import { listen } from './listen.ts'
import { startService, type Service, type ServiceOptions } from './service.ts'

/** The first access token. Later ones have a number at the end. */
export const fileAccessToken = 'test-access-token-of-procore'

export interface FileServer extends Service {
  origin: string
  /** The requests for files, without those for the access token and the user. */
  fileRequests: IncomingMessage[]
  /** The user as Procore shows it. Tests may replace its avatar. */
  user: Record<string, unknown>
  avatarUrl: string
}

/**
 * @param avatar value of the field `avatar`; a function gets the origin of the server
 * @param serveFile answers all requests but those for the access token and the user
 */
export async function startFileServer (
  t: Test,
  avatar: unknown,
  serveFile: RequestListener = (_request, response) => { response.writeHead(404).end() },
  options: ServiceOptions = {}
): Promise<FileServer> {
  const fileRequests: IncomingMessage[] = []
  let renewals = 0
  const user: Record<string, unknown> = { id: 7, updated_at: '2026-01-01T00:00:00Z', avatar }
  const server = createServer((request, response) => {
    const { url = '' } = request
    const sendJson = (value: unknown) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    }
    if (url === '/oauth/token') {
      request.resume()
      const accessToken = renewals === 0 ? fileAccessToken : `${fileAccessToken}-${renewals}`
      renewals++
      return sendJson({ access_token: accessToken, token_type: 'bearer', expires_in: 5400 })
    }
    if (url === '/rest/v1.3/companies/101/users/7') return sendJson(user)
    fileRequests.push(request)
    serveFile(request, response)
  })
  const origin = `http://127.0.0.1:${await listen(t, server)}`
  const service = await startService(t, { procoreUrl: origin, ...options })
  return { ...service, origin, fileRequests, user, avatarUrl: `${service.usersUrl}/7/avatar` }
}
