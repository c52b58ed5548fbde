/** `npm start`: the service and nothing else. */
import './compiled.ts'

const { run } = await import('./run.ts')
await run()
