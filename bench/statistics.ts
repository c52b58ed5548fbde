/** Summarizes the measurements of several rounds as a median and a spread. */

/** A figure of one round: JSON has no NaN, so a figure that was not measured is null once it was written. */
export type Measured = number | null

/** Returns the median, the larger middle value of an even count, and NaN if no value was measured. */
export function median (values: readonly Measured[]): number {
  const measured = sortMeasured(values)
  return measured[Math.floor(measured.length / 2)] ?? NaN
}

/** Formats the median of all rounds, with the lowest and the highest value: `1.56 (1.48-1.61)`. */
export function formatRounds (values: readonly Measured[], digits = 0): string {
  const measured = sortMeasured(values)
  const [low, high] = [measured[0], measured.at(-1)]
  if (low === undefined || high === undefined) return '-'
  const [text, lowText, highText] = [median(values), low, high].map(value => formatNumber(value, digits))
  return lowText === highText ? `${text}` : `${text} (${lowText}-${highText})`
}

/** Divides each value by that of the same round, so that load on the machine affects both alike. */
export function divideRounds (values: readonly Measured[], divisors: readonly Measured[]): Measured[] {
  return values.map((value, round) => {
    const divisor = divisors[round] ?? null
    return value === null || divisor === null ? null : value / divisor
  })
}

/** Returns the value below which the share (0 to 1) of the sorted values lies, or NaN of an empty list. */
export function percentile (sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

function sortMeasured (values: readonly Measured[]): number[] {
  return values.flatMap(value => value === null || Number.isNaN(value) ? [] : [value]).sort((a, b) => a - b)
}

/** Without `-0`. */
function formatNumber (value: number, digits: number): string {
  const text = value.toFixed(digits)
  return Number(text) === 0 ? (0).toFixed(digits) : text
}
