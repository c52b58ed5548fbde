/**
 * Serves the client to browsers without a build step: every module with its types removed, under its own file name.
 * A server sends these modules as `text/javascript`, all from one folder, and the page imports `client.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'

/** Modules that have only types, the hook, which needs a bundler, and this one, which needs Node. */
const excludedFiles: ReadonlySet<string> = new Set(['openapi.ts', 'operation.ts', 'react-query.ts', 'serve.ts'])

/** Returns the JavaScript of the client's modules by file name. */
export const clientModules = (): ReadonlyMap<string, string> => loadBrowserModules(new URL('./', import.meta.url))

/** Returns the JavaScript of the TypeScript modules in a folder by file name. */
export function loadBrowserModules (folder: URL): ReadonlyMap<string, string> {
  const names = readdirSync(folder).filter(name => name.endsWith('.ts') && !excludedFiles.has(name))
  return new Map(names.map(name => [name, stripTypeScriptTypes(readFileSync(new URL(name, folder), 'utf8'))]))
}
