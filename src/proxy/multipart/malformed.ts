/** What every reader of a form says of one that can't be read without doubt. */
import { Problem } from '../../server/problem.ts'

/** @param detail a sentence without a word of the form's own */
export function malformedForm (detail: string): Problem {
  return new Problem('malformed_form', detail)
}
