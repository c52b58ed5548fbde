import { readCsv } from './csv.ts'
import { readNdjson } from './ndjson.ts'
import type { ImportFormat, ImportRow } from './row.ts'
import { RowValidator, type RowOptions } from './row-validator.ts'

/**
 * Yields the rows of a file in order, typed and validated, while its bytes arrive. It reads the source no faster than
 * the rows are consumed, and needs little memory besides 50 to 200 bytes for each row, to find duplicates.
 * @throws {Problem} `malformed_csv`, `validation_failed` for the header of a CSV file, `body_too_large` for too many
 * rows, each after the rows before the fault
 * @throws the error of the source
 */
export function readRows (
  source: AsyncIterable<Buffer>, format: ImportFormat, options: RowOptions
): AsyncGenerator<ImportRow> {
  const rows = new RowValidator(options)
  const read = format === 'csv' ? readCsv : readNdjson
  return read(source, rows, options.rowMaxBytes)
}
