/** `npm start`: the service and nothing else. */
import { run } from './run.ts'

await run()
