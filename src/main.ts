/** `npm start`: the service and nothing else. */
import './server/compile-cache.ts'

const { startProcess: run } = await import('./server/process.ts')
await run()
