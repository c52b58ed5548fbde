/**
 * The page `/demo`: a form that creates a user through the typed client, and beside it what Procore received. Only `npm run demo` has it.
 * Files lie at the addresses that their imports name, below `/demo/`, so that no build step has to join them.
 */
import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import { clientModules, modulesOf } from '../../client/serve.ts'
import { guardPages } from '../../src/ui/security-headers.ts'
import { EmulatedProcore } from './emulator-client.ts'

const here = new URL('page/', import.meta.url)
const script = 'text/javascript; charset=utf-8'

/** Serves `/demo` and what it loads, beside the service itself. @param procoreUrl of the emulator, whose faults the page orders */
export async function addPage (app: FastifyInstance, procoreUrl: URL): Promise<void> {
  const procore = new EmulatedProcore(procoreUrl)
  await app.register(async pages => {
    // What was chosen as an avatar is shown before it is sent.
    await guardPages(pages, ['blob:'])
    for (const [url, { type, content }] of files()) {
      pages.get(url, { schema: { hide: true } }, async (_request, reply) => reply.header('cache-control', 'no-store').type(type).send(content))
    }
    pages.get('/demo/received', { schema: { hide: true } }, async (_request, reply) => reply.header('cache-control', 'no-store').send(await procore.received()))
    pages.post<{ Params: { scenario: string } }>('/demo/next/:scenario', { schema: { hide: true } }, async ({ params }, reply) => {
      await procore.prepare(params.scenario)
      return reply.code(204).send()
    })
  })
}

interface File {
  type: string
  content: string
}

function files (): ReadonlyMap<string, File> {
  const read = (name: string) => readFileSync(new URL(name, here), 'utf8')
  const modules = (path: string, sources: ReadonlyMap<string, string>) => [...sources].map(([name, content]): [string, File] => [`${path}${name}`, { type: script, content }])
  return new Map<string, File>([
    ['/demo', { type: 'text/html; charset=utf-8', content: read('page.html') }],
    ['/demo/page.css', { type: 'text/css; charset=utf-8', content: read('page.css') }],
    ...modules('/demo/tools/demo/page/', modulesOf(here)),
    ...modules('/demo/client/', clientModules()),
  ])
}
