/** The emulated Procore as the page may see and steer it: by a few words, and without credentials. */
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { request, type Dispatcher } from 'undici'
import { limits } from '../../src/config/limits.ts'
import { Problem } from '../../src/server/problem.ts'
import { scenarios } from './scenarios.ts'

const PartSchema = Type.Object({
  name: Type.String(),
  filename: Type.Optional(Type.String()),
  contentType: Type.Optional(Type.String()),
  text: Type.Optional(Type.String()),
  bytes: Type.Integer(),
  sha256: Type.String(),
})

/** Of what the emulator tells, nothing else goes to the page. */
const ReceivedRequestSchema = Type.Object({
  method: Type.String(),
  path: Type.String(),
  headers: Type.Record(Type.String(), Type.Union([Type.String(), Type.Array(Type.String())])),
  complete: Type.Boolean(),
  bodyBytes: Type.Integer(),
  status: Type.Optional(Type.Integer()),
  createdUserId: Type.Optional(Type.Integer()),
  json: Type.Optional(Type.Unknown()),
  parts: Type.Optional(Type.Array(PartSchema)),
})

/** One request as the emulator received it, without credentials. */
export type ReceivedRequest = Static<typeof ReceivedRequestSchema>

const credentialHeaders: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization'])

/** The emulator's own routes, as the page may use them. */
export class EmulatorClient {
  readonly #url: URL

  constructor (url: URL) {
    this.#url = url
  }

  /** The latest requests, the newest first. */
  async listReceivedRequests (): Promise<ReceivedRequest[]> {
    const entries: unknown = JSON.parse(await this.#send('GET', `requests?last=${limits.demo.requestsShown}`))
    if (!Array.isArray(entries)) return []
    return entries.filter(entry => Value.Check(ReceivedRequestSchema, entry)).map(withoutCredentials).reverse()
  }

  /** Has the next create end as the scenario says, and nothing after it. @throws {Problem} `not_found` */
  async applyScenario (name: string): Promise<void> {
    const scenario = scenarios.get(name)
    if (scenario === undefined) throw new Problem('not_found', 'There is no such scenario.')
    await this.#send('DELETE', 'faults')
    if (scenario.revokesAccessTokens) await this.#send('POST', 'tokens/revoke')
    for (const fault of scenario.faults) await this.#send('POST', 'faults', JSON.stringify(fault))
  }

  async #send (method: Dispatcher.HttpMethod, path: string, body = ''): Promise<string> {
    const response = await request(new URL(`/__emulator/${path}`, this.#url), { method, body, headersTimeout: limits.demo.timeoutMs, bodyTimeout: limits.demo.timeoutMs })
    return response.body.text()
  }
}

/** The token request is nothing but credentials. */
function withoutCredentials ({ method, path, headers, complete, bodyBytes, status, createdUserId, json, parts }: ReceivedRequest): ReceivedRequest {
  const visible = { method, path, headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !credentialHeaders.has(name))), complete, bodyBytes, ...(status !== undefined && { status }) }
  if (path.startsWith('/oauth/')) return visible
  return { ...visible, ...(createdUserId !== undefined && { createdUserId }), ...(json !== undefined && { json }), ...(parts !== undefined && { parts }) }
}
