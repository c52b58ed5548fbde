/** Reads lines of JSON (NDJSON) from a response while it arrives. */
import { NetworkError } from './errors.ts'
import { limits } from './limits.ts'

/**
 * Yields each line as JSON. Leaving the loop closes the connection.
 * @throws {NetworkError} `incomplete` if the connection is lost, `timeout` if it is silent, `response` if a line is not
 * JSON
 */
export async function * readJsonLines (stream: ReadableStream<Uint8Array>): AsyncGenerator<unknown, void, undefined> {
  const reader = stream.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await readChunk(reader)
      const lines = (rest + decoder.decode(value, { stream: !done })).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > limits.importLineMaxChars) throw new NetworkError('response')
      for (const line of lines) if (line.trim() !== '') yield parseLine(line)
      // A line without a line feed at its end was cut off.
      if (done) return
    }
  } finally {
    // It fails if the connection is lost already.
    await reader.cancel().catch(() => undefined)
  }
}

function readChunk (
  reader: ReadableStreamDefaultReader<Uint8Array>
): Promise<{ done: boolean, value?: Uint8Array | undefined }> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new NetworkError('timeout')), limits.importSilenceMaxMs)
    reader.read()
      .then(resolve, (cause: unknown) => reject(new NetworkError('incomplete', { cause })))
      .finally(() => clearTimeout(timer))
  })
}

function parseLine (line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new NetworkError('response', { cause })
  }
}
