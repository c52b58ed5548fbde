/**
 * Returns the processor time that a function takes, in microseconds. Unlike the time on the clock, it does not grow
 * while other programs run. The time of one thread is too coarse on some systems, so it is that of the process.
 */
export function measureUs (run: () => unknown): number {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return user + system
}
