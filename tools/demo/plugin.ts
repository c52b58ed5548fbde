/**
 * Serves `/demo`, a form that creates a user with the typed client and shows the requests that Procore received, and
 * `/import`, a page that imports people from a file.
 * Modules are served below `/demo/` at the paths of the repository, so that their relative imports need no bundler.
 */
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import type { FastifyInstance } from 'fastify'
import { clientModules, loadBrowserModules } from '../../client/serve.ts'
import { registerSecurityHeaders } from '../../src/ui/security-headers.ts'
import { EmulatorClient } from './emulator-client.ts'
import { sampleCsv } from './sample-csv.ts'

const pageDirectory = new URL('page/', import.meta.url)
const importDirectory = new URL('import/', import.meta.url)
/** Suggests the field of a misspelt column on the page as in the service. */
const similarNameUrl = new URL('../../src/proxy/import/similar-name.ts', import.meta.url)
/** A package that the import page uses, as its modules import it. */
const csvPackage = 'csv-parse/browser/esm/sync'
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

/** Returns the modules of the import page. Browsers import packages by URL only. */
function loadImportModules (): ReadonlyMap<string, string> {
  const modules = [...loadBrowserModules(importDirectory)]
  return new Map(modules.map(([name, text]) => [name, text.replace(`'${csvPackage}'`, "'/demo/csv-parse.js'")]))
}

function loadStaticFiles (): ReadonlyMap<string, StaticFile> {
  const read = (url: URL) => readFileSync(url, 'utf8')
  const html = (url: URL) => ({ type: 'text/html; charset=utf-8', content: read(url) })
  const css = (url: URL) => ({ type: 'text/css; charset=utf-8', content: read(url) })
  const csv = (hasMistakes: boolean) => ({ type: 'text/csv; charset=utf-8', content: sampleCsv(hasMistakes) })
  return new Map<string, StaticFile>([
    ['/demo', html(new URL('page.html', pageDirectory))],
    ['/import', html(new URL('page.html', importDirectory))],
    ['/demo/page.css', css(new URL('page.css', pageDirectory))],
    ['/demo/import.css', css(new URL('import.css', importDirectory))],
    ['/demo/sample.csv', csv(false)],
    ['/demo/sample-with-mistakes.csv', csv(true)],
    ...toStaticFiles('/demo/tools/demo/page/', loadBrowserModules(pageDirectory)),
    ...toStaticFiles('/demo/tools/demo/import/', loadImportModules()),
    ...toStaticFiles('/demo/', new Map([
      ['src/proxy/import/similar-name.ts', stripTypeScriptTypes(read(similarNameUrl))],
      ['csv-parse.js', read(new URL(import.meta.resolve(csvPackage)))],
    ])),
    ...toStaticFiles('/demo/client/', clientModules()),
    ['/client.js', { type: javascriptType, content: clientEntry }],
  ])
}
