/** Entry point of `npm start`. */
import './server/compile-cache.ts'

const { startProcess } = await import('./server/process.ts')
await startProcess()
