/** Lets the demo page read the emulator's requests, without credentials, and choose a scenario. */
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { request, type Dispatcher } from 'undici'
import { Problem } from '../../src/server/problem.ts'
import { scenarios } from './scenarios.ts'

/** How many received requests the page shows. */
const requestsShown = 12
const timeoutMs = 5_000

const PartSchema = Type.Object({
  name: Type.String(),
  filename: Type.Optional(Type.String()),
  contentType: Type.Optional(Type.String()),
  text: Type.Optional(Type.String()),
  bytes: Type.Integer(),
  sha256: Type.String(),
})

/** The fields of a recorded request that are sent to the page. */
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

export type ReceivedPart = Static<typeof PartSchema>

export type ReceivedRequest = Static<typeof ReceivedRequestSchema>

const credentialHeaders: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization'])

/** Calls the emulator's control routes. */
export class EmulatorClient {
  readonly #url: URL

  constructor (url: URL) {
    this.#url = url
  }

  /** Returns the latest requests, the newest first. */
  async listReceivedRequests (): Promise<ReceivedRequest[]> {
    const entries: unknown = JSON.parse(await this.#send('GET', `requests?last=${requestsShown}`))
    if (!Array.isArray(entries)) return []
    return entries.filter(entry => Value.Check(ReceivedRequestSchema, entry)).map(withoutCredentials).reverse()
  }

  /**
   * Replaces the injected faults by those of the scenario, which apply to the next create.
   * @throws {Problem} `not_found` if the scenario does not exist
   */
  async applyScenario (name: string): Promise<void> {
    const scenario = scenarios.get(name)
    if (scenario === undefined) throw new Problem('not_found', 'This scenario does not exist.')
    await this.#send('DELETE', 'faults')
    if (scenario.revokesAccessTokens) await this.#send('POST', 'tokens/revoke')
    for (const fault of scenario.faults) await this.#send('POST', 'faults', JSON.stringify(fault))
  }

  /** Removes the users and the recorded requests. */
  async reset (): Promise<void> {
    for (const path of ['users', 'requests']) await this.#send('DELETE', path)
  }

  async #send (method: Dispatcher.HttpMethod, path: string, body = ''): Promise<string> {
    const url = new URL(`/__emulator/${path}`, this.#url)
    const response = await request(url, { method, body, headersTimeout: timeoutMs, bodyTimeout: timeoutMs })
    return response.body.text()
  }
}

/** Copies the listed fields only. A token request keeps no body, because its body consists of credentials. */
function withoutCredentials (received: ReceivedRequest): ReceivedRequest {
  const { method, path, headers, complete, bodyBytes, status, createdUserId, json, parts } = received
  const visible = {
    method,
    path,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !credentialHeaders.has(name))),
    complete,
    bodyBytes,
    ...(status !== undefined && { status }),
  }
  if (path.startsWith('/oauth/')) return visible
  return {
    ...visible,
    ...(createdUserId !== undefined && { createdUserId }),
    ...(json !== undefined && { json }),
    ...(parts !== undefined && { parts }),
  }
}
