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
const ReceivedSchema = Type.Object({
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
export type Received = Static<typeof ReceivedSchema>

const credentials: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization'])

/** The emulator's own routes, as the page may use them. */
export class EmulatedProcore {
  readonly #url: URL

  constructor (url: URL) {
    this.#url = url
  }

  /** The latest requests, the newest first. */
  async received (): Promise<Received[]> {
    const told: unknown = JSON.parse(await this.#ask('GET', `requests?last=${limits.demo.requestsShown}`))
    if (!Array.isArray(told)) return []
    return told.filter(entry => Value.Check(ReceivedSchema, entry)).map(withoutCredentials).reverse()
  }

  /** Has the next create end as the scenario says, and nothing after it. @throws {Problem} `not_found` */
  async prepare (name: string): Promise<void> {
    const scenario = scenarios.get(name)
    if (scenario === undefined) throw new Problem('not_found', 'There is no such scenario.')
    await this.#ask('DELETE', 'faults')
    if (scenario.needsLogin) await this.#ask('POST', 'tokens/revoke')
    for (const fault of scenario.faults) await this.#ask('POST', 'faults', JSON.stringify(fault))
  }

  async #ask (method: Dispatcher.HttpMethod, path: string, body = ''): Promise<string> {
    const answer = await request(new URL(`/__emulator/${path}`, this.#url), { method, body, headersTimeout: limits.demo.timeoutMs, bodyTimeout: limits.demo.timeoutMs })
    return answer.body.text()
  }
}

/** The token request is nothing but credentials. */
function withoutCredentials ({ method, path, headers, complete, bodyBytes, status, createdUserId, json, parts }: Received): Received {
  const shown = { method, path, headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !credentials.has(name))), complete, bodyBytes, ...(status !== undefined && { status }) }
  if (path.startsWith('/oauth/')) return shown
  return { ...shown, ...(createdUserId !== undefined && { createdUserId }), ...(json !== undefined && { json }), ...(parts !== undefined && { parts }) }
}
