/**
 * Points in time for durations and ages. They must not change if somebody sets the wall clock, or a wait could last an
 * hour too long.
 */

/** Milliseconds since the epoch by a monotonic clock, which had the time of the wall clock when the process started. */
export const monotonicNowMs = () => Math.floor(performance.timeOrigin + performance.now())

/**
 * Converts a time of this process to wall time. Replicas exchange wall times, because the monotonic clock of each one
 * starts at a different moment.
 */
export const toWallTimeMs = (monotonicMs: number) => monotonicMs - monotonicNowMs() + Date.now()

/** Converts a wall time of another replica to the time of this process. */
export const fromWallTimeMs = (wallMs: number) => wallMs - Date.now() + monotonicNowMs()
