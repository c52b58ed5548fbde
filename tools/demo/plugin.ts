/**
 * Serves `/demo`, a form that creates a user with the typed client and shows the requests that Procore received.
 * Modules are served below `/demo/` at the paths of the repository, so that their relative imports need no bundler.
 */
import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import { clientModules, loadBrowserModules } from '../../client/serve.ts'
import { registerSecurityHeaders } from '../../src/ui/security-headers.ts'
import { EmulatorClient } from './emulator-client.ts'

const pageDirectory = new URL('page/', import.meta.url)
/** Keeps the routes out of the OpenAPI document. */
const hidden = { schema: { hide: true } }
const javascriptType = 'text/javascript; charset=utf-8'

/** @param procoreUrl of the emulator, into which the page injects faults */
export async function registerDemoPage (app: FastifyInstance, procoreUrl: URL): Promise<void> {
  const emulatorClient = new EmulatorClient(procoreUrl)
  await app.register(async scope => {
    // The page previews the chosen avatar from a blob: URL.
    await registerSecurityHeaders(scope, { imageSources: ['blob:'] })
    for (const [url, { type, content }] of loadStaticFiles()) {
      scope.get(url, hidden, async (_request, reply) => {
        return reply.header('cache-control', 'no-store').type(type).send(content)
      })
    }
    scope.get('/', hidden, async (_request, reply) => reply.redirect('/demo'))
    scope.get('/demo/received', hidden, async (_request, reply) => {
      return reply.header('cache-control', 'no-store').send(await emulatorClient.listReceivedRequests())
    })
    scope.post('/demo/reset', hidden, async (_request, reply) => {
      await emulatorClient.reset()
      return reply.code(204).send()
    })
    scope.post<{ Params: { scenario: string } }>('/demo/next/:scenario', hidden, async ({ params }, reply) => {
      await emulatorClient.applyScenario(params.scenario)
      return reply.code(204).send()
    })
  })
}

/** The whole client under one URL, for pages without a bundler. */
const clientEntry = `export * from './demo/client/client.ts'
export * from './demo/client/to-jpeg.ts'
`

interface StaticFile {
  type: string
  content: string
}

function toStaticFiles (path: string, modules: ReadonlyMap<string, string>): Array<[string, StaticFile]> {
  return [...modules].map(([name, content]) => [`${path}${name}`, { type: javascriptType, content }])
}

function loadStaticFiles (): ReadonlyMap<string, StaticFile> {
  const read = (name: string) => readFileSync(new URL(name, pageDirectory), 'utf8')
  return new Map<string, StaticFile>([
    ['/demo', { type: 'text/html; charset=utf-8', content: read('page.html') }],
    ['/demo/page.css', { type: 'text/css; charset=utf-8', content: read('page.css') }],
    ...toStaticFiles('/demo/tools/demo/page/', loadBrowserModules(pageDirectory)),
    ...toStaticFiles('/demo/client/', clientModules()),
    ['/client.js', { type: javascriptType, content: clientEntry }],
  ])
}
