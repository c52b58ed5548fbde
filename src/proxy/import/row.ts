import type { FieldValues } from '../../endpoints/endpoint.ts'
import type { FieldError, Problem } from '../../server/problem.ts'

/**
 * One row of an import, in the order of the file. Rows are numbered from 1; the header of a CSV file and blank lines
 * are not counted.
 */
export type ImportRow =
  | { kind: 'valid', number: number, values: FieldValues }
  /** The pointers of the errors are relative to the row: `/email_address`. */
  | { kind: 'invalid', number: number, errors: readonly FieldError[] }
  /** A value is valid, but the caller may not set it. */
  | { kind: 'forbidden', number: number, problem: Problem }

/** The content of a file. */
export type ImportFormat = 'csv' | 'ndjson'
