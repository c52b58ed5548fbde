/** `npm start`: the service and nothing else. */
import './server/compile-cache.ts'

const { run } = await import('./server/process.ts')
await run()
