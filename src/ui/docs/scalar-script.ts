/**
 * Gets the browser script of Scalar from its package, which has it in its code only and serves it as a Fastify plugin.
 * A worker does that: loading the package takes half a second, and its memory is released with the worker.
 */
import { Worker } from 'node:worker_threads'

const loadTimeoutMs = 10_000

export async function loadScalarScript (): Promise<Buffer> {
  const worker = new Worker(new URL('./scalar-worker.ts', import.meta.url))
  const timer = setTimeout(() => worker.terminate(), loadTimeoutMs)
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      worker.once('message', (script: unknown) => {
        if (script instanceof Uint8Array) resolve(Buffer.from(script.buffer, script.byteOffset, script.byteLength))
      })
      worker.once('error', reject)
      worker.once('exit', () => reject(new Error('The script of Scalar could not be loaded.')))
    })
  } finally {
    clearTimeout(timer)
    await worker.terminate()
  }
}
