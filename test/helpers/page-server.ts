/** A small server of pages for a browser: what is on its list, and the client's modules under `/client/`. */
import { createServer } from 'node:http'
import type { Test } from 'tap'
import { clientModules } from '../../client/serve.ts'
import { listen } from './listen.ts'

export async function startPageServer (t: Test, pages: Readonly<Record<string, string>>): Promise<string> {
  const modules = clientModules()
  const server = createServer(({ url = '' }, response) => {
    const source = url.startsWith('/client/') ? modules.get(url.slice('/client/'.length)) : undefined
    if (source !== undefined) response.writeHead(200, { 'content-type': 'text/javascript; charset=utf-8' }).end(source)
    else if (pages[url] !== undefined) response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(pages[url])
    else response.writeHead(404).end()
  })
  return `http://127.0.0.1:${await listen(t, server)}`
}
