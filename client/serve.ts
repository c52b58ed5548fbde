/**
 * The client for browsers, without a build step: each of its modules with the types blanked out, under the name by which the others import it.
 * Whoever serves a page serves these beside it as `text/javascript`; the page imports `client.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'

/** What has types only, and what only Node can run. */
const excludedFiles: ReadonlySet<string> = new Set(['openapi.ts', 'operation.ts', 'serve.ts'])

/** File names with their JavaScript. */
export const clientModules = (): ReadonlyMap<string, string> => loadBrowserModules(new URL('./', import.meta.url))

/** The same of any folder whose modules are for browsers. */
export function loadBrowserModules (folder: URL): ReadonlyMap<string, string> {
  const names = readdirSync(folder).filter(name => name.endsWith('.ts') && !excludedFiles.has(name))
  return new Map(names.map(name => [name, stripTypeScriptTypes(readFileSync(new URL(name, folder), 'utf8'))]))
}
