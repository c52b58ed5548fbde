/**
 * Keeps the compiled code of all modules beside the packages, so that a start need not make it anew. To be imported before them all.
 * Where nobody may write, what is there is read; where nothing is, each start compiles.
 */
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url)))
