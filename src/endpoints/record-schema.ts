/** The body of an endpoint as one JSON Schema, for those who build forms or read the document. */
import { Type, type TObject } from '@sinclair/typebox'
import type { RecordBody } from './endpoint.ts'

/** Without the image, which JSON can't carry. */
export function recordSchema ({ key, fields }: RecordBody): TObject {
  return Type.Object({ [key]: Type.Object(fields.properties, { additionalProperties: false }) }, { additionalProperties: false })
}
