/**
 * Whether a number has more digits than a JavaScript number keeps. Procore would then receive another number than the
 * caller sent. An integer above 2^53-1 does not count: fields have a maximum, whose message is better.
 * @param source a number of JSON (RFC 8259 §6)
 */
export function isRounded (source: string): boolean {
  const value = Number(source)
  if (Number.isInteger(value)) return !isExactInteger(source)
  return Number.isFinite(value) && significantDigits(source) !== significantDigits(String(value))
}

/** Whether the text of a number is an integer, such as 300, 3.00 or 3e2. */
function isExactInteger (source: string): boolean {
  const [, integer = '', fraction = '', exponent = '0'] = /^-?(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(source) ?? []
  const shift = Number(exponent)
  const rest = shift < 0 ? integer.slice(shift) + fraction : fraction.slice(shift)
  return /^0*$/.test(rest)
}

/** Returns the digits without the zeros at both ends, so that 0.50, 5e-1 and 0.5 are the same. */
function significantDigits (source: string): string {
  const [mantissa = ''] = source.split(/e/i)
  const digits = mantissa.replace('-', '').replace('.', '').replace(/^0+/, '')
  // A loop, because a pattern such as /0+$/ would start again at each zero.
  let end = digits.length
  while (digits[end - 1] === '0') end--
  return digits.slice(0, end)
}
