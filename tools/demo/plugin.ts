/**
 * The page `/demo`: a form that creates a user through the typed client, and beside it what Procore received. Only `npm run demo` has it.
 * Files lie at the addresses that their imports name, below `/demo/`, so that no build step has to join them.
 */
import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import { clientModules, loadBrowserModules } from '../../client/serve.ts'
import { registerSecurityHeaders } from '../../src/ui/security-headers.ts'
import { EmulatorClient } from './emulator-client.ts'

const pageDirectory = new URL('page/', import.meta.url)
const javascriptType = 'text/javascript; charset=utf-8'

/** Serves `/demo` and what it loads, beside the service itself. @param procoreUrl of the emulator, whose faults the page orders */
export async function registerDemoPage (app: FastifyInstance, procoreUrl: URL): Promise<void> {
  const emulatorClient = new EmulatorClient(procoreUrl)
  await app.register(async scope => {
    // What was chosen as an avatar is shown before it is sent.
    await registerSecurityHeaders(scope, ['blob:'])
    for (const [url, { type, content }] of loadStaticFiles()) {
      scope.get(url, { schema: { hide: true } }, async (_request, reply) => reply.header('cache-control', 'no-store').type(type).send(content))
    }
    scope.get('/demo/received', { schema: { hide: true } }, async (_request, reply) => reply.header('cache-control', 'no-store').send(await emulatorClient.listReceivedRequests()))
    scope.post<{ Params: { scenario: string } }>('/demo/next/:scenario', { schema: { hide: true } }, async ({ params }, reply) => {
      await emulatorClient.applyScenario(params.scenario)
      return reply.code(204).send()
    })
  })
}

interface StaticFile {
  type: string
  content: string
}

function loadStaticFiles (): ReadonlyMap<string, StaticFile> {
  const read = (name: string) => readFileSync(new URL(name, pageDirectory), 'utf8')
  const toStaticFiles = (path: string, sources: ReadonlyMap<string, string>) => [...sources].map(([name, content]): [string, StaticFile] => [`${path}${name}`, { type: javascriptType, content }])
  return new Map<string, StaticFile>([
    ['/demo', { type: 'text/html; charset=utf-8', content: read('page.html') }],
    ['/demo/page.css', { type: 'text/css; charset=utf-8', content: read('page.css') }],
    ...toStaticFiles('/demo/tools/demo/page/', loadBrowserModules(pageDirectory)),
    ...toStaticFiles('/demo/client/', clientModules()),
  ])
}
