/**
 * Enables Node's compile cache below node_modules, so that a start does not compile all modules again. Must be imported
 * before all other modules. In a read-only file system an existing cache is used; without one, every start compiles.
 *
 * It is JavaScript: for a TypeScript file that is not in the cache, Node loads its TypeScript parser, of 20 MB.
 */
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url)))
