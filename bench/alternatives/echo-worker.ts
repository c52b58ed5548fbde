/** Sends each message back, with the memory that it transfers. */
import { parentPort } from 'node:worker_threads'

parentPort?.on('message', (message: unknown) => {
  parentPort?.postMessage(message, message instanceof ArrayBuffer ? [message] : [])
})
