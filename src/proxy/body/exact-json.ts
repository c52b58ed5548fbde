import { isRounded } from '../validation/rounded-number.ts'

/**
 * Parses a JSON text in which a number that JSON.parse would round, such as 2.9999999999999999, becomes NaN, which is
 * not valid for any field. Returns undefined if it is not JSON.
 */
export function parseExactJson (text: string): unknown {
  try {
    return JSON.parse(text, mayHaveFractions.test(text) ? markRounded : undefined)
  } catch {
    // The message of the SyntaxError quotes the body, which may contain personal data, so it is dropped.
    return undefined
  }
}

/** A number with a fraction or an exponent. It may also be in a string, which costs time only. */
const mayHaveFractions = /[:,[]\s*-?\d+[.eE]/

function markRounded (_name: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source
  return typeof value === 'number' && source !== undefined && isRounded(source) ? NaN : value
}
