/**
 * Where the lines of the log go: to standard output, behind the work, some milliseconds' lines at a time. What waits is written when
 * the process ends; past a limit it is dropped, so that a reader who stalls can't take the memory. It does
 * not look at what the lines say.
 */
import { pino, type DestinationStream } from 'pino'
import { limits } from '../config/limits.ts'

/** To be opened once in a process. A line is handed over after `limits.log.batchMs` at most; beyond `limits.log.maxBytes` that wait, lines are lost. */
export function batchedStdout (): DestinationStream {
  const stream = new BatchingStream(pino.destination({ dest: 1, sync: false, maxLength: limits.log.maxBytes }))
  // Before pino's own listener, which writes what it was given.
  process.prependListener('exit', () => stream.flush())
  return stream
}

/**
 * sonic-boom measures all the text that waits with each line that it is given, which makes one piece of it anew each time: at load that
 * was a quarter of all memory that a request took. Lines that are handed over together cost this once.
 */
class BatchingStream implements DestinationStream {
  readonly #destination: DestinationStream
  #batch = ''
  #timer: NodeJS.Timeout | undefined

  constructor (destination: DestinationStream) {
    this.#destination = destination
  }

  write (line: string): void {
    this.#batch += line
    if (this.#batch.length >= limits.log.batchLength) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), limits.log.batchMs)
  }

  flush (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const text = this.#batch
    this.#batch = ''
    if (text !== '') this.#destination.write(text)
  }
}
