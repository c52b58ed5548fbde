/**
 * Entry point of `npm start`. It is JavaScript, so that a Node that is too old for TypeScript can load it and report
 * the version that it needs.
 */
import './server/require-node.js'

// Dynamic imports: static ones would be loaded before the version is checked and before the compile cache is enabled.
await import('./server/compile-cache.js')
const { startProcess } = await import('./server/process.ts')
await startProcess()
