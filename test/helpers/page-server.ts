/** Serves pages to a browser, and the modules of the client below `/client/`. */
import { createServer } from 'node:http'
import type { Test } from 'tap'
import { clientModules } from '../../client/serve.ts'
import { listen } from './listen.ts'

export async function startPageServer (
  t: Test,
  pages: Readonly<Record<string, string>>,
  modules: ReadonlyMap<string, string> = clientModules()
): Promise<string> {
  const server = createServer(({ url = '' }, response) => {
    const source = url.startsWith('/client/') ? modules.get(url.slice('/client/'.length)) : undefined
    const content = source ?? pages[url]
    const type = source === undefined ? 'text/html' : 'text/javascript'
    if (content !== undefined) response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(content)
    else response.writeHead(404).end()
  })
  return `http://127.0.0.1:${await listen(t, server)}`
}
