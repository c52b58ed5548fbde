import { Type } from '@sinclair/typebox'
import { createCompanyUser, updateCompanyUser } from '../../src/endpoints/company-users.ts'
import { id, type EndpointOptions } from '../../src/endpoints/fields.ts'
import { readRows } from '../../src/proxy/import/read-rows.ts'
import type { ImportFormat, ImportRow } from '../../src/proxy/import/row.ts'
import type { RowOptions } from '../../src/proxy/import/row-validator.ts'
import { compileRecord } from '../../src/proxy/validation/schema.ts'
import { Problem } from '../../src/server/problem.ts'

/** Returns the options of an import of users that only creates. */
export function rowOptions (
  changes: Partial<RowOptions> = {}, endpointOptions: Partial<EndpointOptions> = {}
): RowOptions {
  const options: EndpointOptions = { stateCodes: 'iso', permissionTemplateIds: new Set(), ...endpointOptions }
  const create = createCompanyUser(options).body
  const update = updateCompanyUser(options).body
  if (update === undefined || update.record !== undefined) throw new Error('an update has no body')
  const fields = Type.Object({
    ...update.fields.properties,
    id: id({ description: 'The id of the user.' }),
  })
  return {
    record: compileRecord('body', create.fields, create),
    existing: { idField: 'id', record: compileRecord('body', fields, update) },
    mode: 'create',
    lookup: { matchField: 'email_address', originField: 'origin_id' },
    checkOperation: () => undefined,
    rowsMax: 1000,
    rowMaxBytes: 10_000,
    ...changes,
  }
}

/** Yields the bytes in chunks of the given size. */
export async function * chunksOf (bytes: Buffer, size = bytes.length): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}

/** What is read of a file: its rows, and the problem that ended it. */
export interface ReadFile { rows: ImportRow[], problem: Problem | undefined }

export async function readFile (
  content: string | Buffer, format: ImportFormat, options = rowOptions(), chunkSize?: number
): Promise<ReadFile> {
  const rows: ImportRow[] = []
  const bytes = Buffer.from(content)
  try {
    for await (const row of readRows(chunksOf(bytes, chunkSize), format, options)) rows.push(row)
    return { rows, problem: undefined }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { rows, problem: error }
  }
}

/** Describes a row shortly: its values, or its errors as `field rule`. */
export function describeRow (row: ImportRow): unknown {
  switch (row.kind) {
    case 'valid': return Object.fromEntries(row.values)
    case 'invalid': return row.errors.map(({ field, rule }) => `${field} ${rule}`)
    case 'forbidden': return row.problem.code
  }
}

/** Returns the values of the rows of a CSV file that has no others. */
export async function readValues (content: string | Buffer): Promise<unknown[]> {
  const { rows, problem } = await readFile(content, 'csv')
  if (problem !== undefined) throw problem
  return rows.map(describeRow)
}
