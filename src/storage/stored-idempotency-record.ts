/** The record of a key as JSON for the shared store, and back: what does not have the form that was written is no record. */
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { stringEnum } from '../endpoints/string-enum.ts'
import { problemCodes } from '../server/problem.ts'
import type { CompletedRecord, IndeterminateRecord } from './idempotency-store.ts'

const optional = Type.Optional

const SuccessSchema = Type.Object({
  kind: Type.Literal('success'),
  status: Type.Integer(),
  contentType: Type.String(),
  base64: Type.String(),
  recordId: optional(Type.Union([Type.Number(), Type.String()])),
  recovered: optional(Type.Literal(true)),
})
const RejectionSchema = Type.Object({ kind: Type.Literal('refusal'), status: Type.Integer(), body: optional(Type.Unknown()) })
const CompletedSchema = Type.Object({
  state: Type.Literal('answered'),
  fingerprint: Type.String(),
  procoreRequestId: optional(Type.String()),
  verdict: Type.Union([SuccessSchema, RejectionSchema]),
})
const IndeterminateSchema = Type.Object({ state: Type.Literal('unknown'), fingerprint: Type.String(), sentAtMs: Type.Number(), code: stringEnum(problemCodes) })
const StoredSchema = Type.Union([CompletedSchema, Type.Object({ ...IndeterminateSchema.properties, code: Type.Union(problemCodes.map(code => Type.Literal(code))) })])

type StoredRecord = Static<typeof CompletedSchema> | Static<typeof IndeterminateSchema>

/** JSON has no bytes, so a body is stored as base64. */
export function serialize (record: CompletedRecord | IndeterminateRecord): unknown {
  if (record.state === 'unknown') return record
  if (record.result.kind === 'rejection') return { ...record, verdict: { ...record.result, kind: 'refusal' } }
  const { body, ...verdict } = record.result
  return { ...record, verdict: { ...verdict, base64: body.toString('base64') } }
}

/** Nothing when the value is not of the form that this version writes. */
export function deserialize (value: unknown): CompletedRecord | IndeterminateRecord | undefined {
  if (!isStoredRecord(value)) return undefined
  if (value.state === 'unknown') return value
  const { verdict, fingerprint, procoreRequestId } = value
  if (verdict.kind === 'refusal') return { state: 'answered', fingerprint, procoreRequestId, result: { kind: 'rejection', status: verdict.status, body: verdict.body } }
  const { base64, recordId, ...success } = verdict
  return { state: 'answered', fingerprint, procoreRequestId, result: { ...success, recordId, body: Buffer.from(base64, 'base64') } }
}

function isStoredRecord (value: unknown): value is StoredRecord {
  return Value.Check(StoredSchema, value)
}
