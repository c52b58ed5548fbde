/** Sends scripted responses, one for each request, and records the requests. The last response is repeated. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'
import { problemTable, type Outcome, type ProblemCode } from '../../src/server/problem.ts'
import { listen } from './listen.ts'

export interface ScriptedResponse {
  status: number
  headers?: Record<string, string>
  body: string
}

export interface ScriptedServer {
  url: string
  requests: Array<{ method: string | undefined, url: string | undefined, headers: IncomingHttpHeaders }>
}

/** @param script `'reset'` resets the connection, `'silence'` never responds */
export async function startScriptedServer (
  t: Test, script: ReadonlyArray<ScriptedResponse | 'reset' | 'silence'>
): Promise<ScriptedServer> {
  const requests: ScriptedServer['requests'] = []
  const server = createServer(async (request, response) => {
    await buffer(request)
    const scripted = script[Math.min(requests.length, script.length - 1)]
    requests.push({ method: request.method, url: request.url, headers: request.headers })
    if (scripted === 'reset') request.socket.resetAndDestroy()
    else if (typeof scripted === 'object') response.writeHead(scripted.status, scripted.headers).end(scripted.body)
  })
  return { url: `http://127.0.0.1:${await listen(t, server)}`, requests }
}

export const createdResponse: ScriptedResponse = {
  status: 201, headers: { 'content-type': 'application/json', 'x-request-id': 'r-1' }, body: '{"id":7}',
}

/** Builds a problem as the service sends it. */
export function problemResponse (code: ProblemCode, outcome?: Outcome, retryAfter?: string): ScriptedResponse {
  const { status, title } = problemTable[code]
  const type = `/docs/problems#${code}`
  const body = { type, title, status, detail: `${title}.`, code, request_id: 'r-1', outcome }
  const headers = {
    'content-type': 'application/problem+json; charset=utf-8',
    ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
  }
  return { status, headers, body: JSON.stringify(body) }
}
