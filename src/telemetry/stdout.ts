import { constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { LogWriter, type LogTarget } from './log-writer.ts'

const stdoutFd = 1
const stderrFd = 2

/** Opens standard output for the log. Must be called once per process. Lines that wait are written at the exit. */
export function openStdout (): LogWriter {
  const output = new LogWriter(createTarget())
  // A write beyond the size limit of the process (RLIMIT_FSIZE) fails, and raises a signal that kills it by default.
  process.on('SIGXFSZ', () => {})
  process.once('exit', () => output.close())
  return output
}

/**
 * A write to a pipe or a socket is synchronous, because it does not block: Node sets O_NONBLOCK when it creates the
 * streams `process.stdout` and `process.stderr`. Without it, a stalled reader would block a thread, and a process does
 * not exit before its threads ended. A disk may be slow, so a thread writes to a file.
 */
function createTarget (): LogTarget {
  const terminalFd = openTerminal(stdoutFd)
  const fd = terminalFd ?? process.stdout.fd
  const stats = fstatSync(fd)
  const isNonBlocking = terminalFd !== undefined || stats.isFIFO() || stats.isSocket()
  const writeAtOnce: LogTarget['write'] = (data, onWritten) => {
    let bytesWritten
    try {
      bytesWritten = writeSync(fd, data)
    } catch (error) {
      onWritten(error instanceof Error ? error : new Error('write failed'), 0)
      return
    }
    onWritten(null, bytesWritten)
  }
  let stderrTargetFd: number | undefined
  return {
    write: isNonBlocking ? writeAtOnce : (data, onWritten) => write(fd, data, onWritten),
    writeSync: data => writeSync(fd, data),
    report: line => {
      try {
        stderrTargetFd ??= openTerminal(stderrFd) ?? process.stderr.fd
        return writeSync(stderrTargetFd, `${line}\n`) > 0
      } catch {
        return false
      }
    },
  }
}

/**
 * Opens the terminal of a descriptor again, if it is one. Node makes its own descriptor of a terminal blocking, but a
 * terminal can stall too (Ctrl-S, `docker run --tty` without a reader). Returns undefined for everything else.
 */
function openTerminal (fd: number): number | undefined {
  if (!isatty(fd)) return undefined
  try {
    return openSync(`/dev/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return undefined
  }
}
